// Clusters of maps that look in the same places, whatever is there: a class that is told by a corner shows here (SpRAy,
// Lapuschkin et al. 2019, Nature Communications 10:1096).

import { fileName, make } from "./dom.js";
import { className } from "./filters.js";
import { paintRow } from "./paint.js";
import { bestCount, clustersOf, MOST_CLUSTERS } from "./summary_clusters.js";
import { groupedBy, pooled, unitVector } from "./summary_numbers.js";
import { choice, countText, mark, part, photographsOf, summaryRows } from "./summary_parts.js";
import { paintValues } from "./summary_strips.js";
import { resized } from "./maths.js";

const CELLS = 7; // along an axis, of a pooled map
const SIDE_OF_MEAN = 56;
const NEAREST = 6; // members that are shown
const MEMBER = 96; // pixels of one

export function clustersPart(store) {
  const { page, state } = store;
  const rows = summaryRows(store).filter((row) => page.mapOf(row, "", "finished")?.slices === 1);
  const names = [...new Set(rows.map((row) => page.titles[page.rows.trial[row]]))];
  if (!names.length) return null;
  const chosen = names.includes(state.clustered) ? state.clustered : names[0];
  const { vectors, of, dead } = vectorsOf(page, rows.filter((row) => page.titles[page.rows.trial[row]] === chosen));
  const best = vectors.length > 2 ? bestCount(vectors) : 1;
  const count = Math.min(state.clusters || best, vectors.length);
  const counts = Array.from({ length: MOST_CLUSTERS }, (_, at) => [at + 1, String(at + 1)]);
  const clusters = vectors.length ? clustersOf(vectors, count) : [];
  return part("clusters", "Where the model looks", `Maps of one method, pooled to ${CELLS} × ${CELLS} and clustered (k-means). A group that looks at a corner or an edge, whatever `
    + "the photograph shows, has found something beside the object.",
    make("div", { class: "choices" }, choice(store, "clustered", "maps of ", names.map((name) => [name, name]), chosen),
      choice(store, "clusters", "groups ", [[0, `${best}, by silhouette`], ...counts], state.clusters)),
    make("div", { class: "panels groups" }, ...clusters.map((cluster, at) => clusterCard(store, cluster, of, at))),
    dead.length ? make("p", {}, mark(store, dead, `${chosen}: maps that are zero everywhere`, { class: "link" }, {}, `${countText(dead.length, "map")} of zeros, in no group`)) : null);
}

function vectorsOf(page, rows) {
  const [vectors, of, dead] = [[], [], []];
  for (const row of rows) {
    const map = page.mapOf(row, "", "finished");
    const vector = unitVector(pooled(map.values, map.height, map.width, CELLS, CELLS));
    if (vector) [vectors[vectors.length], of[of.length]] = [vector, row];
    else dead.push(row);
  }
  return { vectors, of, dead };
}

function clusterCard(store, { centroid, members }, of, at) {
  const { page } = store;
  const rows = members.map((member) => of[member]);
  const canvas = make("canvas", { "aria-hidden": "true" });
  const high = Math.max(...centroid.map(Math.abs)) || 1;
  const fine = resized(Float32Array.from(centroid), CELLS, CELLS, SIDE_OF_MEAN, SIDE_OF_MEAN);
  paintValues(canvas, fine, SIDE_OF_MEAN, SIDE_OF_MEAN, store.palette.scale(centroid.some((value) => value < 0), high, store.state.colors));
  const words = groupText(page, rows);
  const [size, ...facts] = words;
  return make("article", { class: "panel cluster" },
    mark(store, rows, `Group ${at + 1}: ${words.join("; ")}`, { class: "figure" }, {}, canvas),
    make("div", { class: "about" }, make("h3", {}, size), ...facts.map((fact) => make("p", { class: "details-line" }, fact))),
    make("div", { class: "members" }, ...rows.slice(0, NEAREST).map((row) => member(store, row))));
}

function groupText(page, rows) {
  const wrong = rows.filter((row) => page.rows.correct[row] === false).length;
  const classes = [...groupedBy(rows, (row) => className(page, row))].sort((one, other) => other[1].length - one[1].length);
  const [word, most] = classes[0];
  const named = word ? `${countText(classes.length, "class", "classes")}; most often ${word} (${most.length})` : "";
  return [countText(photographsOf(page, rows).length, "photograph"), named, wrong ? `${countText(wrong, "wrong prediction")}` : ""].filter(Boolean);
}

function member(store, row) {
  const { name } = store.page.photographOf(row);
  const canvas = make("canvas", { "aria-hidden": "true" });
  paintRow(store, canvas, row, store.page.mapOf(row, "", "finished"), MEMBER);
  return mark(store, [row], `${fileName(name)}, near the middle of its group`, { class: "member" }, {}, canvas);
}
