// Starts the page: reads what is in it, and hands the store to every view.

import { make } from "./dom.js";
import { readPage } from "./data.js";
import { Store, VIEWS } from "./state.js";
import { Palette } from "./colors.js";
import { Photographs } from "./paint.js";
import { startActions } from "./actions.js";
import "./controls.js";
import "./grid.js";
import "./detail.js";
import "./summary.js";
import "./about.js";

function tab(store, name) {
  const title = name[0].toUpperCase() + name.slice(1);
  return make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}`,
    on: { click: () => store.open({ view: name }) } }, title);
}

function showView(store) {
  for (const name of VIEWS) {
    const isShown = name === store.state.view;
    document.getElementById(`view-${name}`).hidden = !isShown;
    const button = document.getElementById(`tab-${name}`);
    button.setAttribute("aria-selected", isShown);
    button.tabIndex = isShown ? 0 : -1;
  }
}

// It looks at all maps: where these are many it begins when somebody looks at it.
async function startSummary(store) {
  const summary = document.getElementById("view-summary");
  const begin = async () => {
    if (store.state.view !== "summary" || summary.isBegun) return;
    summary.isBegun = true;
    try {
      await store.page.need();
      summary.store = store;
    } catch (error) {
      store.tell(error.message);
    }
  };
  if (store.page.isWhole) summary.store = store;
  else {
    store.addEventListener("change", begin);
    await begin();
  }
}

async function start() {
  const page = await readPage();
  const store = new Store(page);
  store.palette = new Palette(page);
  store.photographs = new Photographs(page);
  document.querySelector("nav").append(...VIEWS.map((name) => tab(store, name)));
  startActions(store);
  showView(store);
  store.addEventListener("change", (event) => event.detail.has("view") && showView(store));
  for (const name of VIEWS.filter((each) => each !== "summary")) document.getElementById(`view-${name}`).store = store;
  await startSummary(store);
  document.documentElement.dataset.ready = "true";
}

start();
