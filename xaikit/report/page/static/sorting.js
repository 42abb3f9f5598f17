// The order of the lines: by a metric, a column of the records, or by how much two trials disagree.

import { correlation } from "./maths.js";

export const RECORD_COLUMNS = ["score", "probability", "seconds"];

// What a line is sorted by, by its key: a number, a text, or null where there is none; null for the order of the run.
export function sortValues(store, keys) {
  const { page, state } = store;
  if (state.sort === "order") return null;
  if (state.sort === "name") return new Map(keys.map((key) => [key, page.nameOf(key)]));
  if (state.sort === "disagreement") return new Map(keys.map((key) => [key, disagreement(store, key)]));
  return new Map(keys.map((key) => [key, mean(rowsOf(store, key).map((row) => valueOf(page, row, state.sort)))]));
}

export function ordered(store, keys) {
  const places = new Map(keys.map((key) => [key, position(store.page, store.trials, key)]));
  const inOrder = [...keys].sort((one, other) => places.get(one) - places.get(other));
  const values = sortValues(store, inOrder);
  const sign = store.state.down ? -1 : 1;
  if (values === null) return store.state.down ? inOrder.reverse() : inOrder;
  return inOrder.sort((one, other) => compared(values.get(one), values.get(other), sign));
}

// What has no value comes last, whichever way is up.
function compared(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  return sign * (one < other ? -1 : one > other ? 1 : 0);
}

function position(page, trials, key) {
  const row = trials.map((trial) => page.rowOf(key, trial)).find((each) => each !== null);
  return row === undefined ? 0 : page.photographOf(row).position + page.rows.column[row] / 1e5;
}

function rowsOf(store, key) {
  const { page, state } = store;
  const trials = state.of ? store.trials.filter((trial) => page.titles[trial] === state.of) : store.trials;
  return trials.map((trial) => page.rowOf(key, trial)).filter((row) => row !== null);
}

// A metric is told from a column of the records by "metric:" before its name.
export function valueOf(page, row, sort) {
  if (sort.startsWith("metric:")) return page.measures[sort.slice(7)]?.values[row] ?? null;
  if (sort === "warnings") return page.rows.warnings[row].length;
  return page.rows[sort]?.[row] ?? null;
}

export function mean(values) {
  const numbers = values.filter((value) => typeof value === "number");
  return numbers.length ? numbers.reduce((sum, value) => sum + value, 0) / numbers.length : null;
}

// The trials whose disagreement counts: those that were chosen, else the first two.
export function pairOf(store) {
  const { page, state, trials } = store;
  const chosen = state.pair.map((name) => trials.find((trial) => page.titles[trial] === name));
  return chosen.length === 2 && !chosen.includes(undefined) ? chosen : trials.slice(0, 2);
}

// 1 - correlation of the maps of two trials, at the larger of their sizes; null where one is flat or missing.
export function disagreement(store, key) {
  const [one, other] = pairOf(store).map((trial) => store.page.rowOf(key, trial));
  if (one === undefined || other === undefined || one === null || other === null) return null;
  const maps = [one, other].map((row) => store.page.mapOf(row, store.state.layer, store.state.kind));
  if (!maps[0] || !maps[1]) return null;
  const shared = correlation(...maps);
  return shared === null ? null : 1 - shared;
}
