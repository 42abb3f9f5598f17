// What all photographs say together: each part is derived from the rows, and each of its marks opens the rows it stands for.

import { make } from "./dom.js";
import { failuresPart } from "./summary_failures.js";
import { clustersPart } from "./summary_groups.js";
import { heatPart } from "./summary_heat.js";
import { leaderboardPart } from "./summary_leaderboard.js";
import { stripsPart } from "./summary_strips.js";
import { tradeoffPart } from "./summary_tradeoff.js";

// Each part, and what of the state it is drawn by.
const PARTS = [
  [failuresPart, []],
  [leaderboardPart, []],
  [tradeoffPart, ["x", "y"]],
  [heatPart, ["metric", "rowAxis", "columnAxis"]],
  [stripsPart, ["metric", "colors"]],
  [clustersPart, ["clustered", "clusters", "colors", "alpha"]],
];

class Summary extends HTMLElement {
  set store(store) {
    this.shown = store;
    this.places = PARTS.map(() => make("div"));
    this.stale = new Set(PARTS.keys());
    this.append(...this.places);
    store.addEventListener("change", (event) => this.#changed(event.detail));
    this.#draw();
  }

  #changed(names) {
    PARTS.forEach(([, uses], at) => uses.some((name) => names.has(name)) && this.stale.add(at));
    this.#draw();
  }

  // One part after the other, so that the page answers in between.
  #draw() {
    if (this.shown.state.view !== "summary" || !this.stale.size) return;
    const at = Math.min(...this.stale);
    this.stale.delete(at);
    const focused = this.places[at].contains(document.activeElement) ? document.activeElement.name : "";
    const drawn = PARTS[at][0](this.shown);
    this.places[at].replaceChildren(...(drawn ? [drawn] : []));
    if (focused) this.places[at].querySelector(`[name="${focused}"]`)?.focus();
    this.dataset.drawn = String(!this.stale.size);
    if (this.stale.size) setTimeout(() => this.#draw());
  }
}

customElements.define("x-summary", Summary);
