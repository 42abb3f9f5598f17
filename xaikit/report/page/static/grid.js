// Photographs down, trials across.

import { gridBars } from "./bar.js";
import { fileName, make, short } from "./dom.js";
import { heightOf, needPhotograph, paintRow, shownSlice, sized } from "./paint.js";
import { peakOf, valueAt, whereText } from "./reading.js";
import { sortValues, valueOf } from "./sorting.js";
import { countText, linesText } from "./summary_parts.js";

const REPAINTED = new Set(["colors", "alpha", "scale", "slice"]);
const REMADE = new Set(["text", "method", "layer", "target", "explained", "class", "model", "outcome", "warning", "controls", "photographs", "only", "sort",
  "of", "down", "pair", "kind", "versus", "side"]);
const BLINK = 700;
const GAP = 10; // pixels between two cells

function placed(cell, place) {
  cell.style.gridColumn = place + 2;
  return cell;
}

class Grid extends HTMLElement {
  set store(store) {
    this.shown = store;
    this.bars = make("div", { class: "bars" });
    this.table = make("div", { class: "table", role: "grid", "aria-label": "photographs by methods" });
    const controls = make("x-controls");
    this.append(controls, this.table);
    controls.store = store;
    this.seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.#see(entry)), { rootMargin: "300px" });
    this.visible = new Set();
    store.addEventListener("change", (event) => this.#changed(event.detail));
    this.table.addEventListener("click", (event) => this.#click(event));
    this.table.addEventListener("pointermove", (event) => this.#read(event));
    this.table.addEventListener("pointerleave", () => store.read(""));
    this.table.addEventListener("keydown", (event) => this.#move(event));
    window.addEventListener("beforeprint", () => this.lines.forEach((line) => this.#fill(line)));
    window.addEventListener("afterprint", () => this.lines.filter((line) => !this.visible.has(line)).forEach((line) => this.#release(line)));
    setInterval(() => this.#blink(), BLINK);
    this.#render();
  }

  #changed(names) {
    if ([...names].some((name) => REMADE.has(name)) || names.has("picked") && this.shown.state.only) this.stale = true;
    else if ([...names].some((name) => REPAINTED.has(name))) this.painted = null;
    if (this.shown.state.view !== "grid") return;
    if (this.stale) this.#render();
    else if (this.painted === null) this.#repaint();
    if (names.has("picked")) this.#mark();
    if (names.has("blink") && !this.shown.state.blink) this.#repaint();
  }

  #render() {
    const { columns, keys, state } = this.shown;
    this.stale = false;
    this.seen.disconnect();
    this.visible.clear();
    const values = sortValues(this.shown, keys);
    if (state.sort === "disagreement") this.shown.page.need()?.then(() => this.shown.refresh(), (error) => this.shown.tell(error.message));
    this.lines = keys.map((key) => this.#line(key, values?.get(key)));
    const heads = columns.map((column) => this.#head(column));
    const corner = make("div", { class: "head corner", role: "columnheader" }, this.bars);
    const empty = make("p", { class: "empty" }, "Nothing is like that. ", make("button", { type: "button", on: { click: () => this.shown.reset() } }, "Show all"));
    this.table.style.setProperty("--columns", columns.length);
    this.table.style.setProperty("--side", `${state.side}px`);
    this.table.replaceChildren(make("div", { class: "line header", role: "row" }, corner, ...heads), ...(keys.length ? this.lines : [empty]));
    this.#repaint();
    // what is in view at once, and not a frame later
    if (state.view === "grid") this.lines.slice(0, Math.ceil(window.innerHeight / state.side)).forEach((line) => this.#fill(line));
    this.lines.forEach((line) => this.seen.observe(line));
    this.shown.tell(this.#count());
  }

  #head({ trial, less }) {
    const { page, state } = this.shown;
    const { layers, signed } = page.trials[trial];
    const about = less === null ? state.layer || layers.join(", ") : `less ${page.titles[less]}`;
    const title = [page.titles[trial], about, signed ? "signed" : ""].filter(Boolean).join("\n");
    const mean = state.sort.startsWith("metric:") ? this.#mean(trial) : null;
    return make("div", { class: "head", role: "columnheader", title }, make("b", { dir: "auto" }, page.titles[trial]), make("span", { dir: "auto" }, about),
      mean !== null && make("span", {}, `mean ${short(mean)}`));
  }

  #mean(trial) {
    const values = this.shown.rows.filter((row) => this.shown.page.rows.trial[row] === trial)
      .map((row) => valueOf(this.shown.page, row, this.shown.state.sort)).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }

  #line(key, value) {
    const { page, columns, rowSet } = this.shown;
    const rows = columns.map(({ trial }) => page.rowOf(key, trial)).map((row) => rowSet.has(row) ? row : null);
    const first = rows.find((row) => row !== null) ?? null;
    const line = make("div", { class: "line", role: "row" }, this.#name(key, first, value));
    const photograph = first === null ? { width: 1, height: 1 } : page.photographOf(first);
    line.style.setProperty("--aspect", `${photograph.width} / ${photograph.height}`);
    line.key = key;
    line.rows = rows;
    return line;
  }

  #name(key, row, value) {
    const { page } = this.shown;
    const { rows } = page;
    const name = page.nameOf(key);
    const mark = { true: ["good", "✓"], false: ["bad", "✗"], null: ["", ""] }[rows.correct[row]];
    const truth = rows.correct[row] === false ? `, is ${rows.truth_name[row]}` : "";
    const prediction = rows.prediction_name[row] && make("span", { class: mark[0], dir: "auto" },
      `${mark[1]} ${rows.prediction_name[row]} ${short(rows.probability[row], 2)}${truth}`);
    const button = make("button", { type: "button", class: "photo", title: name, tabIndex: -1, "aria-label": `all of ${fileName(name)}` });
    return make("div", { class: "name", role: "rowheader" }, button, make("b", { dir: "auto", title: name }, fileName(name)), prediction,
      typeof value === "number" && make("span", { class: "sorted" }, short(value)));
  }

  #see({ target, isIntersecting }) {
    this.visible[isIntersecting ? "add" : "delete"](target);
    if (!isIntersecting) this.#release(target);
    else if (target.drawn !== this.painted) this.#fill(target);
  }

  // What is not in view takes no memory.
  #release(line) {
    line.drawn = null;
    for (const canvas of line.querySelectorAll("canvas")) canvas.width = 0;
    for (const drawn of line.querySelectorAll("canvas, .view")) Object.assign(drawn, { painted: null, drawn: null });
  }

  // Make the cells of a line where it has none, and paint them.
  #fill(line) {
    line.drawn = this.painted;
    const { page, columns } = this.shown;
    const first = line.rows.find((row) => row !== null);
    const width = this.#pixels(first);
    const waiting = page.need(columns.map(({ trial }) => page.rowOf(line.key, trial))) ?? needPhotograph(this.shown, first, width);
    if (waiting) return waiting.then(() => line.isConnected && line.drawn && this.#fill(line), (error) => this.shown.tell(error.message));
    if (line.childElementCount === 1) {
      line.querySelector(".photo").append(make("canvas", { "aria-hidden": true }));
      line.append(...line.rows.map((row, place) => this.#cell(row, place)), make("canvas", { class: "sheet", "aria-hidden": true }));
    }
    const height = heightOf(this.shown, first, width);
    paintRow(this.shown, line.querySelector(".photo canvas"), first, null, width);
    const step = width * (1 + GAP / this.shown.state.side);
    const sheet = sized(line.lastChild, Math.round(step * columns.length - step + width), height);
    for (const cell of line.querySelectorAll(".cell[data-row]")) {
      Object.assign(cell.firstChild, { sheet, left: Math.round(cell.place * step), width, height });
      this.#paint(cell);
    }
  }

  // All maps of a line are on one sheet behind its cells, as a canvas of its own for each takes a browser longer than its colours.
  #paint(cell, isBare = false) {
    const view = cell.firstChild;
    const { page, state } = this.shown;
    const map = this.shown.mapOf(cell.row, cell.less);
    cell.slice = map && { ...page.photographOf(cell.row), map, values: shownSlice(map, page.photographOf(cell.row), state.slice) };
    const where = map ? whereText(peakOf(cell.slice.values, map.height, map.width)) : "no map";
    view.setAttribute("aria-label", `${cell.title} of ${fileName(page.photographOf(cell.row).name)}, ${page.rows.target_name[cell.row]}: ${where}`);
    paintRow(this.shown, view, cell.row, isBare ? null : map, view.width, view.height);
  }

  #pixels(row) {
    const { width } = this.shown.page.photographOf(row);
    return Math.min(Math.round(this.shown.state.side * (window.devicePixelRatio || 1)), Math.max(width, 64));
  }

  #cell(row, place) {
    if (row === null) return placed(make("div", { class: "cell none", role: "gridcell" }, "–"), place);
    const { page, columns, state } = this.shown;
    const { trial, less } = columns[place];
    const warnings = page.rows.warnings[row];
    const isMetric = state.sort.startsWith("metric:");
    const value = isMetric ? valueOf(page, row, state.sort) : page.rows.score[row];
    const unfinished = page.data.maps.unfinished[row];
    const caption = make("span", { class: "caption" }, make("span", { dir: "auto" }, page.rows.target_name[row]), make("span", {}, short(value)),
      (warnings.length > 0 || unfinished) && make("span", { class: "warned", title: [...warnings, unfinished].filter(Boolean).join("\n") }, "⚠"));
    const cell = make("div", { class: "cell", role: "gridcell", tabIndex: -1, "data-row": row, "aria-selected": this.shown.picks.has(row) },
      make("div", { class: "view", role: "img" }), caption, make("button", { type: "button", class: "pick", tabIndex: -1, title: "pick (Space)", "aria-label": "pick this map" }, "✓"));
    const title = less === null ? page.titles[trial] : `${page.titles[trial]} less ${page.titles[less]}`;
    return Object.assign(placed(cell, place), { row, place, title, less: less === null ? null : page.rowOf(page.keyOf(row), less) });
  }

  #repaint(isBare = false) {
    this.painted = {};
    this.bars.replaceChildren(...gridBars(this.shown));
    if (!isBare) for (const line of this.visible) this.#fill(line);
  }

  #blink() {
    const { state } = this.shown;
    if (!state.blink || state.view !== "grid") return;
    this.isBare = !this.isBare;
    for (const line of this.visible) {
      for (const cell of line.querySelectorAll(".cell[data-row]")) this.#paint(cell, this.isBare);
    }
  }

  #mark() {
    for (const cell of this.table.querySelectorAll(".cell[data-row]")) cell.setAttribute("aria-selected", this.shown.picks.has(cell.row));
  }

  // A map is picked by its tick, or with a key held down, and opened otherwise.
  #click(event) {
    const cell = event.target.closest(".cell[data-row]");
    const isPick = event.target.closest(".pick") || event.shiftKey || event.ctrlKey || event.metaKey;
    if (cell && isPick) this.shown.pick(cell.row);
    else this.#open(cell ?? event.target.closest(".photo"));
  }

  #open(part) {
    if (!part) return;
    const line = part.closest(".line");
    const row = part.row ?? line.rows.find((each) => each !== null);
    this.shown.open({ view: "detail", key: line.key, trial: this.shown.page.titles[this.shown.page.rows.trial[row]], depth: this.shown.state.layer });
  }

