// Colour tables of the run itself, and how the values of a map become colours.

import { Difference, fromBase64 } from "./data.js";

export const NOT_FINITE_COLOR = [255, 0, 255];

// Linear from `low` (the table's first colour) to `high` (its last); a signed scale leaves a picture as it is at 0.
export class Scale {
  constructor(signed, high, table, name) {
    this.high = high || 1;
    this.low = signed ? -this.high : 0;
    this.name = name;
    this.colors = new Uint8Array(3 * 257);
    this.colors.set(table);
    this.colors.set(NOT_FINITE_COLOR, 3 * 256);
    this.factor = 255 / (this.high - this.low);
  }

  get signed() {
    return this.low < 0;
  }

  // The place of a value in the table; 256 where it is not finite.
  place(value) {
    if (!Number.isFinite(value)) return 256;
    return Math.min(255, Math.max(0, Math.round((value - this.low) * this.factor)));
  }

  colorAt(place) {
    return this.colors.subarray(3 * place, 3 * place + 3);
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

  scale(signed, high, chosen) {
    const name = chosen === "auto" ? (signed ? "diverging" : "sequential") : chosen;
    return new Scale(signed, high, this.tables[name] ?? this.tables.sequential, name);
  }
}

// The scale of one map, or the one that all maps share which are shown.
export function scaleOf(store, map) {
  const { palette, state } = store;
  // what two maps differ by has a scale of its own
  if (state.scale === "map" || map instanceof Difference) return palette.scale(map.signed, map.high, state.colors);
  return palette.scale(map.signed, lockedHigh(store), state.colors);
}

// The end of the scale that all maps share which are shown; signed ones begin at its negative, others at 0.
export function lockedHigh(store) {
  return store.kept("high", () => {
    const entries = store.rows.map((row) => store.page.entryOf(row, store.state.layer, store.state.kind));
    return entries.reduce((most, entry) => Math.max(most, entry?.[5] ?? 0), 0);
  });
}
