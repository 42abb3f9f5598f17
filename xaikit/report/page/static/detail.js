// One photograph: all that there is of it.

import { depthsOf, finishesOf } from "./depths.js";
import { fileName, make } from "./dom.js";
import { cardOf, measureTable, recordTable, trialTable, warningList } from "./facts.js";
import { figureOf } from "./figure.js";
import { paintRow } from "./paint.js";
import { linesText } from "./summary_parts.js";

const SHOWN = new Set(["view", "key", "trial", "depth", "beside", "threshold", "regions", "slice", "colors", "alpha", "scale", "kind", "text", "method",
  "controls", "model", "target", "outcome", "explained", "class", "warning", "sort", "down", "of", "photographs", "layer"]);
const STRIP = 112;

class Detail extends HTMLElement {
  set store(store) {
    this.shown = store;
    store.addEventListener("change", (event) => [...event.detail].some((name) => SHOWN.has(name)) && this.#render());
    document.addEventListener("keydown", (event) => this.#key(event));
    this.controls = this.#controls();
    this.stage = make("section", { class: "stage", "aria-label": "maps" });
    this.strips = make("section", { class: "strips" });
    this.facts = make("aside", { class: "facts" });
    this.head = make("div", { class: "headline" });
    this.append(this.head, make("div", { class: "columns" }, make("div", {}, this.stage, this.controls, this.strips), this.facts));
    this.#render();
  }

  get place() {
    return this.shown.place;
  }

  #render() {
    if (this.shown.state.view !== "detail") return;
    const { place } = this;
    const { page } = this.shown;
    const waiting = place && page.need([...page.trials.keys()].map((trial) => page.rowOf(place.key, trial)));
    if (waiting) return waiting.then(() => this.#render(), (error) => this.shown.tell(error.message));
    this.classList.toggle("empty", place === null);
    if (place === null) return this.head.replaceChildren("Nothing is shown; the grid's filters leave no photograph.");
    this.#renderHead(place);
    this.#renderStage(place);
    this.#renderControls(place);
    this.#renderStrips(place);
    const { method } = page.trials[place.trial];
    this.facts.replaceChildren(...[warningList(page, place.row), recordTable(page, place.row), measureTable(page, place.row), trialTable(page, place.trial),
      cardOf(method, page.data.methods[method])].filter(Boolean));
    this.shown.tell(`${this.shown.keys.indexOf(place.key) + 1} of ${linesText(page, this.shown.keys)}`);
  }

  #renderHead({ key, trial }) {
    const { page } = this.shown;
    const step = (by, text, label) => make("button", { type: "button", "aria-label": label, disabled: !this.#neighbour(by), on: { click: () => this.#step(by) } }, text);
    this.head.replaceChildren(step(-1, "←", "previous photograph"), step(1, "→", "next photograph"),
      make("h2", { dir: "auto", title: page.nameOf(key) }, fileName(page.nameOf(key))), make("span", { class: "faint", dir: "auto" }, page.titles[trial]));
  }

  #neighbour(by) {
    const { keys } = this.shown;
    return keys[keys.indexOf(this.place.key) + by];
  }

  #step(by) {
    const key = this.#neighbour(by);
    if (key !== undefined) this.shown.set({ key });
  }

  // The trial's map; beside it another trial's, and what they differ by.
  #renderStage({ key, trial, row }) {
    const { page, state } = this.shown;
    const other = page.trialTitled(state.beside);
    const layer = this.#layerOf(trial);
    const figures = [figureOf(this.shown, row, page.mapOf(row, layer, state.kind), page.titles[trial])];
    const otherRow = other === null ? null : page.rowOf(key, other);
    if (otherRow === null) figures.unshift(figureOf(this.shown, row, null, "photograph"));
    else {
      figures.push(figureOf(this.shown, otherRow, page.mapOf(otherRow, this.#layerOf(other), state.kind), page.titles[other]));
      figures.push(figureOf(this.shown, row, page.differenceOf(row, otherRow, layer, state.kind, this.#layerOf(other)), `${page.titles[trial]} less ${page.titles[other]}`));
    }
    this.stage.replaceChildren(...figures);
    this.stage.dataset.count = figures.length;
  }

  // The layer of the state where a trial has it, else all of them.
  #layerOf(trial) {
    const { page, state } = this.shown;
    return page.trials[trial].layers.includes(state.depth) ? state.depth : "";
  }

  #controls() {
    const { page } = this.shown;
    const set = (name, read) => ({ input: (event) => this.shown.set({ [name]: read(event.target) }) });
    const number = (input) => Number(input.value);
    this.depth = make("input", { type: "range", min: 0, step: 1, on: { input: () => this.#scrub(Number(this.depth.value)) } });
    this.layerName = make("output", { dir: "auto" });
    this.beside = make("select", { on: { change: () => this.shown.set({ beside: this.beside.value }) } }, make("option", { value: "" }, "nothing"),
      ...page.titles.map((value) => make("option", { value }, value)));
    this.kind = make("select", { on: { change: () => this.shown.set({ kind: this.kind.value }) } }, make("option", { value: "finished" }, "finished"),
      make("option", { value: "raw" }, "raw, signed"));
    this.regions = make("input", { type: "checkbox", on: { change: () => this.shown.set({ regions: this.regions.checked }) } });
    this.threshold = make("input", { type: "range", min: 0.05, max: 1, step: 0.05, on: set("threshold", number) });
    this.thresholdText = make("output", {});
    this.opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, on: set("alpha", number) });
    this.slice = make("input", { type: "range", min: 0, max: 1, step: 0.01, on: set("slice", number) });
    const field = (label, control, output = "") => make("label", { class: "field" }, make("span", {}, label), control, output);
    this.depthField = field("Layer over depth", this.depth, this.layerName);
    this.sliceField = field("Slice or frame", this.slice);
    return make("div", { class: "row", role: "group", "aria-label": "How the map is shown" }, this.depthField, field("Shown map", this.kind), field("Beside", this.beside),
      make("label", { class: "check" }, this.regions, "regions"), field("Threshold", this.threshold, this.thresholdText), field("Map opacity", this.opacity), this.sliceField);
  }

  #renderControls({ key, trial, row }) {
    const { page, state } = this.shown;
    this.depths = depthsOf(page, key, trial);
    const layer = this.#layerOf(trial);
    const all = page.trials[trial].layers;
    this.depthField.hidden = this.depths.length < 2;
    // the place behind the last layer is all of them, fused
    this.depth.max = this.depths.length;
    this.depth.value = layer ? this.depths.findIndex((depth) => depth.layer === layer) : this.depths.length;
    this.layerName.textContent = layer || (all.length > 1 ? `${all.length} layers, fused` : all[0]);
    this.depth.setAttribute("aria-valuetext", this.layerName.textContent);
    this.beside.value = state.beside;
    this.kind.value = state.kind;
    this.regions.checked = state.regions;
    this.threshold.value = state.threshold;
    this.threshold.disabled = !state.regions;
    this.thresholdText.textContent = `${Math.round(100 * state.threshold)} % of max`;
    this.opacity.value = state.alpha;
    this.slice.value = state.slice;
    this.sliceField.hidden = page.photographOf(row).frames.length < 2;
  }

  #scrub(place) {
    const { page } = this.shown;
    const depth = this.depths[place];
    this.shown.set(depth ? { depth: depth.layer, trial: page.titles[depth.trial] } : { depth: "" });
  }

  // All methods of the photograph, all layers of the method, and all ways in which its maps were finished.
  #renderStrips({ key, trial, row }) {
    const { page, trials, state } = this.shown;
    const methods = trials.filter((each) => page.rowOf(key, each) !== null);
    const finishes = finishesOf(page, key, trial);
    const layer = this.#layerOf(trial);
    this.strips.replaceChildren(
      this.#strip("Methods", methods.map((each) => this.#tile(page.rowOf(key, each), this.#layerOf(each), state.kind, page.titles[each],
        each === trial, { trial: page.titles[each] }))),
      this.#strip("Layers, first to last", this.depths.length > 1 ? this.depths.map((depth) => this.#tile(page.rowOf(key, depth.trial), depth.layer, state.kind,
        depth.layer, depth.layer === layer, { depth: depth.layer, trial: page.titles[depth.trial] })) : []),
      this.#strip("Finishes", [this.#tile(row, layer, "raw", "raw, signed", state.kind === "raw", { kind: "raw" }),
        ...finishes.map((each) => this.#tile(page.rowOf(key, each), layer, "finished", finishText(page.trials[each].finish),
          state.kind === "finished" && each === trial, { kind: "finished", trial: page.titles[each] }))]));
  }

  #strip(title, tiles) {
    return make("div", { class: "strip", hidden: !tiles.length }, make("h3", {}, title), make("div", { class: "tiles" }, ...tiles));
  }

  #tile(row, layer, kind, title, isShown, changes) {
    const canvas = make("canvas", { "aria-hidden": true });
    const tile = make("button", { type: "button", class: "tile", "aria-pressed": isShown, on: { click: () => this.shown.set(changes) } }, canvas,
      make("span", { dir: "auto", title }, title));
    paintRow(this.shown, canvas, row, this.shown.page.mapOf(row, layer, kind), STRIP * 2);
    return tile;
  }

  // Left and right are photographs, up and down methods.
  #key(event) {
    if (this.shown.state.view !== "detail" || event.target.closest("input, select, textarea, dialog, [role=tablist]")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.#step(event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") this.#turn(event.key === "ArrowUp" ? -1 : 1);
    else return;
    event.preventDefault();
  }

  #turn(by) {
    const { page, trials } = this.shown;
    const some = trials.filter((each) => page.rowOf(this.place.key, each) !== null);
    const next = some[some.indexOf(this.place.trial) + by];
    if (next !== undefined) this.shown.set({ trial: page.titles[next] });
  }
}

function finishText(finish) {
  return Object.values(finish).map((stage) => typeof stage === "object" ? JSON.stringify(stage) : stage).filter((stage) => stage !== "none").join(" · ") || "none";
}

customElements.define("x-detail", Detail);
