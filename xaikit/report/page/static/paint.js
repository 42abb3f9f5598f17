// Pixels: a photograph, and a map over it.

import { resized, sliceOf } from "./maths.js";
import { scaleOf } from "./colors.js";

// The photographs, as pixels of the size that somebody wants to draw on.
export class Photographs {
  constructor(page) {
    this.page = page;
    this.images = new Map();
    this.sized = new Map();
    this.context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  }

  // Pixels of a thumbnail (null: grey) at a size: a copy that may be painted on. A promise where it is not decoded yet.
  pixels(thumbnail, width, height) {
    const key = `${thumbnail} ${width} ${height}`;
    const pixels = this.sized.get(key);
    if (pixels) return new ImageData(new Uint8ClampedArray(pixels.data), width, height);
    return this.#load(thumbnail).then((image) => {
      if (this.sized.size > 500) this.sized.clear();
      this.sized.set(key, pixelsOf(this.context, image, width, height));
      return this.pixels(thumbnail, width, height);
    });
  }

  async #load(thumbnail) {
    if (thumbnail === null) return null;
    if (!this.images.has(thumbnail)) this.images.set(thumbnail, decoded(this.page.thumbnails[thumbnail]));
    return this.images.get(thumbnail);
  }
}

async function decoded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

function pixelsOf(context, image, width, height) {
  Object.assign(context.canvas, { width, height });
  context.fillStyle = "rgb(128 128 128)";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  if (image) context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// Lay a slice of a map (height * width) over a picture: (1 - weight) picture + weight colour.
export function paintOver(picture, values, height, width, scale, alpha) {
  const wide = resized(values, height, width, picture.height, picture.width);
  const { bare, laid } = scale.layers(alpha);
  const { data } = picture;
  for (let at = 0, pixel = 0; at < wide.length; at++, pixel += 4) {
    const place = scale.place(wide[at]);
    const share = bare[place];
    const color = 3 * place;
    // an array of bytes rounds by itself
    data[pixel] = share * data[pixel] + laid[color];
    data[pixel + 1] = share * data[pixel + 1] + laid[color + 1];
    data[pixel + 2] = share * data[pixel + 2] + laid[color + 2];
  }
}

const STRONGEST = 0.75;
const CURVE = "rgb(176 32 48)";

// Of a plotted series: its columns in the colours of a map, as far as the curves leave white.
export function paintBehind(picture, values, scale) {
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
export function drawCurve(context, values, scale) {
  const { width, height } = context.canvas;
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
      context[isDown ? "lineTo" : "moveTo"](x + 0.5, height - margin - share * (height - 2 * margin));
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

// Draw a map, or none, over the photograph of a row on a canvas, at a width in pixels. Gives a promise where it has to wait.
export function paintRow(store, canvas, row, map, width) {
  const photograph = store.page.photographOf(row);
  const height = Math.max(1, Math.round(width * photograph.height / photograph.width));
  const picture = store.photographs.pixels(frameOf(photograph, store.state.slice).thumbnail, width, height);
  canvas.painted = `${row} ${map?.offset} ${width}`;
  if (!(picture instanceof Promise)) return paintPicture(store, canvas, picture, photograph, map);
  const wanted = canvas.painted;
  return picture.then((pixels) => canvas.painted === wanted && paintPicture(store, canvas, pixels, photograph, map));
}

function paintPicture(store, canvas, picture, photograph, map) {
  const isSeries = photograph.space.length === 1;
  const scale = map && scaleOf(store, map);
  const values = map && shownSlice(map, photograph, store.state.slice);
  if (map && isSeries) paintBehind(picture, values, scale);
  else if (map) paintOver(picture, values, map.height, map.width, scale, store.state.alpha);
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.drawn = canvas.painted;
  const context = canvas.getContext("2d", { alpha: false });
  context.putImageData(picture, 0, 0);
  if (map && isSeries) drawCurve(context, values, scale);
}