  #read(event) {
    const cell = event.target.closest(".cell[data-row]");
    if (!cell?.slice || event.target !== cell.firstChild) return;
    const { left, top, width, height } = cell.firstChild.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    const { map, values, width: across, height: down } = cell.slice;
    const value = short(valueAt(values, map.height, map.width, x, y));
    this.shown.read(`${value} — ${cell.title}, ${fileName(cell.slice.name)} at (${Math.floor(x * across)}, ${Math.floor(y * down)}) of ${across} × ${down}`);
  }

  // Arrows go from map to map, Enter opens one, Space picks it.
  #move(event) {
    const cell = event.target.closest(".cell[data-row]");
    if (!cell || event.target !== cell) return;
    if (event.key === " ") {
      event.preventDefault();
      return this.shown.pick(cell.row);
    }
    if (event.key === "Enter") return this.#open(cell);
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e6], End: [0, 1e6] }[event.key];
    if (!step) return;
    event.preventDefault();
    const line = cell.parentElement;
    const [down, across] = [this.lines.indexOf(line) + step[0], [...line.children].indexOf(cell) + step[1]];
    this.focusCell(Math.min(Math.max(down, 0), this.lines.length - 1), Math.min(Math.max(across, 1), this.shown.columns.length));
  }

  focusCell(down = 0, across = 1) {
    const line = this.lines[down];
    if (!line) return;
    if (line.childElementCount === 1) this.#fill(line);
    line.children[across].focus();
    line.scrollIntoView({ block: "nearest" });
  }

  #count() {
    const { keys, trials, rows } = this.shown;
    return `${linesText(this.shown.page, keys)} × ${countText(trials.length, "method")}: ${countText(rows.length, "map")}`;
  }
}

customElements.define("x-grid", Grid);
