// The payload: facts as columns, maps as bytes that become numbers when they are looked at.

import { resized } from "./maths.js";

export async function readPage() {
  const page = new Page(JSON.parse(document.getElementById("page-data").textContent));
  await Promise.all(page.data.parts.map((part, place) => part.file ? null : page.load(place)));
  return page;
}

// What a part of the page that lies beside it holds; a script, as pages on a disk may read no other file.
function loaded(file, place) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.onload = () => resolve(globalThis.xaikitParts[place]);
    script.onerror = () => reject(new Error(`${file} is not beside this page, or not readable: write it again with xaikit page`));
    script.src = file;
    document.head.append(script);
  });
}

async function inflated(text) {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

const NOT_FINITE = 255;
const STEPS = 254;

export class Page {
  constructor(data) {
    this.data = data;
    this.bytes = []; // of each part, once it is loaded
    this.thumbnails = [];
    this.loading = new Map();
    this.rows = data.rows;
    this.trials = data.trials;
    this.photographs = data.photographs;
    this.measures = data.measures;
    this.count = data.rows.trial.length;
    this.titles = titlesOf(data);
    this.hasOdd = false;
    this.places = new Map();
    for (let row = 0; row < this.count; row++) this.places.set(`${this.keyOf(row)}\n${this.rows.trial[row]}`, row);
  }

  // The maps and thumbnails of a part, which is loaded once.
  load(place) {
    if (!this.loading.has(place)) this.loading.set(place, this.#load(place));
    return this.loading.get(place);
  }

  async #load(place) {
    const stated = this.data.parts[place];
    const part = stated.file ? await loaded(stated.file, place) : stated;
    part.thumbnails.forEach((thumbnail, at) => { this.thumbnails[part.first + at] = thumbnail; });
    this.bytes[place] = await inflated(part.bytes);
    this.hasOdd ||= this.bytes[place].includes(NOT_FINITE);
  }

  get isWhole() {
    return this.data.parts.every((_, place) => this.bytes[place]);
  }

  // A promise of the maps of some rows, or of all; null where they are there.
  need(rows = null) {
    const parts = rows === null ? [...this.data.parts.keys()] : rows.filter((row) => row !== null).map((row) => this.photographOf(row).part);
    const missing = [...new Set(parts)].filter((place) => !this.bytes[place]);
    return missing.length ? Promise.all(missing.map((place) => this.load(place))) : null;
  }

  // What stands in one line of the grid: a photograph and a place on the target axis, of whatever model or run.
  keyOf(row) {
    return `${this.rows.column[row]}\n${this.photographOf(row).name}`;
  }

  // A map by a name that lasts: its trial and its line.
  idOf(row) {
    return `${this.titles[this.rows.trial[row]]}\n${this.keyOf(row)}`;
  }

  nameOf(key) {
    return key.slice(key.indexOf("\n") + 1);
  }

  rowOf(key, trial) {
    return this.places.get(`${key}\n${trial}`) ?? null;
  }

  photographOf(row) {
    return this.photographs[this.rows.photograph[row]];
  }

  trialOf(row) {
    return this.trials[this.rows.trial[row]];
  }

  // Where a map of a row lies; of a layer, or the fused one (""). Raw maps have no fusion: theirs is that of the last layer.
  entryOf(row, layer, kind) {
    const entries = kind === "raw" ? this.data.maps.index[row] : this.data.maps.finished[row];
    const entry = entries.find((each) => each[0] === layer);
    return entry ?? (layer === "" ? entries[entries.length - 1] ?? null : null);
  }

  mapOf(row, layer, kind) {
    const entry = this.entryOf(row, layer, kind);
    const bytes = this.bytes[this.photographOf(row).part];
    return entry && bytes ? new SaliencyMap(entry, bytes, this.isSigned(row, entry, kind)) : null;
  }

  // Whether maps of that kind may be negative, so that even one that is 0 everywhere has their colours.
  isSigned(row, entry, kind) {
    return kind === "raw" || this.trialOf(row).signed || entry[4] < 0;
  }

  // What one map has more than another; null where they cannot be compared.
  differenceOf(row, other, layer, kind, otherLayer = layer) {
    const maps = [[row, layer], [other, otherLayer]].map(([each, at]) => each === null ? null : this.mapOf(each, at, kind));
    return maps.includes(null) || maps[0].slices !== maps[1].slices ? null : new Difference(...maps);
  }

  trialTitled(title) {
    const place = this.titles.indexOf(title);
    return place < 0 ? null : place;
  }
}

// The names of the trials, each with what tells it from others of its name: the run, then the model.
function titlesOf(data) {
  const names = data.trials.map((trial) => trial.name);
  const isDouble = (texts, text) => texts.indexOf(text) !== texts.lastIndexOf(text);
  const withRun = data.trials.map(({ name, run }) => isDouble(names, name) && data.runs.length > 1 ? `${name} (${data.runs[run].name})` : name);
  return withRun.map((text, place) => isDouble(withRun, text) ? `${text} (${data.trials[place].model}, ${place + 1})` : text);
}

// A map at its native size: `values` in the order of slices, lines and columns, NaN where it is not finite.
export class SaliencyMap {
  constructor(entry, bytes, signed) {
    this.signed = signed;
    [this.layer, this.offset, this.height, this.width, this.low, this.high, this.slices, this.whole] = entry;
    this.bytes = bytes;
  }

  get cells() {
    return this.height * this.width;
  }

  get values() {
    return this.decoded ??= this.#decode();
  }

  #decode() {
    const count = this.slices * this.cells;
    const step = (this.high - this.low) / STEPS;
    const values = new Float32Array(count);
    for (let at = 0; at < count; at++) {
      const byte = this.bytes[this.offset + at];
      values[at] = byte === NOT_FINITE ? NaN : this.low < 0 ? (byte - STEPS / 2) * step : byte * step;
    }
    return values;
  }
}

// One map less another, at the larger of their sizes: signed, whatever they are.
export class Difference {
  constructor(one, other) {
    this.layer = one.layer;
    this.signed = true;
    this.slices = one.slices;
    this.height = Math.max(one.height, other.height);
    this.width = Math.max(one.width, other.width);
    this.cells = this.height * this.width;
    const [first, second] = [one, other].map((map) => this.#sized(map));
    this.values = first.map((value, at) => value - second[at]);
    this.high = this.values.reduce((most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most, 0);
    this.whole = null;
  }

  #sized(map) {
    const { values } = map;
    const wide = new Float32Array(this.slices * this.cells);
    for (let slice = 0; slice < this.slices; slice++) {
      const part = values.subarray(slice * map.cells, (slice + 1) * map.cells);
      wide.set(resized(part, map.height, map.width, this.height, this.width), slice * this.cells);
    }
    return wide;
  }
}
