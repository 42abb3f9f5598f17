// Any two metrics against each other: a dot a trial, and the trials that no other one beats by both.

import { draw, make, short } from "./dom.js";
import { valueOf } from "./sorting.js";
import { groupedBy, meanOverPhotographs, roundTicks, tickTexts } from "./summary_numbers.js";
import { betterText, choice, opens, part, quantitiesOf, roving, summaryRows, styled } from "./summary_parts.js";

const LETTER = 7; // pixels of a letter of a dot's name, about
const HIGH = 340; // pixels of the plot in which dots and names are kept apart
const wide = () => Math.min(700, window.innerWidth - 110);
const SAME = 7;
const MOST_NAMES = 14; // dots that all show their names
const MOST_LETTERS = 40;

export function tradeoffPart(store) {
  const { page, state } = store;
  const quantities = quantitiesOf(page);
  if (quantities.length < 2) return null;
  const of = (name, place) => quantities.find(({ id }) => id === state[name]) ?? quantities[place];
  const [x, y] = [of("x", 0), of("y", 1)];
  const dots = dotsOf(store, x, y);
  const options = quantities.map(({ id, name }) => [id, name]);
  return part("tradeoff", "Trade-off", "Means over photographs. The line joins the methods that no other one beats by both; hollow dots are controls.",
    make("div", { class: "choices" }, choice(store, "x", "across ", options, x.id), choice(store, "y", "up ", options, y.id)),
    dots.length ? chart(store, dots, x, y) : make("p", {}, "No trial has a value of both."));
}

function dotsOf(store, x, y) {
  const { page } = store;
  const trials = groupedBy(summaryRows(store, true), (row) => page.rows.trial[row]);
  const dots = [...trials].map(([trial, rows]) => {
    const [across, up] = [x, y].map(({ id }) => meanOverPhotographs(page, rows, (row) => valueOf(page, row, id)));
    const { control } = page.trials[trial];
    return { name: page.titles[trial], isControl: control, rows, x: across, y: up };
  });
  return dots.filter((dot) => dot.x !== null && dot.y !== null);
}

// The dots that no other dot is at least as good as by both and better by one; none where a quantity has no better.
export function unbeatenDots(dots, x, y) {
  if (!x.sign || !y.sign) return [];
  const isBeaten = (dot) => dots.some((other) => {
    const [across, up] = [x.sign * (other.x - dot.x), y.sign * (other.y - dot.y)];
    return across >= 0 && up >= 0 && across + up > 0;
  });
  return dots.filter((dot) => !isBeaten(dot)).sort((one, other) => one.x - other.x);
}

function chart(store, dots, x, y) {
  const [across, up] = ["x", "y"].map((name) => roundTicks(...["min", "max"].map((end) => Math[end](...dots.map((dot) => dot[name])))));
  const share = (ticks, value) => (value - ticks[0]) / (ticks.at(-1) - ticks[0]);
  const placed = together(dots.map((dot) => ({ ...dot, left: share(across, dot.x), top: 1 - share(up, dot.y) })));
  const front = unbeatenDots(placed.filter(({ isControl }) => !isControl), x, y);
  const lines = front.slice(1).map((dot, at) => draw("line", { class: "front", x1: percent(front[at].left), y1: percent(front[at].top), x2: percent(dot.left), y2: percent(dot.top) }));
  const grid = [...across.map((tick) => rule("x", share(across, tick))), ...up.map((tick) => rule("y", 1 - share(up, tick)))];
  const names = namePlaces(placed);
  const isCrowded = placed.length > MOST_NAMES;
  const plot = draw("svg", { class: isCrowded ? "plot crowded" : "plot", role: "group", "aria-label": `${x.name} across, ${y.name} up: a mark a trial` },
    ...grid, ...lines, ...placed.map((dot, at) => dotMark(store, { ...dot, isUnbeaten: front.includes(dot) }, names[at], x, y)));
  const ticks = (name, values, place) => make("div", { class: `ticks-${name}`, "aria-hidden": "true" },
    ...values.map((tick, at) => styled(make("span", {}, tickTexts(values)[at]), { at: percent(place(tick)) })));
  return make("div", { class: "scatter" }, make("span", { class: "title-y" }, titleOf(y)), ticks("y", up, (tick) => 1 - share(up, tick)),
    roving(plot, ".dot-mark"), ticks("x", across, (tick) => share(across, tick)), make("span", { class: "title-x" }, titleOf(x)));
}

// Dots that lie on each other are one, which goes by all their names.
function together(dots) {
  const several = [];
  for (const dot of dots) {
    const same = several.find((other) => other.isControl === dot.isControl
      && Math.hypot((other.left - dot.left) * wide(), (other.top - dot.top) * HIGH) < SAME);
    if (!same) several.push({ ...dot });
    else Object.assign(same, { name: `${same.name}, ${dot.name}`, rows: [...same.rows, ...dot.rows] });
  }
  return several;
}

function titleOf(quantity) {
  return [quantity.name, betterText(quantity)].filter(Boolean).join(" · ");
}

function percent(share) {
  return `${(100 * share).toFixed(3)}%`;
}

function rule(axis, share) {
  const at = percent(share);
  const ends = axis === "x" ? { x1: at, x2: at, y1: "0%", y2: "100%" } : { x1: "0%", x2: "100%", y1: at, y2: at };
  return draw("line", { class: "rule", ...ends });
}

function dotMark(store, dot, name, x, y) {
  const text = `${dot.name}: ${x.name} ${short(dot.x)}, ${y.name} ${short(dot.y)}`;
  const { on, ...attributes } = opens(store, dot.rows, text);
  const keydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    on.click();
  };
  const at = { x: percent(dot.left), y: percent(dot.top) };
  const kind = dot.isControl ? " control" : dot.isUnbeaten ? " unbeaten" : "";
  return draw("g", { class: `dot-mark${kind}`, role: "button", tabindex: "-1", ...attributes, on: { ...on, keydown } },
    draw("title", {}, text), draw("circle", { class: "reach", cx: at.x, cy: at.y, r: 14 }), draw("circle", { class: "dot", cx: at.x, cy: at.y, r: 6 }),
    draw("text", { ...at, dx: name.dx, dy: name.dy, "text-anchor": name.anchor }, shownName(dot.name)));
}

const SIDES = [
  { dx: 11, dy: 4, anchor: "start" },
  { dx: -11, dy: 4, anchor: "end" },
  { dx: 0, dy: -11, anchor: "middle" },
  { dx: 0, dy: 20, anchor: "middle" },
];

// For each dot the side on which its name covers the fewest dots and names before.
function namePlaces(dots) {
  const taken = dots.map(({ left, top }) => ({ left: left * wide() - 7, right: left * wide() + 7, top: top * HIGH - 7, bottom: top * HIGH + 7 }));
  return dots.map((dot) => {
    const boxes = SIDES.map((side) => nameBox(dot, side));
    const costs = boxes.map((box) => taken.filter((other) => overlap(box, other)).length + (box.left < 0 || box.right > wide() + (wide() < 500 ? 16 : 70) ? 9 : 0));
    const best = costs.indexOf(Math.min(...costs));
    taken.push(boxes[best]);
    return SIDES[best];
  });
}

function shownName(name) {
  return name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS - 1)}…` : name;
}

function nameBox({ left, top, name }, { dx, dy, anchor }) {
  const length = LETTER * shownName(name).length;
  const start = left * wide() + dx - { start: 0, middle: length / 2, end: length }[anchor];
  return { left: start, right: start + length, top: top * HIGH + dy - 12, bottom: top * HIGH + dy + 3 };
}

function overlap(one, other) {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}
