// What a place of a map is worth, and where it is strongest, in words.

import { between } from "./maths.js";

const FINE = 4096;

// The value of a slice of a map at x and y in [0, 1] of its picture, as it is drawn: between cell centres.
export function valueAt(values, height, width, x, y) {
  const down = between(height, FINE);
  const across = between(width, FINE);
  const [line, column] = [y, x].map((share) => Math.min(FINE - 1, Math.max(0, Math.floor(share * FINE))));
  const part = across.share[column];
  const along = (start) => values[start + across.low[column]] * (1 - part) + (part && values[start + across.high[column]] * part);
  const share = down.share[line];
  return along(down.low[line] * width) * (1 - share) + (share && along(down.high[line] * width) * share);
}

// Where the largest magnitude of a slice lies: x and y in [0, 1], null where nothing is above 0.
export function peakOf(values, height, width) {
  let [best, most] = [-1, 0];
  values.forEach((value, at) => {
    if (Math.abs(value) > most) [best, most] = [at, Math.abs(value)];
  });
  return best < 0 ? null : { x: (best % width + 0.5) / width, y: (Math.floor(best / width) + 0.5) / height, value: values[best] };
}

export function whereText(peak) {
  if (peak === null) return "zero everywhere";
  const across = peak.x < 0.34 ? "left" : peak.x > 0.66 ? "right" : "";
  const down = peak.y < 0.34 ? "top" : peak.y > 0.66 ? "bottom" : "";
  return `strongest at the ${[down, across].filter(Boolean).join(" ") || "centre"}`;
}
