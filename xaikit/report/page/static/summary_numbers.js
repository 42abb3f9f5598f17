// Numbers of many values and many maps. Nothing here touches the document.

import { short } from "./dom.js";
import { mean } from "./sorting.js";

// The items of each key, keys in the order in which they come first.
export function groupedBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}

// Over photographs, of the means of their targets and draws: as the leaderboard takes it.
export function meanOverPhotographs(page, rows, valueOfRow) {
  const photographs = groupedBy(rows, (row) => page.rows.photograph[row]);
  return mean([...photographs.values()].map((several) => mean(several.map(valueOfRow))));
}

// Round numbers, the first at most `low`, the last at least `high`.
export function roundTicks(low, high, count = 4) {
  if (!(high > low)) return roundTicks(low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2, count);
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * (1 - 1e-9));
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

// Ticks as people read them, with as many digits as tell them apart.
export function tickTexts(ticks) {
  const texts = [3, 4, 5, 6, 8, 12].map((digits) => ticks.map((tick) => short(tick, digits)));
  return texts.find((each) => new Set(each.map(Number)).size === ticks.length && each.every((text, at) => isNear(text, ticks[at], ticks))) ?? texts.at(-1);
}

function isNear(text, tick, ticks) {
  return ticks.length < 2 || Math.abs(Number(text) - tick) < Math.abs(ticks[1] - ticks[0]) / 100;
}

// The means of what each of rows x columns cells covers of one slice of a map; 0 where nothing in it is finite.
export function pooled(values, height, width, rows, columns) {
  const cells = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const down = [(row * height) / rows, ((row + 1) * height) / rows];
    for (let column = 0; column < columns; column++) {
      const across = [(column * width) / columns, ((column + 1) * width) / columns];
      cells[row * columns + column] = meanOfBox(values, width, down, across);
    }
  }
  return cells;
}

function meanOfBox(values, width, [top, bottom], [left, right]) {
  let sum = 0;
  let covered = 0;
  for (let y = Math.floor(top); y < bottom; y++) {
    const tall = Math.min(y + 1, bottom) - Math.max(y, top);
    for (let x = Math.floor(left); x < right; x++) {
      const value = values[y * width + x];
      if (!Number.isFinite(value)) continue;
      const area = tall * (Math.min(x + 1, right) - Math.max(x, left));
      sum += area * value;
      covered += area;
    }
  }
  return covered ? sum / covered : 0;
}

export function meanVector(vectors) {
  const sums = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let at = 0; at < sums.length; at++) sums[at] += vector[at];
  return sums.map((sum) => sum / vectors.length);
}

// In units of its length, so that a weak map counts as much as a strong one; null where it is zero.
export function unitVector(vector) {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : null;
}

export function squaredDistance(one, other) {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += (one[at] - other[at]) ** 2;
  return sum;
}
