// Colour tables of the run itself, and how the values of a map become colours.

import { fromBase64 } from "./data.js";

export const NOT_FINITE_COLOR = [255, 0, 255];

// Linear from `low` (the table's first colour) to `high` (its last); a signed scale leaves a picture as it is at 0.
export class Scale {
  constructor(low, high, table, name) {
    this.low = low;
    this.high = high || 1;
    this.table = table;
    this.name = name;
  }

  get signed() {
    return this.low < 0;
  }

  // The place of a value in the table; 256 where it is not finite.
  place(value) {
    if (!Number.isFinite(value)) return 256;
    return Math.min(255, Math.max(0, Math.round((value - this.low) * (255 / (this.high - this.low)))));
  }

  colorAt(place) {
    return place === 256 ? NOT_FINITE_COLOR : this.table.subarray(3 * place, 3 * place + 3);
  }

  css(value) {
    return `rgb(${[...this.colorAt(this.place(value))].join(" ")})`;
  }

  // How much of its colour is laid over the picture, by place.
  weights(alpha) {
    const weights = new Float32Array(257);
    for (let place = 0; place < 256; place++) weights[place] = alpha * (this.signed ? Math.abs(2 * place / 255 - 1) : 1);
    weights[256] = alpha;
    return weights;
  }
}

export class Palette {
  constructor(page) {
    const entries = Object.entries(page.data.colormaps);
    this.tables = Object.fromEntries(entries.map(([name, text]) => [name, fromBase64(text)]));
  }

  get names() {
    return Object.keys(this.tables);
  }

  scale(low, high, chosen) {
    const name = chosen === "auto" ? (low < 0 ? "diverging" : "sequential") : chosen;
    return new Scale(low, high, this.tables[name] ?? this.tables.sequential, name);
  }
}

// The scale of one map, or the one that all maps share which are shown.
export function scaleOf(store, map) {
  const { palette, state } = store;
  if (state.scale === "map") return palette.scale(map.low, map.high, state.colors);
  const [low, high] = lockedRange(store);
  return palette.scale(low, high, state.colors);
}

export function lockedRange(store) {
  let [low, high] = [0, 0];
  for (const row of store.rows) {
    const entry = store.page.entryOf(row, store.state.layer, store.state.kind);
    if (!entry) continue;
    low = Math.min(low, entry[4]);
    high = Math.max(high, entry[5]);
  }
  return [low < 0 ? -high : 0, high];
}
