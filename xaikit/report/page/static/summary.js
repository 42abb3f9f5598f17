// What all photographs say together.

class Summary extends HTMLElement {
  // The page's store; see state.js. Views render from it, and again whenever it says "change".
  set store(store) {
    this.page = store.page;
  }
}

customElements.define("x-summary", Summary);
