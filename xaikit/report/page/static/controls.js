// The controls above the grid: each is made once, shows the state, and changes it.

import { filtersOf, sortsOf } from "./choices.js";
import { make } from "./dom.js";
import { pairOf } from "./sorting.js";

function field(label, control, attributes = {}) {
  return make("label", { class: "field", ...attributes }, make("span", {}, label), control);
}

function options(choices) {
  return choices.map(({ value, title }) => make("option", { value }, title));
}

class Controls extends HTMLElement {
  set store(store) {
    this.shown = store;
    this.updates = [];
    const { page } = store;
    const summary = make("summary", {}, "What is shown, and how");
    const isWide = window.matchMedia("(min-width: 641px)").matches;
    this.append(make("details", { class: "drawer", open: isWide }, summary,
      make("div", { class: "row filters", role: "group", "aria-label": "What is shown" }, this.#search(), this.#methods(),
        ...filtersOf(page).map((filter) => this.#filter(filter)), this.#controlTrials(), this.#opened(), ...this.#picked(), this.#reset()),
      make("div", { class: "row looks", role: "group", "aria-label": "How it is shown" }, ...this.#sorting(), this.#kind(), this.#versus(),
        this.#colors(), this.#scale(), this.#opacity(), this.#side(), this.#slice(), this.#blink())));
    store.addEventListener("change", () => this.#update());
    this.#update();
  }

  #update() {
    for (const update of this.updates) update(this.shown.state);
  }

  #select(name, label, children, attributes = {}) {
    const select = make("select", { on: { change: () => this.shown.set({ [name]: select.value }) } }, ...children);
    this.updates.push((state) => { select.value = state[name]; });
    return field(label, select, attributes);
  }

  #range(name, label, least, most, step, title) {
    const input = make("input", { type: "range", min: least, max: most, step, title, on: { input: () => this.shown.set({ [name]: Number(input.value) }) } });
    this.updates.push((state) => { input.value = state[name]; });
    return field(label, input);
  }

  #check(name, label, title = "") {
    const input = make("input", { type: "checkbox", on: { change: () => this.shown.set({ [name]: input.checked }) } });
    this.updates.push((state) => { input.checked = state[name]; });
    return make("label", { class: "check", title }, input, label);
  }

  #search() {
    const input = make("input", { type: "search", id: "search", placeholder: "name, class …", on: { input: () => this.shown.set({ text: input.value }) } });
    this.updates.push((state) => { if (input.value !== state.text) input.value = state.text; });
    return field("Search", input);
  }

  // One checkbox a method; none ticked means all.
  #methods() {
    const { page } = this.shown;
    const offered = () => page.titles.filter((_, place) => !page.trials[place].control || this.shown.state.controls);
    const boxes = page.titles.map((title) => {
      const input = make("input", { type: "checkbox", "aria-label": `show ${title}`, on: { change: () => this.shown.set({ method: chosen(title, input.checked) }) } });
      return { title, input, label: make("label", { class: "check", dir: "auto" }, input, title) };
    });
    const chosen = (title, isOn) => {
      const before = this.shown.state.method.length ? this.shown.state.method : offered();
      const after = isOn ? [...before, title] : before.filter((each) => each !== title);
      const inOrder = page.titles.filter((each) => after.includes(each));
      return inOrder.length === offered().length ? [] : inOrder;
    };
    const summary = make("summary", {});
    const all = make("button", { type: "button", on: { click: () => this.shown.set({ method: [] }) } }, "all");
    const details = make("details", { class: "menu" }, summary, make("div", { class: "popup" }, all, ...boxes.map(({ label }) => label)));
    this.updates.push((state) => {
      const names = state.method.length ? state.method : offered();
      summary.textContent = state.method.length ? `${names.length} of ${offered().length}` : `all ${names.length}`;
      for (const { title, input, label } of boxes) {
        input.checked = names.includes(title);
        label.hidden = !offered().includes(title);
      }
    });
    document.addEventListener("click", (event) => { if (!details.contains(event.target)) details.open = false; });
    return make("div", { class: "field" }, make("span", {}, "Methods"), details);
  }

