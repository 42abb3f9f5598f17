// Maps as numbers: other sizes, and how alike two are.

// The cells between which a place of another size lies, by half-pixels, and the share of the second one.
export function between(count, side) {
  const low = new Int32Array(side);
  const high = new Int32Array(side);
  const share = new Float32Array(side);
  for (let at = 0; at < side; at++) {
    const place = Math.min(Math.max((at + 0.5) * (count / side) - 0.5, 0), count - 1);
    low[at] = Math.floor(place);
    high[at] = Math.min(low[at] + 1, count - 1);
    share[at] = place - low[at];
  }
  return { low, high, share };
}

// One slice of a map (lines * columns) at another size, linearly by half-pixels, as the run resizes.
export function resized(values, height, width, toHeight, toWidth) {
  if (height === toHeight && width === toWidth) return values;
  const wide = new Float32Array(toHeight * toWidth);
  eachLine(values, height, width, toHeight, toWidth, (line, y) => wide.set(line, y * toWidth));
  return wide;
}

// The same line by line, from top to bottom; each is valid until the next one.
export function eachLine(values, height, width, toHeight, toWidth, visit) {
  const down = between(height, toHeight);
  const across = between(width, toWidth);
  const line = new Float32Array(width);
  const wide = new Float32Array(toWidth);
  for (let y = 0; y < toHeight; y++) {
    blend(values, down.low[y] * width, down.high[y] * width, down.share[y], line);
    for (let x = 0; x < toWidth; x++) {
      const part = across.share[x];
      const first = line[across.low[x]];
      wide[x] = part ? first * (1 - part) + line[across.high[x]] * part : first;
    }
    visit(wide, y);
  }
}

// What is not finite reaches no further than its share.
function blend(values, upper, lower, share, line) {
  for (let x = 0; x < line.length; x++) line[x] = share ? values[upper + x] * (1 - share) + values[lower + x] * share : values[upper + x];
}

// A slice of a map by its place in [0, 1], linearly between cell centres.
export function sliceOf(map, place, count) {
  const values = map.values;
  if (map.slices === 1) return values;
  const { low, high, share } = between(map.slices, count);
  const at = Math.min(Math.max(place, 0), count - 1);
  const one = values.subarray(low[at] * map.cells, (low[at] + 1) * map.cells);
  const other = values.subarray(high[at] * map.cells, (high[at] + 1) * map.cells);
  return share[at] ? one.map((value, cell) => value * (1 - share[at]) + other[cell] * share[at]) : one;
}

// Pearson's, of two maps at the larger of their sizes; null where one is flat, not finite or of another number of slices.
export function correlation(one, other) {
  if (one.slices !== other.slices) return null;
  const height = Math.max(one.height, other.height);
  const width = Math.max(one.width, other.width);
  const sized = [one, other].map((map) => allSlices(map, height, width));
  const count = sized[0].length;
  const means = sized.map((values) => values.reduce((sum, value) => sum + value, 0) / count);
  let [product, first, second] = [0, 0, 0];
  for (let at = 0; at < count; at++) {
    const [a, b] = [sized[0][at] - means[0], sized[1][at] - means[1]];
    product += a * b;
    first += a * a;
    second += b * b;
  }
  const size = Math.sqrt(first * second);
  return size > 0 ? Math.min(1, Math.max(-1, product / size)) : null;
}

function allSlices(map, height, width) {
  const values = map.values;
  if (map.slices === 1) return resized(values, map.height, map.width, height, width);
  const parts = [];
  for (let slice = 0; slice < map.slices; slice++) {
    parts.push(...resized(values.subarray(slice * map.cells, (slice + 1) * map.cells), map.height, map.width, height, width));
  }
  return Float32Array.from(parts);
}
