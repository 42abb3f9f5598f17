// How the run was made, and how to cite what it used.

import { make } from "./dom.js";
import { cardOf } from "./facts.js";
import { yaml } from "./yaml.js";

class About extends HTMLElement {
  set store(store) {
    const { data } = store.page;
    const several = data.runs.length > 1;
    this.append(make("section", {}, make("h2", {}, "How to cite"), citations(data)),
      ...data.runs.flatMap((run) => parts(run, several ? ` of ${run.name}` : "")),
      make("p", { class: "faint" }, `Written by xaikit ${data.xaikit}; all that is shown is inside this file.`));
  }
}

function citations(data) {
  const cards = [...Object.entries(data.methods), ...Object.entries(data.metrics)].map(([name, card]) => cardOf(name, card));
  return make("div", { class: "cards" }, ...cards);
}

function parts(run, of) {
  const failures = run.failures.map(({ name, error }) => `${name}: ${error}`).join("\n");
  return [
    run.stopped && section(`Stopped early${of}`, run.stopped, true),
    failures && section(`Failed${of}`, failures, true),
    section(`Config${of}`, run.config, true),
    section(`Plan${of}`, yaml(run.plan)),
    section(`Manifest${of}`, yaml(run.manifest)),
  ].filter(Boolean);
}

function section(title, text, isOpen = false) {
  return make("details", { class: "text", open: isOpen }, make("summary", {}, make("h2", {}, title)), make("pre", { dir: "auto", tabIndex: 0 }, text));
}

customElements.define("x-about", About);
