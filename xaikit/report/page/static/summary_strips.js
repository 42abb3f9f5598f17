// AggAtt: the photographs of a method in the order of a metric, and the mean maps of its best, middle and worst
// (Rao, Boehle and Schiele 2022, CVPR, section 3.3).

import { make, short } from "./dom.js";
import { valueOf } from "./sorting.js";
import { resized } from "./maths.js";
import { groupedBy, meanVector } from "./summary_numbers.js";
import { betterText, choice, countText, mark, part, quantitiesOf, roving, summaryRows, styled } from "./summary_parts.js";

const SIDE = 56; // cells of a mean map
const MOST_BARS = 120;
const PERCENTILES = [0, 2, 5, 50, 95, 98, 100]; // of the paper; thirds where there are too few photographs for them
const FEW = 100;
const MOST_STRIPS = 10; // that are drawn before somebody asks for the rest

export function stripsPart(store) {
  const { page, state } = store;
  const quantities = quantitiesOf(page);
  const rows = summaryRows(store).filter((row) => page.mapOf(row, "", "finished")?.slices === 1);
  if (!quantities.length || !rows.length) return null;
  const quantity = quantities.find(({ id }) => id === state.metric) ?? quantities[0];
  const trials = [...groupedBy(rows, (row) => page.rows.trial[row])];
  const drawn = (several) => several.map(([trial, own]) => strip(store, page.titles[trial], own, quantity)).filter(Boolean);
  return part("strips", "Best, middle, worst", `Each method's photographs in the order of ${quantity.name}${quantity.sign ? ` (${betterText(quantity)})` : ""}, and the mean of their `
    + "maps by part (AggAtt): what a method does where it does well, and where it fails. Each map counts in units of its own maximum.",
    make("div", { class: "choices" }, choice(store, "metric", "order by ", quantities.map(({ id, name }) => [id, name]), quantity.id)), ...drawn(trials.slice(0, MOST_STRIPS)), rest(trials.slice(MOST_STRIPS), drawn));
}

function rest(trials, drawn) {
  if (!trials.length) return null;
  const details = make("details", {}, make("summary", {}, `${countText(trials.length, "more trial")}`));
  details.addEventListener("toggle", () => details.append(...drawn(trials)), { once: true });
  return details;
}

// Rows with a value, the best first.
export function bestFirst(page, rows, { id, sign }) {
  const defined = rows.filter((row) => valueOf(page, row, id) !== null);
  return defined.sort((one, other) => (sign || 1) * (valueOf(page, other, id) - valueOf(page, one, id)) || one - other);
}

// [from, to) of each part, as places in an order of so many, with what it is called.
export function partsOfOrder(count, { sign }) {
  const [first, last] = sign ? ["best", "worst"] : ["highest", "lowest"];
  if (count >= FEW) {
    const ends = PERCENTILES.map((percent) => Math.round((count * percent) / 100));
    const title = (at) => (at === 0 ? `${first} ${PERCENTILES[1]} %` : at === ends.length - 2 ? `${last} ${100 - PERCENTILES[at]} %` : `${PERCENTILES[at]} to ${PERCENTILES[at + 1]} %`);
    return ends.slice(1).map((end, at) => ({ from: ends[at], to: end, title: title(at) }));
  }
  const third = Math.max(1, Math.floor(count / 3));
  const parts = [{ from: 0, to: third, title: first }, { from: third, to: count - third, title: "middle" }, { from: count - third, to: count, title: last }];
  return parts.filter(({ from, to }) => from < to && from >= 0);
}

function strip(store, title, rows, quantity) {
  const { page } = store;
  const order = bestFirst(page, rows, quantity);
  if (!order.length) return null;
  const parts = partsOfOrder(order.length, quantity).map(({ from, to, title: words }) => meanFigure(store, title, order.slice(from, to), words, quantity));
  const missing = rows.length - order.length;
  return make("article", { class: "order" }, make("h3", { dir: "auto" }, title, missing ? make("span", { class: "faint" }, ` ${missing} without a value`) : null),
    make("div", { class: "means" }, ...parts), bars(store, title, order, quantity));
}

function meanFigure(store, title, rows, words, { id, name }) {
  const { page } = store;
  const values = rows.map((row) => valueOf(page, row, id));
  const range = `${short(Math.min(...values))} to ${short(Math.max(...values))}`;
  const canvas = make("canvas", { "aria-hidden": "true" });
  paintMean(store, canvas, rows);
  return mark(store, rows, `${title}, ${words}: the mean map of ${countText(rows.length, "map")}, ${name} ${range}`, { class: "figure" }, {}, canvas,
    make("span", { class: "figure-title" }, words), make("span", { class: "faint" }, range), make("span", { class: "faint" }, `n = ${rows.length}`));
}

// One slice of a finished map in units of its own maximum, at the size of all.
function evenMap(page, row) {
  const map = page.mapOf(row, "", "finished");
  const values = map.values.map((value) => (Number.isFinite(value) ? value / (map.high || 1) : 0));
  return resized(values, map.height, map.width, SIDE, SIDE);
}

export function paintMean(store, canvas, rows) {
  const mean = meanVector(rows.map((row) => evenMap(store.page, row)));
  paintValues(canvas, mean, SIDE, SIDE, store.palette.scale(mean.some((value) => value < 0), 1, store.state.colors));
}

export function paintValues(canvas, values, height, width, scale) {
  [canvas.width, canvas.height] = [width, height];
  const picture = new ImageData(width, height);
  values.forEach((value, at) => picture.data.set([...scale.colorAt(scale.place(value)), 255], 4 * at));
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// The values themselves, a bar a photograph, or a few together where they are many.
function bars(store, title, order, { id, name }) {
  const { page } = store;
  const values = order.map((row) => valueOf(page, row, id));
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const height = (value) => `${((100 * (value - low)) / (high - low || 1)).toFixed(2)}%`;
  const each = Math.ceil(order.length / MOST_BARS);
  const marks = [];
  for (let at = 0; at < order.length; at += each) {
    const rows = order.slice(at, at + each);
    const [first, last] = [values[at], values[at + rows.length - 1]];
    const words = rows.length === 1 ? `${page.photographOf(rows[0]).name}: ${name} ${short(first)}` : `${rows.length} maps: ${name} ${short(last)} to ${short(first)}`;
    const middle = (first + last) / 2;
    marks.push(styled(mark(store, rows, `${title}, ${words}`, { class: "value-bar" }, {}), { low: height(Math.min(0, middle)), high: height(Math.max(0, middle)) }));
  }
  const group = make("div", { class: "values", role: "group", "aria-label": `${title}: ${name}, a bar a photograph` }, ...marks);
  return roving(styled(group, { zero: height(0) }), ".value-bar");
}
