// What there is to choose from, by what a run holds; a control with nothing to choose is not shown.

import { className, reasonOf, targetText } from "./filters.js";
import { RECORD_COLUMNS } from "./sorting.js";

function distinct(values) {
  return [...new Set(values)].filter((value) => value !== "" && value !== null && value !== undefined);
}

function plain(values) {
  return values.map((value) => ({ value, title: value }));
}

// The values of a select: its state's name, its label, what "" means, and the choices.
export function filtersOf(page) {
  const all = Array.from({ length: page.count }, (_, row) => row);
  const outcomes = distinct(all.map((row) => ({ true: "right", false: "wrong", null: "unknown" })[page.rows.correct[row]]));
  const reasons = distinct(page.rows.warnings.flat().map(reasonOf));
  const layers = distinct(page.trials.flatMap((trial) => trial.layers));
  return [
    { name: "layer", label: "Layer", any: "all, fused", choices: plain(layers) },
    { name: "target", label: "Target", any: "any", choices: plain(distinct(page.trials.map(targetText))) },
    { name: "explained", label: "Explained", any: "any", choices: plain(distinct(page.rows.target_name).sort()) },
    { name: "class", label: "Class", any: "any", choices: plain(distinct(all.map((row) => className(page, row))).sort()) },
    { name: "model", label: "Model", any: "any", choices: plain(distinct(page.trials.map((trial) => trial.model))) },
    { name: "outcome", label: "Prediction", any: "any", choices: plain(outcomes) },
    { name: "warning", label: "Warning", any: "all", least: 1,
      choices: reasons.length ? [...plain(["any", "none"]), ...plain(reasons)] : [] },
  ].filter(({ choices, least = 2 }) => choices.length >= least);
}

// What lines are sorted by, in groups.
export function sortsOf(page) {
  const metrics = Object.keys(page.measures).map((name) => ({ value: `metric:${name}`, title: name }));
  const records = [...RECORD_COLUMNS, "warnings"].map((name) => ({ value: name, title: name }));
  const order = [{ value: "order", title: "order of the run" }, { value: "name", title: "name" }];
  if (page.trials.length > 1) order.push({ value: "disagreement", title: "disagreement of two" });
  return [["", order], ["Metrics", metrics], ["Records", records]].filter(([, choices]) => choices.length);
}
