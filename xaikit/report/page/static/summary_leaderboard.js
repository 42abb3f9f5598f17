// The leaderboard: a dot and an interval for each method, the controls as bands behind them.

import { make, short } from "./dom.js";
import { roundTicks, tickTexts } from "./summary_numbers.js";
import { mark, part, rowsOfPage, styled } from "./summary_parts.js";

export function leaderboardPart(store) {
  const { page } = store;
  const boards = page.data.leaderboards.map((board, run) => ({ board, run })).filter(({ board }) => board);
  if (!boards.length) return null;
  const several = boards.length > 1;
  const cards = boards.flatMap(({ board, run }) => [
    several ? make("h3", { class: "run", dir: "auto" }, page.data.runs[run].name) : null,
    make("div", { class: "panels" }, ...board.metrics.map((each) => metricCard(store, run, each))),
    ...board.flips.map((flip) => make("p", { class: "flip" }, flip)),
  ]);
  const percent = short(100 * boards[0].board.level);
  return part("leaderboard", "Leaderboard", `Means over photographs with their ${percent} % intervals (bootstrap). Grey bands are the controls, `
    + "the tick is a blurred copy of the method's own maps: a hollow dot is not better than one of these and has shown nothing yet. "
    + "Methods that share a letter cannot be told apart. All photographs of the run count, whatever the grid shows.", ...cards.filter(Boolean));
}

function metricCard(store, run, each) {
  const ofRole = (role) => each.standings.filter((standing) => standing.role === role);
  const copies = new Map(ofRole("blurred").map((standing) => [standing.of, standing]));
  const numbers = each.standings.flatMap(({ mean, low, high, chance }) => [mean, low, high, chance]).filter((value) => value !== null);
  const ticks = numbers.length ? roundTicks(Math.min(...numbers), Math.max(...numbers)) : [0, 1];
  const at = (value) => `${(100 * (value - ticks[0])) / (ticks.at(-1) - ticks[0])}%`;
  const [methods, controls] = [ofRole("method"), ofRole("control")];
  // each in a row of its own, in front of the plane
  const rows = [...methods, ...controls].map((standing, place) =>
    styled(standingRow(store, run, each, standing, copies.get(standing.name), at), { row: place + 1 }));
  return make("article", { class: "panel" }, cardHeader(store.page, each),
    make("div", { class: "dots" }, plane(ticks, at, methods, controls), ...rows, axis(ticks, at, each)));
}

function cardHeader(page, each) {
  const [name, options = ""] = each.metric.split(/ (?=\[)/);
  const reliability = each.reliability === null ? "" : `reliability ${each.reliability.toFixed(2)}`;
  const doubt = each.reliability !== null && each.reliability < 0.5 ? "other photographs would give another order" : "";
  const words = [options.replace(/[[\]]/g, ""), each.family, page.data.runs.length > 1 ? each.model : "", reliability].filter(Boolean);
  return make("header", {}, make("h4", { dir: "auto" }, name), make("p", { class: "details-line" }, words.join(" · ")),
    doubt && make("p", { class: "doubt" }, doubt), each.fails && make("p", { class: "fails" }, `FAILS: it ${each.fails}`));
}

// What lies behind all rows: lines of the axis, chance, and a band for each control.
function plane(ticks, at, methods, controls) {
  const chance = methods.find((standing) => standing.chance !== null)?.chance ?? null;
  const bands = controls.filter(({ low }) => low !== null)
    .map(({ low, high }) => styled(make("span", { class: "band" }), { low: at(low), high: at(high) }));
  const lines = ticks.map((tick) => styled(make("span", { class: "tick-line" }), { at: at(tick) }));
  const line = chance === null ? null : styled(make("span", { class: "chance" }), { at: at(chance) });
  return styled(make("div", { class: "plane", "aria-hidden": "true" }, ...lines, ...bands, line), { rows: methods.length + controls.length + 1 });
}

function standingRow(store, run, each, standing, copy, at) {
  const isControl = standing.role === "control";
  const track = make("span", { class: "track" }, standing.low !== null && styled(make("span", { class: "interval" }), { low: at(standing.low), high: at(standing.high) }),
    copy && copy.mean !== null && styled(make("span", { class: "copy" }), { at: at(copy.mean) }),
    standing.mean !== null && styled(make("span", { class: "dot" }), { at: at(standing.mean) }));
  const cells = [make("span", { class: "label", dir: "auto" }, standing.name), track,
    make("span", { class: "number" }, short(standing.mean)), make("span", { class: "group" }, standing.group)];
  const rows = rowsOfStanding(store.page, run, each, standing);
  const label = standingText(each, standing, copy);
  const attributes = { class: `standing${isControl ? " control" : ""}${standing.unbeaten.length ? " unproven" : ""}` };
  if (!rows.length) return make("div", { ...attributes, title: label }, ...cells);
  return mark(store, rows, label, attributes, worstFirst(store.page, each), ...cells);
}

function standingText(each, standing, copy) {
  const interval = standing.low === null ? "" : ` (${short(standing.low)} to ${short(standing.high)})`;
  const facts = [`${standing.name}, ${each.metric}: ${short(standing.mean)}${interval}`, `n = ${standing.n}`];
  if (standing.missing) facts.push(`${standing.missing} undefined`);
  if (copy && copy.mean !== null) facts.push(`a blurred copy has ${short(copy.mean)}`);
  if (standing.role === "method") facts.push(standing.unbeaten.length ? `not better than ${standing.unbeaten.join(", ")}` : "better than every control");
  return facts.join("; ");
}

function rowsOfStanding(page, run, each, standing) {
  return rowsOfPage(page, true).filter((row) => {
    const trial = page.trialOf(row);
    return trial.run === run && trial.model === each.model && trial.label === standing.of;
  });
}

// The grid in the order of a metric, its worst photographs on top.
function worstFirst(page, { metric, higher_is_better }) {
  const name = Object.keys(page.measures).find((each) => page.measures[each].printed === metric);
  return name === undefined ? {} : { sort: `metric:${name}`, down: !higher_is_better, of: "" };
}

function axis(ticks, at, each) {
  const better = each.higher_is_better ? "better →" : "← better";
  const numbers = ticks.map((tick, place) => styled(make("span", { class: "tick" }, tickTexts(ticks)[place]), { at: at(tick) }));
  return make("div", { class: "axis", "aria-hidden": "true" }, make("span", { class: "better" }, better), make("div", { class: "ticks" }, ...numbers));
}
