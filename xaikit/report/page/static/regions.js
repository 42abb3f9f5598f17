// What of a map stands out: where it reaches a threshold, the boxes around its parts, and how well a box fits.

import { resized } from "./maths.js";

// The connected parts (corners included) of a map of a picture's size whose values reach a share of the largest: their boxes
// [x0, y0, x1, y1] in pixels, x1 and y1 just outside, the largest area first; and the mask.
export function regionsOf(values, height, width, threshold) {
  const largest = values.reduce((most, value) => Math.max(most, Number.isFinite(value) ? value : 0), 0);
  const mask = new Uint8Array(values.length);
  if (largest > 0) values.forEach((value, at) => { mask[at] = value > 0 && value >= threshold * largest ? 1 : 0; });
  const seen = new Uint8Array(values.length);
  const parts = [];
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] && !seen[at]) parts.push(partOf(mask, seen, height, width, at));
  }
  return { mask, parts: parts.sort((one, other) => other.area - one.area) };
}

function partOf(mask, seen, height, width, start) {
  const part = { box: [width, height, 0, 0], area: 0 };
  const stack = [start];
  seen[start] = 1;
  while (stack.length) {
    const at = stack.pop();
    const [x, y] = [at % width, Math.floor(at / width)];
    const [x0, y0, x1, y1] = part.box;
    part.box = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
    part.area += 1;
    for (let down = Math.max(0, y - 1); down <= Math.min(height - 1, y + 1); down++) {
      for (let across = Math.max(0, x - 1); across <= Math.min(width - 1, x + 1); across++) {
        const next = down * width + across;
        if (!mask[next] || seen[next]) continue;
        seen[next] = 1;
        stack.push(next);
      }
    }
  }
  return part;
}

// The parts of a slice of a map at the size of its picture.
export function regionsOnPicture(slice, map, photograph, threshold) {
  const wide = resized(slice, map.height, map.width, photograph.height, photograph.width);
  return regionsOf(wide, photograph.height, photograph.width, threshold);
}

// Intersection over union of two boxes.
export function boxIou(one, other) {
  const across = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const down = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const shared = Math.max(0, across) * Math.max(0, down);
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return shared / (area(one) + area(other) - shared);
}

// A mask in run lengths, column by column, 0 first, as an array of lines.
export function maskOf({ size: [height, width], counts }) {
  const mask = new Uint8Array(height * width);
  let [at, value] = [0, 0];
  for (const count of counts) {
    for (let step = 0; step < count; step++, at++) mask[(at % height) * width + Math.floor(at / height)] = value;
    value = 1 - value;
  }
  return mask;
}

// The edges of a mask as the path of an SVG, in cells.
export function outlineOf(mask, height, width) {
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x];
  const edges = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inside(x, y)) continue;
      if (!inside(x, y - 1)) edges.push(`M${x} ${y}h1`);
      if (!inside(x, y + 1)) edges.push(`M${x} ${y + 1}h1`);
      if (!inside(x - 1, y)) edges.push(`M${x} ${y}v1`);
      if (!inside(x + 1, y)) edges.push(`M${x + 1} ${y}v1`);
    }
  }
  return edges.join("");
}
