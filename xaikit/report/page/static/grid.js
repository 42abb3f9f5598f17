// Photographs down, trials across.

import { fileName, make, short } from "./dom.js";
import { paintRow } from "./paint.js";

class Grid extends HTMLElement {
  set store(store) {
    this.shown = store;
    this.lines = new Map();
    this.seen = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && this.#fill(entry.target)), {
      rootMargin: "400px",
    });
    store.addEventListener("change", (event) => this.#changed(event.detail));
    this.#render();
  }

  #changed(names) {
    if (this.shown.state.view === "grid") this.#render();
  }

  #render() {
    const { page, trials, keys } = this.shown;
    this.seen.disconnect();
    const heads = trials.map((trial) => make("div", { class: "head", role: "columnheader", dir: "auto" }, page.trials[trial].name));
    const corner = make("div", { class: "head corner", role: "columnheader" }, "photograph");
    const lines = keys.map((key) => this.#line(key));
    this.replaceChildren(make("div", { class: "table", role: "grid", "aria-label": "photographs by methods" },
      make("div", { class: "line header", role: "row" }, corner, ...heads), ...lines));
    this.firstChild.style.setProperty("--columns", trials.length);
    this.firstChild.style.setProperty("--side", `${this.shown.state.side}px`);
    lines.forEach((line) => this.seen.observe(line));
  }

  #line(key) {
    const { page, trials } = this.shown;
    const rows = trials.map((trial) => page.rowOf(key, trial));
    const first = rows.find((row) => row !== null);
    const name = page.photographOf(first).name;
    const line = make("div", { class: "line", role: "row" }, make("div", { class: "name", role: "rowheader", title: name, dir: "auto" }, fileName(name)),
      ...rows.map((row) => this.#cell(row)));
    line.rows = rows;
    return line;
  }

  #cell(row) {
    if (row === null) return make("div", { class: "cell", role: "gridcell" });
    const { page } = this.shown;
    return make("div", { class: "cell", role: "gridcell", "data-row": row },
      make("canvas", { "aria-label": `${page.trialOf(row).name} of ${page.photographOf(row).name}`, role: "img" }),
      make("span", { class: "caption" }, short(page.rows.score[row])));
  }

  #fill(line) {
    this.seen.unobserve(line);
    for (const cell of line.querySelectorAll(".cell[data-row]")) {
      paintRow(this.shown, cell.querySelector("canvas"), Number(cell.dataset.row), this.shown.state.side);
    }
  }
}

customElements.define("x-grid", Grid);
