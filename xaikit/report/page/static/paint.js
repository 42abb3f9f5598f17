// Pixels: a photograph, and a map over it.

import { FRACTION, scaleOf } from "./colors.js";
import { fromBase64 } from "./data.js";
import { eachLine, resized, sliceOf } from "./maths.js";

const MOST_SIZED = 500;

// The photographs, as pixels of the size that somebody wants to draw on.
export class Photographs {
  constructor(page) {
    this.page = page;
    this.sized = new Map();
    this.loading = new Map();
    this.context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true, alpha: false });
  }

  // A promise of the pixels of a thumbnail (null: grey) at a size; null where they are there.
  need(thumbnail, width, height) {
    const key = `${thumbnail} ${width} ${height}`;
    if (this.sized.has(key)) return null;
    if (!this.loading.has(key)) this.loading.set(key, this.#load(key, thumbnail, width, height));
    return this.loading.get(key);
  }

  // To be read only, as all that draw on the photograph share them.
  pixels(thumbnail, width, height) {
    return this.sized.get(`${thumbnail} ${width} ${height}`);
  }

  async #load(key, thumbnail, width, height) {
    const image = await (thumbnail === null ? null : decoded(this.page.thumbnails[thumbnail], width, height));
    if (this.sized.size >= MOST_SIZED) this.sized.delete(this.sized.keys().next().value);
    this.sized.set(key, pixelsOf(this.context, image, width, height));
    this.loading.delete(key);
  }
}

