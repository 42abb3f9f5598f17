// How the run was made, and how to cite what it used.

class About extends HTMLElement {
  set store(store) {
    this.page = store.page;
  }
}

customElements.define("x-about", About);
