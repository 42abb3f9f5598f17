// Which trials, lines and rows a state lets through.

export const OUTCOMES = { right: true, wrong: false, unknown: null };

export function matching(page, state) {
  const picked = state.only ? rowsNamed(page, state.picked) : null;
  const withPick = picked && new Set([...picked].map((row) => page.rows.trial[row]));
  const trials = [...page.trials.keys()].filter((place) => isShown(page.trials[place], page.titles[place], state) && (!withPick || withPick.has(place)));
  const shown = new Set(trials);
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const opened = new Set(state.photographs);
  const rows = new Set();
  const keys = new Set();
  for (let row = 0; row < page.count; row++) {
    if (picked && !picked.has(row) || !shown.has(page.rows.trial[row]) || !passes(page, row, state, words, opened)) continue;
    rows.add(row);
    keys.add(page.keyOf(row));
  }
  return { trials, rows, keys: [...keys] };
}

export function rowsNamed(page, ids) {
  const rows = ids.map((id) => page.rowOf(id.slice(id.indexOf("\n") + 1), page.trialTitled(id.slice(0, id.indexOf("\n")))));
  return new Set(rows.filter((row) => row !== null).sort((one, other) => one - other));
}

function isShown(trial, title, state) {
  if (trial.control && !state.controls) return false;
  if (state.method.length && !state.method.includes(title)) return false;
  if (state.model && trial.model !== state.model) return false;
  if (state.target && targetText(trial) !== state.target) return false;
  return !state.layer || trial.layers.includes(state.layer);
}

function passes(page, row, state, words, opened) {
  const { rows } = page;
  const photograph = page.photographOf(row);
  if (opened.size && !opened.has(photograph.name)) return false;
  if (state.explained && rows.target_name[row] !== state.explained) return false;
  if (state.class && className(page, row) !== state.class) return false;
  if (state.outcome && rows.correct[row] !== OUTCOMES[state.outcome]) return false;
  if (state.warning && !hasWarning(rows.warnings[row], state.warning)) return false;
  const text = () => [photograph.name, rows.target_name[row], rows.prediction_name[row], rows.truth_name[row], page.titles[rows.trial[row]],
    ...rows.warnings[row]].join("\n").toLowerCase();
  return !words.length || words.every((word) => text().includes(word));
}

function hasWarning(warnings, stated) {
  if (stated === "any") return warnings.length > 0;
  if (stated === "none") return warnings.length === 0;
  return warnings.some((warning) => reasonOf(warning) === stated);
}

// What a warning says, without the layer before and the count behind it.
export function reasonOf(warning) {
  const reason = warning.includes(": ") ? warning.slice(warning.indexOf(": ") + 2) : warning;
  return reason.replace(/ \(\d+\)$/, "");
}

// The class of a photograph: what its data state, else what the model says.
export function className(page, row) {
  return page.rows.truth_name[row] || page.rows.prediction_name[row];
}

export function targetText(trial) {
  const { use, ...options } = trial.target;
  const words = Object.entries(options).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return words.length ? `${use} (${words.join(", ")})` : use;
}

// Of each column the trial, and the one that is taken from it, or null.
export function columnsOf(page, state, trials) {
  const versus = page.trialTitled(state.versus);
  if (versus !== null) return trials.map((trial) => ({ trial, less: trial === versus ? null : versus }));
  if (page.data.runs.length < 2) return trials.map((trial) => ({ trial, less: null }));
  const [first, second] = [0, 1].map((run) => trials.filter((trial) => page.trials[trial].run === run));
  const twin = (trial) => second.find((other) => page.trials[other].name === page.trials[trial].name);
  const paired = first.flatMap((trial) => twin(trial) === undefined ? [{ trial, less: null }]
    : [{ trial, less: null }, { trial: twin(trial), less: null }, { trial, less: twin(trial) }]);
  const alone = second.filter((other) => !paired.some(({ trial }) => trial === other));
  return [...paired, ...alone.map((trial) => ({ trial, less: null }))];
}
