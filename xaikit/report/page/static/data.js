// The payload: facts as columns, maps as bytes that become numbers when they are looked at.

export async function readPage() {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  return new Page(data, await inflated(data.maps.bytes));
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
  constructor(data, bytes) {
    this.data = data;
    this.bytes = bytes;
    this.rows = data.rows;
    this.trials = data.trials;
    this.photographs = data.photographs;
    this.measures = data.measures;
    this.count = data.rows.trial.length;
    this.places = new Map();
    for (let row = 0; row < this.count; row++) this.places.set(`${this.keyOf(row)}\n${this.rows.trial[row]}`, row);
  }

  // What stands in one line of the grid: a photograph and a place on the target axis, of whatever model or run.
  keyOf(row) {
    return `${this.rows.column[row]}\n${this.photographOf(row).name}`;
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
    return entry && new SaliencyMap(entry, this.bytes);
  }

  measure(row, metric) {
    return this.measures[metric].values[row];
  }
}

// A map at its native size: `values` in the order of slices, lines and columns, NaN where it is not finite.
export class SaliencyMap {
  constructor(entry, bytes) {
    [this.layer, this.offset, this.height, this.width, this.low, this.high, this.slices, this.whole] = entry;
    this.bytes = bytes;
  }

  get cells() {
    return this.height * this.width;
  }

  get values() {
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
