// Pixels: a photograph, a map over it, and what a place of it is worth.

import { between, resized, sliceOf } from "./maths.js";
import { scaleOf } from "./colors.js";

// The photographs, as pixels of the size that somebody wants to draw on.
export class Photographs {
  constructor(page) {
    this.page = page;
    this.images = new Map();
    this.sized = new Map();
  }

  // The picture of a thumbnail, once it is decoded; null where there is none.
  async load(thumbnail) {
    if (thumbnail === null) return null;
    if (!this.images.has(thumbnail)) this.images.set(thumbnail, decoded(this.page.data.thumbnails[thumbnail]));
    return this.images.get(thumbnail);
  }

  // Its pixels at a size: a copy that may be painted on.
  async pixels(thumbnail, width, height) {
    const key = `${thumbnail} ${width} ${height}`;
    if (!this.sized.has(key)) {
      if (this.sized.size > 400) this.sized.clear();
      this.sized.set(key, pixelsOf(await this.load(thumbnail), width, height));
    }
    const pixels = this.sized.get(key);
    return new ImageData(new Uint8ClampedArray(pixels.data), width, height);
  }
}

async function decoded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

function pixelsOf(image, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "rgb(128 128 128)";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  if (image) context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// Lay a slice of a map (height * width) over a picture: (1 - weight) picture + weight colour.
export function paintOver(picture, values, height, width, scale, alpha) {
  const wide = resized(values, height, width, picture.height, picture.width);
  const weights = scale.weights(alpha);
  const { data } = picture;
  for (let at = 0; at < wide.length; at++) {
    const place = scale.place(wide[at]);
    const color = scale.colorAt(place);
    const weight = weights[place];
    const pixel = 4 * at;
    data[pixel] = Math.round((1 - weight) * data[pixel] + weight * color[0]);
    data[pixel + 1] = Math.round((1 - weight) * data[pixel + 1] + weight * color[1]);
    data[pixel + 2] = Math.round((1 - weight) * data[pixel + 2] + weight * color[2]);
  }
}

// Which frame of a sample is shown, by the state's share of its depth, and the thumbnail of it.
export function frameOf(photograph, share) {
  const count = photograph.frames.length;
  const at = Math.min(count - 1, Math.floor(share * count));
  return count ? { number: photograph.frames[at], thumbnail: photograph.thumbnail + at } : { number: 0, thumbnail: null };
}

// A slice of a map as it lies on the frame that is shown.
export function shownSlice(map, photograph, share) {
  return sliceOf(map, frameOf(photograph, share).number, photograph.space.length === 3 ? photograph.space[0] : 1);
}

// Draw one row on a canvas of some width: its photograph, and its map over it unless `bare`.
export async function paintRow(store, canvas, row, width, { bare = false, layer = store.state.layer, kind = store.state.kind } = {}) {
  const photograph = store.page.photographOf(row);
  const height = Math.max(1, Math.round(width * photograph.height / photograph.width));
  const frame = frameOf(photograph, store.state.slice);
  const picture = await store.photographs.pixels(frame.thumbnail, width, height);
  const map = bare ? null : store.page.mapOf(row, layer, kind);
  if (map) {
    const values = shownSlice(map, photograph, store.state.slice);
    paintOver(picture, values, map.height, map.width, scaleOf(store, map), store.state.alpha);
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// The value of a map at a place of its picture, x and y in [0, 1], as it is drawn.
export function valueAt(values, height, width, x, y) {
  const fine = 4096;
  const down = between(height, fine);
  const across = between(width, fine);
  const [line, column] = [Math.min(fine - 1, Math.floor(y * fine)), Math.min(fine - 1, Math.floor(x * fine))];
  const at = (upper, left) => values[upper * width + left];
  const part = across.share[column];
  const [left, right] = [across.low[column], across.high[column]];
  const upper = at(down.low[line], left) * (1 - part) + at(down.low[line], right) * part;
  const lower = at(down.high[line], left) * (1 - part) + at(down.high[line], right) * part;
  return upper * (1 - down.share[line]) + lower * down.share[line];
}
