// A quantity over two axes: what was swept, the methods, layers and classes.

import { scaleBar } from "./bar.js";
import { make, short } from "./dom.js";
import { className, targetText } from "./filters.js";
import { valueOf } from "./sorting.js";
import { groupedBy, meanOverPhotographs } from "./summary_numbers.js";
import { betterText, choice, countText, mark, part, quantitiesOf, summaryRows, styled } from "./summary_parts.js";

const MOST = 24; // values of an axis
const OUTCOME = new Map([[true, "right"], [false, "wrong"], [null, "unknown"]]);

// [name, what a row is called on it] of all axes that have more than one value, what was swept first.
export function axesOf(page, rows) {
  const swept = [...new Set(page.trials.flatMap((trial) => Object.keys(trial.where)))];
  const axes = [
    ...swept.map((key) => [key, (row) => wordOf(page.trialOf(row).where[key])]),
    ["method", (row) => page.trialOf(row).label],
    ["layers", (row) => page.trialOf(row).layers.join(", ")],
    ["target", (row) => targetText(page.trialOf(row))],
    ["model", (row) => page.trialOf(row).model],
    ["run", (row) => page.data.runs[page.trialOf(row).run].name],
    ["outcome", (row) => OUTCOME.get(page.rows.correct[row])],
    ["class", (row) => className(page, row) || "unknown"],
    ["prediction", (row) => page.rows.prediction_name[row] || "unknown"],
  ];
  const counted = axes.map(([name, wordOfRow]) => [name, wordOfRow, new Set(rows.map(wordOfRow)).size]);
  return counted.filter(([, , count]) => count > 1 && count <= MOST);
}

function wordOf(value) {
  if (Array.isArray(value)) return value.map(wordOf).join(", ");
  if (value === undefined) return "–";
  if (typeof value === "object" && value !== null && Object.keys(value).join() === "use") return value.use;
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function heatPart(store) {
  const { page, state } = store;
  const rows = summaryRows(store);
  const [axes, quantities] = [axesOf(page, rows), quantitiesOf(page)];
  if (axes.length < 2 || !quantities.length) return null;
  const named = (name) => axes.find(([each]) => each === name);
  const down = named(state.rowAxis) ?? named("method") ?? axes[0];
  const others = axes.filter((axis) => axis !== down);
  const across = others.find(([name]) => name === state.columnAxis) ?? others.find(([name]) => name === "run") ?? others[0];
  const quantity = quantities.find(({ id }) => id === state.metric) ?? quantities[0];
  const options = (several) => several.map(([name]) => [name, name]);
  return part("heat", "Heat map", "The mean of a quantity over photographs, for each pair of values of two axes.",
    make("div", { class: "choices" }, choice(store, "metric", "show ", quantities.map(({ id, name }) => [id, name]), quantity.id),
      choice(store, "rowAxis", "down ", options(axes), down[0]), choice(store, "columnAxis", "across ", options(others), across[0])),
    heatTable(store, rows, down, across, quantity));
}

function heatTable(store, rows, [downName, downWord], [acrossName, acrossWord], quantity) {
  const { page } = store;
  const columns = [...groupedBy(rows, acrossWord).keys()];
  const lines = [...groupedBy(rows, downWord)].map(([word, several]) => {
    const cells = groupedBy(several, acrossWord);
    return { word, cells: columns.map((column) => cellOf(page, cells.get(column) ?? [], quantity)) };
  });
  const values = lines.flatMap(({ cells }) => cells.map(({ value }) => value)).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const scale = store.palette.scale(false, high - low, "sequential");
  const body = lines.map(({ word, cells }) => make("tr", {}, make("th", { scope: "row", dir: "auto" }, word),
    ...cells.map((cell, at) => make("td", {}, heatCell(store, cell, `${word}, ${columns[at]}`, quantity, (value) => scale.place(value - low), scale)))));
  const table = make("table", { class: "heat" }, make("caption", {}, `${quantity.name} by ${downName} and ${acrossName}`),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, `${downName} \\ ${acrossName}`),
      ...columns.map((column) => make("th", { scope: "col", dir: "auto" }, column)))), make("tbody", {}, ...body));
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "heat map" }, table, values.length ? make("div", { class: "ramp" }, scaleBar(store, scale, [short(low), short(high)]), ` ${betterText(quantity)}`) : null);
}

function cellOf(page, rows, { id }) {
  return { rows, value: meanOverPhotographs(page, rows, (row) => valueOf(page, row, id)) };
}

function heatCell(store, { rows, value }, words, quantity, place, scale) {
  if (!rows.length) return make("span", { class: "nothing" }, "·");
  const label = `${words}: ${quantity.name} ${short(value)}, ${countText(rows.length, "map")}`;
  const cell = mark(store, rows, label, { class: "heat-cell" }, {}, short(value));
  if (value === null) return cell;
  const color = scale.colorAt(place(value));
  return styled(cell, { fill: `rgb(${[...color].join(" ")})`, "ink-on": inkOn(color) });
}

// Black or white, whichever is read better: relative luminance as WCAG 2 has it.
export function inkOn(color) {
  const [red, green, blue] = [...color].map((each) => (each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}
