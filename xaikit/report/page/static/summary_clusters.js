// Clusters of vectors by k-means: nothing is drawn, the same vectors have the same clusters.

import { meanVector, squaredDistance } from "./summary_numbers.js";

export const MOST_CLUSTERS = 8;
const ROUNDS = 40;
const TRIED = 1000; // vectors by which the number of clusters is chosen

// [{ centroid, members }], the largest first; members are places of vectors, the nearest to the centroid first.
export function clustersOf(vectors, count) {
  let centroids = farApart(vectors, Math.min(count, vectors.length));
  let nearest = vectors.map((vector) => placeOfNearest(vector, centroids));
  for (let round = 0; round < ROUNDS; round++) {
    const members = centroids.map(() => []);
    nearest.forEach((place, at) => members[place].push(vectors[at]));
    centroids = centroids.map((centroid, place) => (members[place].length ? meanVector(members[place]) : centroid));
    const before = nearest;
    nearest = vectors.map((vector) => placeOfNearest(vector, centroids));
    if (nearest.every((place, at) => place === before[at])) break;
  }
  const clusters = centroids.map((centroid, place) => {
    const distances = vectors.map((vector) => squaredDistance(vector, centroid));
    const members = vectors.map((_, at) => at).filter((at) => nearest[at] === place);
    return { centroid, members: members.sort((one, other) => distances[one] - distances[other] || one - other) };
  });
  return clusters.filter(({ members }) => members.length)
    .sort((one, other) => other.members.length - one.members.length || one.members[0] - other.members[0]);
}

// The number of clusters with the largest silhouette, told by distances to centroids
// (Vendramin et al. 2010, Statistical Analysis and Data Mining 3:209-235, section 2.2.1).
export function bestCount(vectors) {
  const some = vectors.filter((_, at) => at % Math.ceil(vectors.length / TRIED) === 0);
  let best = { count: 1, silhouette: 0 };
  for (let count = 2; count <= Math.min(MOST_CLUSTERS, some.length - 1); count++) {
    const silhouette = silhouetteOf(some, clustersOf(some, count));
    if (silhouette > best.silhouette + 1e-9) best = { count, silhouette };
  }
  return best.count;
}

function silhouetteOf(vectors, clusters) {
  let sum = 0;
  for (const { members, centroid } of clusters) {
    const others = clusters.map((each) => each.centroid).filter((each) => each !== centroid);
    for (const at of members.length > 1 && others.length ? members : []) {
      const within = Math.sqrt(squaredDistance(vectors[at], centroid));
      const beyond = Math.sqrt(Math.min(...others.map((other) => squaredDistance(vectors[at], other))));
      sum += (beyond - within) / Math.max(beyond, within, 1e-12);
    }
  }
  return sum / vectors.length;
}

// The vector nearest to the mean, and then always the one that is farthest from all before (Gonzalez 1985).
function farApart(vectors, count) {
  const centroids = [vectors[placeOfNearest(meanVector(vectors), vectors)]];
  let distances = vectors.map((vector) => squaredDistance(vector, centroids[0]));
  while (centroids.length < count) {
    const farthest = vectors[distances.reduce((best, distance, at) => (distance > distances[best] ? at : best), 0)];
    centroids.push(farthest);
    distances = distances.map((distance, at) => Math.min(distance, squaredDistance(vectors[at], farthest)));
  }
  return centroids;
}

function placeOfNearest(vector, others) {
  let [best, least] = [0, Infinity];
  others.forEach((other, at) => {
    const distance = squaredDistance(vector, other);
    if (distance < least) [best, least] = [at, distance];
  });
  return best;
}
