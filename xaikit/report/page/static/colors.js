// Colour tables of the run itself, and how the values of a map become colours.

import { Difference, fromBase64 } from "./data.js";

export const NOT_FINITE_COLOR = [255, 0, 255];

export const FRACTION = 22; // bits; 255 of them and a half are a whole number of 31 bits

// Linear from `low` (the table's first colour) to `high` (its last); a signed scale leaves at 0 what lies under it.
export class Scale {
  constructor(signed, high, colors, name) {
    this.high = high || 1;
    this.low = signed ? -this.high : 0;
    this.name = name;
    this.colors = colors;
    this.factor = 255 / (this.high - this.low);
  }

  get signed() {
    return this.low < 0;
  }

  // The place of a value in the table; 256 where it is not finite.
  place(value) {
    const place = (value - this.low) * this.factor + 0.5;
    return place >= 256 ? (value === Infinity ? 256 : 255) : place >= 0 ? Math.floor(place) : value > -Infinity ? 0 : 256;
  }

  colorAt(place) {
    return this.colors.subarray(3 * place, 3 * place + 3);
  }

  css(value) {
    return `rgb(${[...this.colorAt(this.place(value))].join(" ")})`;
  }

  // What is left of the picture under the colours, and what of them lies on it, by place: in parts of 2 ** FRACTION, as whole
  // numbers are added faster; what rounds is in the second, ties up.
  layers(alpha) {
    const one = 2 ** FRACTION;
    const strongest = this.signed ? Math.min(1, 2 * alpha) : alpha;
    const bare = new Int32Array(257);
    const laid = new Int32Array(3 * 257);
    for (let place = 0; place < 257; place++) {
      const weight = strongest * (this.signed && place < 256 ? Math.abs(2 * place / 255 - 1) : 1);
      bare[place] = Math.round(one * (1 - weight));
      for (let channel = 0; channel < 3; channel++) laid[3 * place + channel] = one * (weight * this.colors[3 * place + channel] + 0.5 + 1e-4);
    }
    return { bare, laid };
  }
}

export class Palette {
  constructor(page) {
    const entries = Object.entries(page.data.colormaps);
    this.tables = Object.fromEntries(entries.map(([name, text]) => [name, Uint8Array.of(...fromBase64(text), ...NOT_FINITE_COLOR)]));
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