  #filter({ name, label, any, choices }) {
    return this.#select(name, label, options([{ value: "", title: any }, ...choices]));
  }

  #controlTrials() {
    return this.shown.page.trials.some((trial) => trial.control) && this.#check("controls", "controls", "methods that are there to be beaten");
  }

  // Photographs that another view has opened.
  #opened() {
    const button = make("button", { type: "button", class: "chip", on: { click: () => this.shown.set({ photographs: [] }) } });
    this.updates.push((state) => {
      button.hidden = !state.photographs.length;
      button.textContent = `${state.photographs.length} chosen photographs ✕`;
    });
    return button;
  }

  // Maps that are picked by hand: nothing else, or them among all others.
  #picked() {
    const only = make("button", { type: "button", class: "chip only", on: { click: () => this.shown.set({ only: !this.shown.state.only }) } });
    const none = make("button", { type: "button", class: "chip", title: "pick none", "aria-label": "pick none", on: { click: () => this.shown.set({ picked: [], only: false }) } }, "✕");
    this.updates.push((state) => {
      const count = this.shown.picks.size;
      [only, none].forEach((button) => { button.hidden = !count; });
      only.textContent = state.only ? `only ${count} picked` : `show only ${count} picked`;
      only.setAttribute("aria-pressed", state.only);
    });
    return [only, none];
  }

  #reset() {
    return make("button", { type: "button", on: { click: () => this.shown.reset() } }, "Reset");
  }

  #sorting() {
    const { page } = this.shown;
    const groups = sortsOf(page).flatMap(([label, choices]) => label ? make("optgroup", { label }, ...options(choices)) : options(choices));
    const of = this.#select("of", "of", options([{ value: "", title: "all shown" }, ...page.titles.map((value) => ({ value, title: value }))]));
    const pair = [0, 1].map((place) => this.#paired(place));
    const way = make("button", { type: "button", class: "way", on: { click: () => this.shown.set({ down: !this.shown.state.down }) } });
    this.updates.push((state) => {
      of.hidden = ["order", "name", "disagreement"].includes(state.sort);
      pair.forEach((each) => { each.hidden = state.sort !== "disagreement"; });
      way.textContent = state.down ? "↓" : "↑";
      way.setAttribute("aria-label", state.down ? "largest first" : "smallest first");
    });
    return [this.#select("sort", "Sort by", groups), of, ...pair, way];
  }

  #paired(place) {
    const { page } = this.shown;
    const select = make("select", { on: { change: () => this.shown.set({ pair: changed() }) } }, ...options(page.titles.map((value) => ({ value, title: value }))));
    const titles = () => pairOf(this.shown).map((trial) => page.titles[trial]);
    const changed = () => titles().map((title, at) => at === place ? select.value : title);
    this.updates.push(() => { select.value = titles()[place] ?? ""; });
    return field(place ? "and" : "between", select);
  }

  #kind() {
    return this.#select("kind", "Map", options([{ value: "finished", title: "finished" }, { value: "raw", title: "raw, signed" }]));
  }

  #versus() {
    const choices = this.shown.page.titles.map((value) => ({ value, title: `less ${value}` }));
    return this.shown.page.trials.length > 1 && this.#select("versus", "Difference", options([{ value: "", title: "none" }, ...choices]));
  }

  #colors() {
    const names = this.shown.palette.names.map((value) => ({ value, title: value }));
    return this.#select("colors", "Colours", options([{ value: "auto", title: "by sign" }, ...names]));
  }

  #scale() {
    return this.#select("scale", "Scale", options([{ value: "map", title: "of each map" }, { value: "locked", title: "one for all shown" }]));
  }

  #opacity() {
    return this.#range("alpha", "Opacity", 0, 1, 0.05, "how much of the colours is laid over the photograph");
  }

  #side() {
    return this.#range("side", "Size", 64, 320, 8, "of a map, in pixels");
  }

  #slice() {
    const isDeep = this.shown.page.photographs.some((photograph) => photograph.frames.length > 1);
    return isDeep && this.#range("slice", "Slice", 0, 1, 0.01, "of a volume, or frame of a video");
  }

  #blink() {
    return this.#check("blink", "blink", "show the photographs with and without their maps in turn");
  }
}

customElements.define("x-controls", Controls);
