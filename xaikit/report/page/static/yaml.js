// Plain values as YAML, and the config that makes what is on the screen.

import { same } from "./state.js";

const PLAIN = /^[A-Za-z_][\w./-]*$/;
const WORDS = /^(true|false|null|yes|no|on|off|y|n|nan|inf)$/i;

function scalar(value) {
  if (typeof value !== "string") return JSON.stringify(value ?? null);
  return PLAIN.test(value) && !WORDS.test(value) ? value : JSON.stringify(value);
}

export function yaml(value, indent = "") {
  if (Array.isArray(value)) return value.every((each) => typeof each !== "object" || each === null) ? `[${value.map(scalar).join(", ")}]` : JSON.stringify(value);
  if (typeof value !== "object" || value === null) return scalar(value);
  const entries = Object.entries(value);
  if (!entries.length) return "{}";
  const lines = entries.map(([name, each]) => {
    const isMapping = typeof each === "object" && each !== null && !Array.isArray(each) && Object.keys(each).length;
    return `${indent}${scalar(name)}:${isMapping ? `\n${yaml(each, `${indent}  `)}` : ` ${yaml(each, indent)}`}`;
  });
  return lines.join("\n");
}

function assign(config, path, value) {
  const names = path.split(".");
  const last = names.pop();
  let section = config;
  for (const name of names) section = section[name] = { ...section[name] };
  section[last] = value;
}

// A sweep without the keys that are out; of points that it leaves out or adds only those that agree with what is fixed.
function narrowed({ zip = [], exclude = [], include = [], limit, ...axes }, isOut, fixed) {
  const kept = (entry) => Object.fromEntries(Object.entries(entry).filter(([key]) => !isOut(key)));
  const agrees = (entry) => Object.entries(entry).every(([key, value]) => !isOut(key) || key in fixed && same(fixed[key], value));
  const lists = { zip: zip.map(kept), exclude: exclude.filter(agrees).map(kept), include: include.filter(agrees).map(kept) };
  const left = Object.entries(lists).map(([name, entries]) => [name, entries.filter((entry) => Object.keys(entry).length)]);
  const sweep = { ...kept(axes), ...Object.fromEntries(left.filter(([, entries]) => entries.length)) };
  return Object.keys(sweep).length ? { ...sweep, ...(limit && { limit }) } : null;
}

// The trials that are shown, of one run, and the layer that they are narrowed to.
function shownTrials(store) {
  const { page, state, place } = store;
  const places = state.view !== "detail" ? store.trials : place === null ? [] : [place.trial];
  const trials = places.map((trial) => page.trials[trial]).filter(({ run }, _, all) => run === page.trials[places[0]].run);
  const layer = state.view === "detail" ? state.depth : state.layer;
  return { trials, layer: trials.some(({ layers }) => layers.includes(layer)) ? layer : "" };
}

// The config of the run, with the methods, layers and looks that are shown, and the swept values that all of these share; which
// photographs are shown is said in a comment, as where they come from is the business of the data's source.
export function shownConfig(store) {
  const { page, state } = store;
  const { trials, layer } = shownTrials(store);
  const config = structuredClone(page.data.runs[trials[0]?.run ?? 0].values);
  const labels = new Set(trials.map((trial) => trial.label));
  config.methods = Object.fromEntries(Object.entries(config.methods ?? {}).filter(([label]) => labels.has(label)));
  const fixed = Object.fromEntries(Object.entries(trials[0]?.where ?? {}).filter(([key, value]) => trials.every((trial) => same(trial.where[key], value))));
  for (const [key, value] of Object.entries(fixed)) assign(config, key, value);
  // what is set for all goes before what a method says for itself
  const forAll = {};
  if (layer) forAll.layers = [layer];
  if (state.kind === "raw") forAll.finish = { rectify: "none", normalize: "none", scale: "none", resize: "none", fuse: "none" };
  for (const name of Object.keys(forAll)) for (const method of Object.values(config.methods)) delete method?.[name];
  const isOut = (key) => {
    const names = key.split(".");
    if (names[0] === "metrics") return false;
    const own = names[0] === "methods" ? names[2] : names[0];
    return key in fixed || own in forAll || !trials.some(({ where }) => key in where);
  };
  const sweep = narrowed(config.sweep ?? {}, isOut, fixed);
  if (sweep) config.sweep = sweep;
  else delete config.sweep;
  config.report = { ...config.report, colormap: state.colors, alpha: state.alpha };
  return { ...config, ...forAll };
}

export function shownYaml(store) {
  const { page, state, keys, place } = store;
  const names = state.view === "detail" && place ? [page.nameOf(place.key)] : [...new Set(keys.map((key) => page.nameOf(key)))];
  const all = new Set(page.photographs.map((photograph) => photograph.name)).size;
  const some = names.length < all ? names.map((name) => `\n#   ${JSON.stringify(name)}`).join("") : "";
  const picks = [...store.picks].map((row) => `\n#   ${JSON.stringify(page.titles[page.rows.trial[row]])} of ${JSON.stringify(page.photographOf(row).name)}`);
  const picked = picks.length ? `# picked by hand:${picks.join("")}\n` : "";
  const head = `# ${names.length} of ${all} photographs${some && ":"}${some}\n${picked}# ${JSON.stringify(store.permalink)}\n`;
  return `${head}${yaml(shownConfig(store))}\n`;
}

