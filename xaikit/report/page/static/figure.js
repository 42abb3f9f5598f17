// One large map: over its photograph, with what was scored, where objects are, and what stands out.

import { scaleBar } from "./bar.js";
import { Difference } from "./data.js";
import { scaleOf } from "./colors.js";
import { draw, fileName, make, short } from "./dom.js";
import { paintRow, shownSlice } from "./paint.js";
import { peakOf, valueAt, whereText } from "./reading.js";
import { boxIou, maskOf, outlineOf, regionsOnPicture } from "./regions.js";

// The figure of a row: `map` is what is drawn (a map, a difference, or null), `title` what it is called.
export function figureOf(store, row, map, title) {
  const { page, state } = store;
  const photograph = page.photographOf(row);
  const canvas = make("canvas", { role: "img" });
  const marks = draw("svg", { viewBox: `0 0 ${photograph.width} ${photograph.height}`, "aria-hidden": true });
  const picture = make("div", { class: "picture" }, canvas, marks);
  picture.style.setProperty("--aspect", `${photograph.width} / ${photograph.height}`);
  const caption = make("figcaption", {}, make("b", { dir: "auto" }, title));
  const figure = make("figure", {}, picture, caption);
  const values = map && shownSlice(map, photograph, state.slice);
  const words = map ? whereText(peakOf(values, map.height, map.width)) : "no map";
  canvas.setAttribute("aria-label", `${title} of ${fileName(photograph.name)}, ${page.rows.target_name[row]}: ${words}`);
  paintRow(store, canvas, row, map, Math.max(photograph.width, 448));
  marks.append(...placeMarks(page.rows.place[row], page.rows.target_name[row]), ...photograph.boxes.map((each) => box(each.box, "known", each.label)));
  if (!map) return figure;
  caption.append(scaleBar(store, scaleOf(store, map)));
  caption.append(make("span", { class: "faint" }, sizeText(map)));
  if (state.regions && photograph.space.length !== 1 && !(map instanceof Difference)) caption.append(...addRegions(marks, values, map, photograph, state.threshold));
  readValues(store, canvas, values, map, photograph, title);
  return figure;
}

function sizeText(map) {
  const size = [map.slices > 1 && map.slices, map.height, map.width].filter(Boolean).join(" × ");
  return map.whole ? `${map.whole.join(" × ")} cells, averaged to ${size}` : `${size} cells`;
}

function box([x0, y0, x1, y1], kind, text = "") {
  const part = draw("g", { class: kind }, draw("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "vector-effect": "non-scaling-stroke" }));
  if (text) part.append(draw("title", {}, String(text)));
  return part;
}

// Where a detector's box or a segmenter's region is, of which the score is.
function placeMarks(place, name) {
  if (place?.corners) return [box(place.corners, "scored", name)];
  if (!place?.mask) return [];
  const [height, width] = place.mask.size;
  return [draw("path", { class: "scored", d: outlineOf(maskOf(place.mask), height, width), "vector-effect": "non-scaling-stroke" }, draw("title", {}, name))];
}

// Draw what stands out; gives what is said of it: how much it is, and how well its largest box fits those that are known.
function addRegions(marks, values, map, photograph, threshold) {
  const { mask, parts } = regionsOnPicture(values, map, photograph, threshold);
  marks.append(draw("path", { class: "region", d: outlineOf(mask, photograph.height, photograph.width), "vector-effect": "non-scaling-stroke" }));
  if (parts.length) marks.append(box(parts[0].box, "found"));
  const share = parts.reduce((sum, part) => sum + part.area, 0) / mask.length;
  const text = parts.length ? `${parts.length} ${parts.length > 1 ? "regions" : "region"}, ${short(100 * share)} % of the picture` : "no region: nowhere positive";
  const fits = parts.length ? photograph.boxes.map((each) => boxIou(parts[0].box, each.box)) : [];
  const best = fits.length && make("span", { class: "iou" }, `IoU ${short(Math.max(...fits))}`);
  return [make("span", { class: "faint" }, text), best].filter(Boolean);
}

function readValues(store, canvas, values, map, photograph, title) {
  canvas.addEventListener("pointermove", (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    const place = `(${Math.floor(x * photograph.width)}, ${Math.floor(y * photograph.height)})`;
    store.read(`${short(valueAt(values, map.height, map.width, x, y))} — ${title} at ${place} of ${photograph.width} × ${photograph.height}`);
  });
  canvas.addEventListener("pointerleave", () => store.read(""));
}
