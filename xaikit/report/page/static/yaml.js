// Plain values as YAML, and the config that makes what is on the screen.

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

// The config of the run, with the methods, layers and looks that are shown, and the swept values that all of these share; which
// photographs are shown is said in a comment, as where they come from is the business of the data's source.
export function shownConfig(store) {
  const { page, state, trials } = store;
  const shown = (state.view === "detail" ? [page.trialTitled(state.trial)] : trials).filter((trial) => trial !== null).map((trial) => page.trials[trial]);
  const run = page.data.runs[shown[0]?.run ?? 0];
  const config = structuredClone(run.values);
  const labels = new Set(shown.map((trial) => trial.label));
  config.methods = Object.fromEntries(Object.entries(config.methods ?? {}).filter(([label]) => labels.has(label)));
  const shared = Object.entries(shown[0]?.where ?? {}).filter(([key, value]) => shown.every((trial) => JSON.stringify(trial.where[key]) === JSON.stringify(value)));
  for (const [key, value] of shared) {
    assign(config, key, value);
    if (config.sweep) delete config.sweep[key];
  }
  if (config.sweep && !Object.keys(config.sweep).length) delete config.sweep;
  const layer = state.view === "detail" ? state.depth : state.layer;
  if (layer) config.layers = [layer];
  if (state.kind === "raw") config.finish = { rectify: "none", normalize: "none", scale: "none", resize: "none", fuse: "none" };
  config.report = { ...config.report, colormap: state.colors, alpha: state.alpha };
  return config;
}

export function shownYaml(store) {
  const { page, state, keys } = store;
  const names = state.view === "detail" && state.key ? [page.nameOf(state.key)] : [...new Set(keys.map((key) => page.nameOf(key)))];
  const all = new Set(page.photographs.map((photograph) => photograph.name)).size;
  const some = names.length < all ? names.map((name) => `\n#   ${JSON.stringify(name)}`).join("") : "";
  const picks = [...store.picks].map((row) => `\n#   ${JSON.stringify(page.titles[page.rows.trial[row]])} of ${JSON.stringify(page.photographOf(row).name)}`);
  const picked = picks.length ? `# picked by hand:${picks.join("")}\n` : "";
  const head = `# ${names.length} of ${all} photographs${some && ":"}${some}\n${picked}# ${JSON.stringify(store.permalink)}\n`;
  return `${head}${yaml(shownConfig(store))}\n`;
}

