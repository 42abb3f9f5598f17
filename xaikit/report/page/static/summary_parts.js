// What the views of the summary share: quantities, and marks that open their photographs in the grid.

import { make } from "./dom.js";
import { matching } from "./filters.js";
import { RECORD_COLUMNS, valueOf } from "./sorting.js";

// What a map can be judged by: { id, name, sign }, sign 1 where more is better, -1 where less is, 0 where neither.
export function quantitiesOf(page) {
  const metrics = Object.entries(page.measures);
  return [
    ...metrics.map(([name, about]) => ({ id: `metric:${name}`, name, sign: about.higher_is_better ? 1 : -1 })),
    ...RECORD_COLUMNS.map((name) => ({ id: name, name, sign: 0 })),
  ].filter(({ id }) => page.rows.trial.some((_, row) => valueOf(page, row, id) !== null));
}

export function betterText({ sign }) {
  return ["lower is better", "", "higher is better"][sign + 1];
}

// The rows of methods, or of the controls too.
export function rowsOfPage(page, withControls = false) {
  return page.rows.trial.map((_, row) => row).filter((row) => withControls || !page.trialOf(row).control);
}

// Those of them that the grid's filters let through, or all where somebody wants all.
export function summaryRows(store, withControls = false) {
  const rows = rowsOfPage(store.page, withControls);
  return store.state.whole ? rows : letThrough(store, rows);
}

export function letThrough(store, rows) {
  const left = store.kept("filtered", () => matching(store.page, { ...store.state, controls: true }).rows);
  return rows.filter((row) => left.has(row));
}

export function photographsOf(page, rows) {
  return [...new Set(rows.map((row) => page.photographOf(row).name))];
}

const EVERYTHING = ["text", "layer", "target", "explained", "class", "model", "outcome", "warning", "only"];

// Show the photographs and trials of rows in the grid, and no others; `more` is how: sorted by what.
export function openRows(store, rows, more = {}) {
  const { page, start } = store;
  const names = photographsOf(page, rows);
  const isAll = names.length === photographsOf(page, rowsOfPage(page)).length;
  store.open({
    ...Object.fromEntries(EVERYTHING.map((name) => [name, start[name]])),
    view: "grid",
    photographs: isAll ? [] : names,
    method: [...new Set(rows.map((row) => page.titles[page.rows.trial[row]]))],
    controls: rows.some((row) => page.trialOf(row).control),
    ...more,
  });
}

export function countText(count, one, several = `${one}s`) {
  return `${count} ${count === 1 ? one : several}`;
}

// How many photographs lines are of, and how many lines where a photograph has several, a target each.
export function linesText(page, keys) {
  const names = new Set(keys.map((key) => page.nameOf(key))).size;
  return names === keys.length ? countText(names, "photograph") : `${keys.length} targets of ${countText(names, "photograph")}`;
}

// What a mark of rows is for whoever sees it, hears it or clicks it: attributes of an element of HTML or SVG.
export function opens(store, rows, label, more = {}) {
  const count = photographsOf(store.page, rows).length;
  return {
    "aria-label": `${label}. Open ${countText(count, "photograph")}`,
    "data-photographs": count,
    on: { click: () => openRows(store, rows, more) },
  };
}

// A button that looks like what it holds.
export function mark(store, rows, label, attributes, more, ...children) {
  const shared = opens(store, rows, label, more);
  return make("button", { type: "button", title: label, ...shared, ...attributes, class: `mark ${attributes.class ?? ""}` }, ...children);
}

// Lengths for the style sheet: --name: value.
export function styled(element, lengths) {
  for (const [name, value] of Object.entries(lengths)) element.style.setProperty(`--${name}`, String(value));
  return element;
}

export function part(id, title, text, ...children) {
  const heading = make("h2", { id: `summary-${id}` }, title);
  return make("section", { class: `part part-${id}`, "aria-labelledby": heading.id }, heading, make("p", { class: "lead" }, text), ...children);
}

// A choice that is kept in the store under a name; `value` is what is chosen where nobody has chosen yet.
export function choice(store, name, label, options, value) {
  const items = options.map(([each, text]) => make("option", { value: each, selected: String(each) === String(value) }, text));
  const select = make("select", { name, on: { change: () => store.set({ [name]: typeof store.start[name] === "number" ? Number(select.value) : select.value }) } }, ...items);
  return make("label", { class: "choice" }, label, select);
}

// In a group of marks one is a stop of the tab key, the arrows go to the others.
export function roving(group, selector) {
  const marks = [...group.querySelectorAll(selector)];
  marks.forEach((each, place) => each.setAttribute("tabindex", place ? "-1" : "0"));
  group.addEventListener("keydown", (event) => {
    const at = marks.indexOf(event.target);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = event.key === "Home" ? 0 : event.key === "End" ? marks.length - 1 : at + step;
    if (at < 0 || !marks[next]) return;
    event.preventDefault();
    marks[at].setAttribute("tabindex", "-1");
    marks[next].setAttribute("tabindex", "0");
    marks[next].focus();
  });
  return group;
}
