// The layers of one label over depth, whichever of its trials have a map of them.

// { trial, layer, stride } of every layer that there is of a photograph, the first of the network first: by how many pixels a cell
// stands for, then by name with its numbers as numbers.
export function depthsOf(page, key, trial) {
  const about = page.trials[trial];
  const alike = (other) => other.label === about.label && other.run === about.run && other.model === about.model;
  const depths = new Map();
  const order = [trial, ...page.trials.keys()];
  for (const place of order) {
    if (!alike(page.trials[place]) || page.rowOf(key, place) === null) continue;
    page.trials[place].layers.forEach((layer, at) => {
      if (!depths.has(layer)) depths.set(layer, { trial: place, layer, stride: page.trials[place].strides[at] });
    });
  }
  return [...depths.values()].sort((one, other) => one.stride - other.stride || one.layer.localeCompare(other.layer, "en", { numeric: true }));
}

// The trials that finish the same raw maps in other ways, the given one among them.
export function finishesOf(page, key, trial) {
  const { evidence, bench, run } = page.trials[trial];
  return [...page.trials.keys()].filter((place) => {
    const other = page.trials[place];
    return other.evidence === evidence && other.bench === bench && other.run === run && page.rowOf(key, place) !== null;
  });
}
