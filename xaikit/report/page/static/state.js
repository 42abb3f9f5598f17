// What is on the screen, in one place: kept in the location's hash, so that every link shows the same.

import { columnsOf, matching, rowsNamed } from "./filters.js";
import { ordered } from "./sorting.js";

const START = {
  view: "grid",
  text: "",
  method: [],
  layer: "",
  target: "",
  explained: "",
  class: "",
  model: "",
  outcome: "",
  warning: "",
  controls: false,
  photographs: [], // names, those that a view has opened
  picked: [], // maps that somebody has picked by hand; see Page.idOf
  only: false, // whether nothing else is shown
  sort: "order",
  of: "", // the trial that is sorted by; "" for the mean over those that are shown
  down: false,
  versus: "", // the trial that all others are shown less of
  pair: [], // of trials, whose disagreement is sorted by
  kind: "finished",
  colors: "auto",
  alpha: 0.5,
  scale: "map",
  blink: false,
  side: 144,
  key: "", // of the line in the grid that the detail shows
  trial: "",
  depth: "", // the layer in the detail; "" for all of them, fused
  beside: "",
  threshold: 0.5,
  regions: false,
  slice: 0.5,
  theme: "",
  metric: "", // of the summary's heat map and strips; "" for the first one, as in all below
  x: "", // of the trade-off
  y: "",
  rowAxis: "", // of the heat map
  columnAxis: "",
  clustered: "", // the trial whose maps are grouped
  clusters: 0, // how many groups; 0 for the number that fits best
  whole: false, // whether it is of all photographs and methods, and not of those that the grid shows
};

// What changes neither which maps are shown nor their order.
const LOOKS = new Set(["view", "colors", "alpha", "scale", "blink", "side", "key", "trial", "depth", "beside", "threshold", "regions", "slice",
  "theme", "metric", "x", "y", "rowAxis", "columnAxis", "clustered", "clusters", "whole"]);

export const VIEWS = ["grid", "detail", "summary", "about"];

const WORDS_OF = { view: VIEWS, kind: ["finished", "raw"], scale: ["map", "locked"], theme: ["", "light", "dark"] };
const RANGES = { alpha: [0, 1], side: [64, 320], threshold: [0.05, 1], slice: [0, 1] };

export class Store extends EventTarget {
  constructor(page) {
    super();
    this.page = page;
    this.state = { ...START, ...fromHash(location.hash) };
    this.cache = new Map();
    window.addEventListener("hashchange", () => this.#read());
  }

  get start() {
    return START;
  }

  // Change some of the state; views listen to "change", whose detail has the names of what is new.
  set(changes) {
    const names = Object.keys(changes).filter((name) => !same(changes[name], this.state[name]));
    if (!names.length) return;
    this.state = { ...this.state, ...changes };
    this.#tell(names);
    const hash = toHash(this.state);
    this.written = hash;
    // in full, as a frame in a notebook takes a mere hash for one of the notebook
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", this.permalink);
  }

  // Which of the maps is drawn in a cell.
  mapOf(row, less) {
    const { layer, kind } = this.state;
    return less === null ? this.page.mapOf(row, layer, kind) : this.page.differenceOf(row, less, layer, kind);
  }

  // All maps are there that were waited for: what follows from them is computed again.
  refresh() {
    this.#tell(Object.keys(START));
  }

  // Open another view, so that the browser's back button leads here.
  open(changes) {
    history.pushState(null, "", this.permalink);
    this.set(changes);
  }

  // Pick a map, or put it back.
  pick(row) {
    const id = this.page.idOf(row);
    const { picked } = this.state;
    const left = picked.filter((each) => each !== id);
    const after = left.length < picked.length ? left : [...picked, id];
    this.set({ picked: after, only: this.state.only && after.length > 0 });
  }

  // The rows that are picked, in the order of the run.
  get picks() {
    return this.kept("picks", () => rowsNamed(this.page, this.state.picked));
  }

  reset() {
    this.set({ ...START, view: this.state.view, theme: this.state.theme });
  }

  get permalink() {
    return `${location.href.split("#")[0]}#${toHash(this.state)}`;
  }

  // The places of the trials that are shown, in the order of the run.
  get trials() {
    return this.kept("trials", () => this.#matching.trials);
  }

  // The lines of the grid that are shown, in order; see Page.keyOf.
  get keys() {
    return this.kept("keys", () => ordered(this, this.#matching.keys));
  }

  // The rows that are shown: what of the lines is of a shown trial, and passes the filters.
  get rows() {
    return this.kept("rows", () => {
      const { rows } = this.#matching;
      return this.keys.flatMap((key) => this.trials.map((trial) => this.page.rowOf(key, trial)))
        .filter((row) => row !== null && rows.has(row));
    });
  }

  // The columns of the grid: trials, and what a trial has more than another; two runs stand beside each other, trial by trial.
  get columns() {
    return this.kept("columns", () => columnsOf(this.page, this.state, this.trials));
  }

  // What the detail looks at: the line and trial of the state, or the first that is shown; null where nothing is.
  get place() {
    const { page, state, keys, trials } = this;
    const trialsOf = (key) => [...page.trials.keys()].filter((trial) => page.rowOf(key, trial) !== null);
    const key = state.key && trialsOf(state.key).length ? state.key : keys[0];
    if (key === undefined) return null;
    const there = trialsOf(key);
    const chosen = page.trialTitled(state.trial);
    const trial = there.includes(chosen) ? chosen : trials.find((each) => there.includes(each)) ?? there[0];
    return { key, trial, row: page.rowOf(key, trial) };
  }

  get #matching() {
    return this.kept("matching", () => matching(this.page, this.state));
  }

  get rowSet() {
    return this.kept("rowSet", () => new Set(this.rows));
  }

  // What is on the screen, in words.
  tell(text) {
    document.querySelector(".status").textContent = text;
  }

  // What is under the pointer.
  read(text) {
    document.querySelector(".readout").textContent = text;
  }

  // What follows from the state, computed once for each.
  kept(name, compute) {
    if (!this.cache.has(name)) this.cache.set(name, compute());
    return this.cache.get(name);
  }

  #read() {
    if (location.hash.slice(1) === this.written) return;
    const state = { ...START, ...fromHash(location.hash) };
    const names = Object.keys(START).filter((name) => !same(state[name], this.state[name]));
    this.state = state;
    if (names.length) this.#tell(names);
  }

  #tell(names) {
    if (names.some((name) => !LOOKS.has(name))) this.cache.clear();
    this.dispatchEvent(new CustomEvent("change", { detail: new Set(names) }));
  }
}

export function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

export function toHash(state) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (same(value, START[name])) continue;
    for (const each of Array.isArray(value) ? value : [value]) words.append(name, String(each));
  }
  return words.toString();
}

function within(name, value) {
  const [least, most] = RANGES[name] ?? [0, Infinity];
  return Math.min(most, Math.max(least, value));
}

// What a hash says; what it cannot say is left out.
export function fromHash(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const state = {};
  for (const [name, start] of Object.entries(START)) {
    if (!words.has(name)) continue;
    const value = words.get(name);
    if (Array.isArray(start)) state[name] = words.getAll(name);
    else if (typeof start === "boolean") state[name] = value === "true";
    else if (typeof start !== "number") state[name] = !WORDS_OF[name] || WORDS_OF[name].includes(value) ? value : start;
    else if (value.trim() && Number.isFinite(Number(value))) state[name] = within(name, Number(value));
  }
  return state;
}
