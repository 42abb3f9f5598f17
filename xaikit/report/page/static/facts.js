// What is known of a row, in tables.

import { make, short } from "./dom.js";
import { targetText } from "./filters.js";

function table(rows, label) {
  const lines = rows.filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([name, value, title]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", { dir: "auto", title }, value)));
  return make("table", { class: "facts", "aria-label": label }, make("tbody", {}, ...lines));
}

function plainText(options) {
  return Object.entries(options).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join("\n");
}

export function recordTable(page, row) {
  const { rows } = page;
  const photograph = page.photographOf(row);
  const mark = { true: "✓ right", false: "✗ wrong", null: "" }[rows.correct[row]];
  return table([
    ["photograph", photograph.name],
    ["explained", rows.target_name[row]],
    ["score", short(rows.score[row], 4), rows.score[row]],
    ["predicted", rows.prediction_name[row] && `${rows.prediction_name[row]} ${short(rows.probability[row])}`],
    ["is", [rows.truth_name[row], mark].filter(Boolean).join("  ")],
    ["seconds", short(rows.seconds[row]), rows.seconds[row]],
  ], "of the photograph");
}

export function trialTable(page, trial) {
  const about = page.trials[trial];
  return table([
    ["method", about.method],
    ["options", plainText(about.options)],
    ["target", targetText(about)],
    ["layers", about.layers.join("\n")],
    ["finish", plainText(about.finish)],
    ["model", about.model],
    ["seed", about.seed],
  ], "of the method");
}

export function measureTable(page, row) {
  const names = Object.keys(page.measures);
  if (!names.length) return null;
  return table(names.map((name) => {
    const { values, reasons, higher_is_better: isUp, printed } = page.measures[name];
    return [`${name} ${isUp ? "↑" : "↓"}`, values[row] === null ? reasons[row] ?? "–" : short(values[row], 4), printed];
  }), "measures");
}

export function warningList(page, row) {
  const warnings = [...page.rows.warnings[row], page.data.maps.unfinished[row]].filter(Boolean);
  return warnings.length > 0 && make("ul", { class: "warned", "aria-label": "warnings" }, ...warnings.map((text) => make("li", { dir: "auto" }, text)));
}

// What a method or metric says of itself.
export function cardOf(name, card) {
  return make("details", { class: "card" }, make("summary", { dir: "auto" }, card?.title ?? name),
    ...[card?.equation, card?.citation, card?.text].filter(Boolean).map((text) => make("p", { dir: "auto" }, text)));
}
