// Failures first: where the model is wrong, and maps that say nothing.

import { make } from "./dom.js";
import { groupedBy } from "./summary_numbers.js";
import { countText, mark, part, photographsOf, summaryRows } from "./summary_parts.js";

const FAILURES = [
  { id: "wrong", title: "wrong prediction", says: "the model says another class than the data", holds: (page, row) => page.rows.correct[row] === false },
  { id: "dead", title: "dead map", says: "zero everywhere", holds: (page, row) => isDead(page.mapOf(row, "", "finished")) },
  { id: "nan", title: "NaN", says: "not a number, or infinite, somewhere", holds: hasNaN },
  { id: "flat", title: "flat map", says: "the same value everywhere", holds: (page, row) => isFlat(page.mapOf(row, "", "finished")) },
  { id: "disconnected", title: "disconnected", says: "the score does not depend on the layer", holds: isDisconnected },
];

export function failuresOf(page, rows) {
  return FAILURES.map((kind) => ({ ...kind, rows: rows.filter((row) => kind.holds(page, row)) }));
}

export function failuresPart(store) {
  const { page } = store;
  const rows = summaryRows(store);
  const kinds = failuresOf(page, rows);
  const tiles = make("div", { class: "kinds" }, ...kinds.map((kind) => tile(store, kind)));
  const ofMaps = kinds.filter(({ id, rows: several }) => id !== "wrong" && several.length);
  return part("failures", "Failures first", "What to look at before anything else: a map that says nothing explains nothing.",
    tiles, ofMaps.length ? failureTable(store, rows, ofMaps) : null, unexplained(page));
}

function tile(store, { id, title, says, rows }) {
  const text = [make("strong", {}, String(photographsOf(store.page, rows).length)),
    make("span", { class: "kind-title" }, title), make("span", { class: "kind-text" }, says)];
  if (!rows.length) return make("div", { class: "kind empty-kind" }, ...text);
  return mark(store, rows, `${title}: ${says}`, { class: `kind kind-${id}` }, {}, ...text);
}

function failureTable(store, rows, kinds) {
  const { page } = store;
  const trials = groupedBy(rows, (row) => page.titles[page.rows.trial[row]]);
  const heads = kinds.map(({ title }) => make("th", { scope: "col" }, title));
  const lines = [...trials].map(([name, several]) => {
    const own = new Set(several);
    const failed = kinds.map((kind) => kind.rows.filter((row) => own.has(row)));
    if (!failed.some((each) => each.length)) return null;
    return make("tr", {}, make("th", { scope: "row", dir: "auto" }, name), ...failed.map((each, at) => make("td", {}, failureCell(store, name, kinds[at], each))));
  });
  return make("table", { class: "counts" }, make("caption", {}, "maps, by the methods that have any"),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "method"), ...heads)), make("tbody", {}, ...lines.filter(Boolean)));
}

function failureCell(store, name, kind, rows) {
  if (!rows.length) return "0";
  return mark(store, rows, `${name}, ${kind.title}: ${countText(rows.length, "map")}`, { class: "count" }, {}, String(rows.length));
}

// Photographs that have no map at all.
function unexplained(page) {
  const failures = page.data.runs.flatMap((run) => run.failures);
  if (!failures.length) return null;
  const items = failures.map(({ name, error }) => make("li", {}, make("b", { dir: "auto" }, name), make("span", {}, ` ${error}`)));
  return make("details", { class: "unexplained" },
    make("summary", {}, `${countText(failures.length, "failure")}: what could not be computed, and why`), make("ul", {}, ...items));
}

function isDead(map) {
  return map !== null && map.high === 0 && !hasByte(map, 255);
}

function isFlat(map) {
  if (map === null || map.high === 0 || map.cells * map.slices < 2) return false;
  const first = map.bytes[map.offset];
  return first !== 255 && bytesOf(map).every((byte) => byte === first);
}

function hasNaN(page, row) {
  const raw = page.data.maps.index[row].map((entry) => page.mapOf(row, entry[0], "raw"));
  return page.rows.score[row] === null || raw.some((map) => hasByte(map, 255));
}

function isDisconnected(page, row) {
  return page.rows.warnings[row].some((warning) => warning.includes("zero gradients"));
}

function bytesOf(map) {
  return map.bytes.subarray(map.offset, map.offset + map.cells * map.slices);
}

function hasByte(map, byte) {
  return bytesOf(map).includes(byte);
}