// Beside the page's own work, other than an <img> is.
function decoded(source, width, height) {
  const [head, bytes] = source.split(",");
  const blob = new Blob([fromBase64(bytes)], { type: head.slice(5, head.indexOf(";")) });
  return createImageBitmap(blob, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
}

function pixelsOf(context, image, width, height) {
  const { canvas } = context;
  sized(canvas, width, height);
  context.fillStyle = "rgb(128 128 128)";
  context.fillRect(0, 0, width, height);
  if (image) context.drawImage(image, 0, 0);
  image?.close();
  return context.getImageData(0, 0, width, height);
}

// Lay a slice of a map (height * width) over the pixels `under`, in pale grey where the scale is signed, into `picture`:
// (1 - weight) under + weight colour.
export function paintOver(under, picture, values, height, width, scale, alpha) {
  const layers = scale.layers(alpha);
  const [from, to] = [under, picture].map(({ data }) => new Uint32Array(data.buffer));
  const below = scale.signed ? paled(from, to, alpha) : from;
  eachLine(values, height, width, picture.height, picture.width, (line, y) => layLine(line, y * picture.width, below, to, scale, layers));
}

// Into `to`: in grey, as Pillow weighs the channels, and alpha of it white.
function paled(from, to, alpha) {
  for (let place = 0; place < from.length; place++) {
    const color = from[place];
    const grey = (color & 255) * 19595 + (color >> 8 & 255) * 38470 + (color >> 16 & 255) * 7471 + 32768 >> 16;
    const level = grey + alpha * (255 - grey) | 0;
    to[place] = 0xff000000 | level << 16 | level << 8 | level;
  }
  return to;
}

// A pixel is one number, its red the lowest byte, as all machines have it that run browsers.
function layLine(line, start, from, to, scale, { bare, laid }) {
  const { low, factor } = scale;
  for (let x = 0; x < line.length; x++) {
    const level = (line[x] - low) * factor + 0.5;
    const place = level >= 0 && level < 256 ? level | 0 : scale.place(line[x]);
    const share = bare[place];
    const color = from[start + x];
    const red = Math.imul(share, color & 255) + laid[3 * place] >> FRACTION;
    const green = Math.imul(share, color >> 8 & 255) + laid[3 * place + 1] >> FRACTION;
    const blue = Math.imul(share, color >> 16 & 255) + laid[3 * place + 2] >> FRACTION;
    to[start + x] = 0xff000000 | blue << 16 | green << 8 | red;
  }
}

const STRONGEST = 0.75;
const CURVE = "rgb(176 32 48)";

// Of a plotted series: its columns in the colours of a map, as far as the curves leave white.
function paintBehind(under, picture, values, scale) {
  picture.data.set(under.data);
  const wide = resized(values, 1, values.length, 1, picture.width);
  const colors = scale.colors;
  const { data } = picture;
  for (let x = 0; x < picture.width; x++) {
    const place = scale.place(wide[x]);
    const strength = (place === 256 ? 1 : Math.abs(wide[x]) / scale.high) * STRONGEST;
    for (let pixel = 4 * x; pixel < data.length; pixel += 4 * picture.width) {
      for (let channel = 0; channel < 3; channel++) {
        data[pixel + channel] *= (255 * (1 - strength) + strength * colors[3 * place + channel]) / 255;
      }
    }
  }
}

// A map of one axis as a line over its series, broken where it is not finite.
function drawCurve(context, left, { width, height }, values, scale) {
  const margin = height * 0.055;
  const wide = resized(values, 1, values.length, 1, width);
  context.strokeStyle = CURVE;
  context.lineWidth = Math.max(1.5, height / 110);
  context.beginPath();
  let isDown = false;
  for (let x = 0; x < width; x++) {
    const share = (wide[x] - scale.low) / (scale.high - scale.low);
    if (!Number.isFinite(share)) isDown = false;
    else {
      context[isDown ? "lineTo" : "moveTo"](left + x + 0.5, height - margin - share * (height - 2 * margin));
      isDown = true;
    }
  }
  context.stroke();
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

// Draw a map, or none, over the photograph of a row, at a size in pixels: on a canvas, or on its place of a sheet, see placeOn.
// Gives a promise where it has to wait.
export function paintRow(store, target, row, map, width, height = heightOf(store, row, width)) {
  const wanted = `${row} ${map?.offset} ${width}`;
  target.painted = wanted;
  const waiting = needPhotograph(store, row, width, height);
  if (!waiting) return paintPicture(store, target, row, map, width, height);
  return waiting.then(() => target.painted === wanted && paintRow(store, target, row, map, width, height));
}

// A promise of the photograph of a row at a size; null where it is there.
export function needPhotograph(store, row, width, height = heightOf(store, row, width)) {
  return store.photographs.need(thumbnailOf(store, row), width, height);
}

export function heightOf(store, row, width) {
  const photograph = store.page.photographOf(row);
  return Math.max(1, Math.round(width * photograph.height / photograph.width));
}

function thumbnailOf(store, row) {
  return frameOf(store.page.photographOf(row), store.state.slice).thumbnail;
}

function paintPicture(store, target, row, map, width, height) {
  const under = store.photographs.pixels(thumbnailOf(store, row), width, height);
  const sheet = target.sheet ?? sized(target, width, height);
  const context = sheet.getContext("2d", { alpha: Boolean(target.sheet) });
  const left = target.left ?? 0;
  target.drawn = target.painted;
  if (!map) return context.putImageData(under, left, 0);
  const photograph = store.page.photographOf(row);
  const scale = scaleOf(store, map);
  const values = shownSlice(map, photograph, store.state.slice);
  const picture = sketchOf(under);
  if (photograph.space.length === 1) paintBehind(under, picture, values, scale);
  else paintOver(under, picture, values, map.height, map.width, scale, store.state.alpha);
  context.putImageData(picture, left, 0);
  if (photograph.space.length === 1) drawCurve(context, left, under, values, scale);
}

// A size that is set anew takes new memory, even where it is the same.
export function sized(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return canvas;
}

// One picture that all maps of a size are painted on before they are put on their canvas.
let sketch = new ImageData(1, 1);

function sketchOf({ width, height }) {
  if (sketch.width !== width || sketch.height !== height) sketch = new ImageData(width, height);
  return sketch;
}
