// What stands at the right of the title: copy what is shown, the theme, and help; and the keys that do the same.

import { make } from "./dom.js";
import { shownYaml } from "./yaml.js";

const THEMES = ["", "light", "dark"];

const KEYS = [
  ["1 2 3 4", "grid, detail, summary, about"],
  ["/", "search"],
  ["← → ↑ ↓", "from map to map; in the detail from photograph to photograph and from method to method"],
  ["Enter", "open the map in the detail"],
  ["Space", "pick the map, or put it back; so does a click with Shift"],
  ["o", "only the maps that are picked"],
  ["Esc", "back to the grid"],
  ["b", "blink: with and without the maps"],
  ["r", "raw or finished maps"],
  ["l", "one colour scale for all that is shown, or one of each map"],
  ["[ ]", "less or more opacity"],
  ["+ −", "larger or smaller maps"],
  ["y", "copy as YAML what is on the screen"],
  ["p", "copy a link to exactly this"],
  ["t", "light, dark or as the system is"],
  ["?", "this list"],
];

async function copy(store, text, what) {
  try {
    await navigator.clipboard.writeText(text);
    store.tell(`${what} is in the clipboard`);
  } catch { // not allowed: it can still be marked and copied
    showText(what, text);
  }
}

function showText(title, text) {
  const close = make("button", { type: "button", on: { click: () => dialog.remove() } }, "Close");
  const area = make("textarea", { readOnly: true, rows: 20, "aria-label": title }, text);
  const dialog = make("dialog", { "aria-label": title, on: { close: () => dialog.remove() } }, make("h2", {}, title), area, close);
  document.body.append(dialog);
  dialog.showModal();
  area.select();
}

function showHelp() {
  const close = make("button", { type: "button", on: { click: () => dialog.close() } }, "Close");
  const rows = KEYS.map(([keys, text]) => make("tr", {}, make("td", {}, ...keys.split(" ").map((key) => make("kbd", {}, key))), make("td", {}, text)));
  const dialog = make("dialog", { class: "help", "aria-label": "Keys", on: { close: () => dialog.remove() } }, make("h2", {}, "Keys"), make("table", {}, ...rows), close);
  document.body.append(dialog);
  dialog.showModal();
}

export function commandsOf(store) {
  const { state } = store;
  const cycle = (values, value) => values[(values.indexOf(value) + 1) % values.length];
  const moved = (value, step, least, most) => Math.min(most, Math.max(least, Math.round(100 * (value + step)) / 100));
  return {
    1: () => store.open({ view: "grid" }),
    2: () => store.open({ view: "detail" }),
    3: () => store.open({ view: "summary" }),
    4: () => store.open({ view: "about" }),
    "/": () => { store.set({ view: "grid" }); document.getElementById("search").focus(); },
    Escape: () => state.view !== "grid" && store.open({ view: "grid" }),
    o: () => store.set({ only: !state.only && store.picks.size > 0 }),
    b: () => store.set({ blink: !state.blink }),
    r: () => store.set({ kind: cycle(["finished", "raw"], state.kind) }),
    l: () => store.set({ scale: cycle(["map", "locked"], state.scale) }),
    "[": () => store.set({ alpha: moved(state.alpha, -0.1, 0, 1) }),
    "]": () => store.set({ alpha: moved(state.alpha, 0.1, 0, 1) }),
    "+": () => store.set({ side: moved(state.side, 16, 64, 320) }),
    "-": () => store.set({ side: moved(state.side, -16, 64, 320) }),
    y: () => store.place === null ? store.tell("Nothing is shown") : copy(store, shownYaml(store), "The config of what is shown"),
    p: () => copy(store, store.permalink, "The link"),
    t: () => store.set({ theme: cycle(THEMES, state.theme) }),
    "?": showHelp,
  };
}

function onKey(store, event) {
  const isTyping = event.target.closest?.("input:not([type=checkbox], [type=range]), select, textarea, dialog");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const command = commandsOf(store)[event.key];
  if (!command) return;
  event.preventDefault();
  command();
}

function showTheme(store, button) {
  const { theme } = store.state;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  button.textContent = { "": "◐", light: "☀", dark: "☾" }[theme];
  button.title = `${theme || "as the system is"} (t)`;
}

export function startActions(store) {
  const action = (text, label, key) => make("button", { type: "button", "aria-label": label, title: `${label} (${key})`,
    on: { click: () => commandsOf(store)[key]() } }, text);
  const theme = action("", "Light or dark", "t");
  document.querySelector(".actions").append(action("Copy YAML", "Copy as YAML what is on the screen", "y"),
    action("Copy link", "Copy a link to exactly this", "p"), theme, action("?", "Keys", "?"));
  document.addEventListener("keydown", (event) => onKey(store, event));
  store.addEventListener("change", () => showTheme(store, theme));
  showTheme(store, theme);
}
