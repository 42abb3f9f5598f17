// What all photographs say together: each part is derived from the rows, and each of its marks opens the rows it stands for.

import { make } from "./dom.js";
import { failuresPart } from "./summary_failures.js";
import { clustersPart } from "./summary_groups.js";
import { heatPart } from "./summary_heat.js";
import { leaderboardPart } from "./summary_leaderboard.js";
import { stripsPart } from "./summary_strips.js";
import { tradeoffPart } from "./summary_tradeoff.js";
import { countText, letThrough, photographsOf, rowsOfPage } from "./summary_parts.js";

const FILTERS = ["text", "method", "layer", "target", "explained", "class", "model", "outcome", "warning", "photographs", "picked", "only", "whole"];

// Each part, and what of the state it is drawn by, beside the filters.
const PARTS = [
  [scopePart, []],
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
    const isOther = FILTERS.some((name) => names.has(name));
    PARTS.forEach(([, uses], at) => (isOther || uses.some((name) => names.has(name))) && this.stale.add(at));
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

// What it is of, and the other choice.
function scopePart(store) {
  const { page, state } = store;
  const all = rowsOfPage(page);
  const some = letThrough(store, all);
  if (some.length === all.length) return null;
  const [photographs, trials] = [photographsOf(page, all).length, trialsOf(page, all)];
  const text = state.whole ? `Of all ${countText(photographs, "photograph")} and ${countText(trials, "method")}, whatever the grid shows.`
    : `Of ${photographsOf(page, some).length} of ${countText(photographs, "photograph")} and ${trialsOf(page, some)} of ${countText(trials, "method")}: what the grid's filters let through.`;
  const toggle = make("button", { type: "button", name: "whole", on: { click: () => store.set({ whole: !state.whole }) } }, state.whole ? "What the grid shows" : "All");
  return make("p", { class: "scope", role: "note" }, make("span", {}, text), toggle);
}

function trialsOf(page, rows) {
  return new Set(rows.map((row) => page.rows.trial[row])).size;
}

customElements.define("x-summary", Summary);
