// The colours of the maps, with the numbers at both ends of them.

import { lockedHigh } from "./colors.js";
import { make, short } from "./dom.js";

export function scaleBar(store, scale, ends = [short(scale.low), short(scale.high)]) {
  const canvas = make("canvas", { width: 256, height: 1, role: "img", "aria-label": `${scale.name} colours from ${ends[0]} to ${ends[1]}` });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(256, 1);
  for (let place = 0; place < 256; place++) pixels.data.set([...scale.colorAt(place), 255], 4 * place);
  context.putImageData(pixels, 0, 0);
  return make("div", { class: "bar" }, make("span", {}, ends[0]), canvas, make("span", {}, ends[1]));
}

// The bars of the grid, of unsigned and of signed maps: in numbers where all maps share one scale, else in what its ends are.
export function gridBars(store) {
  const { page, state, palette, rows } = store;
  const isSigned = (row) => {
    const entry = page.entryOf(row, state.layer, state.kind);
    return entry !== null && page.isSigned(row, entry, state.kind);
  };
  const isLocked = state.scale === "locked";
  const high = isLocked ? lockedHigh(store) : 1;
  const bar = (signed, ends) => scaleBar(store, palette.scale(signed, high, state.colors), isLocked ? undefined : ends);
  return [
    make("span", { class: "scale" }, isLocked ? `one scale for ${rows.length} maps` : "each map on its own scale"),
    rows.some((row) => !isSigned(row)) && bar(false, ["0", "max"]),
    (rows.some(isSigned) || state.versus) && bar(true, ["−max", "+max"]),
    page.hasOdd && make("span", { class: "odd" }, "NaN or infinite"),
  ].filter(Boolean);
}
