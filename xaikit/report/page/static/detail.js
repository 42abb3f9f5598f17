// One photograph: all that there is of it.

class Detail extends HTMLElement {
  set store(store) {
    this.page = store.page;
  }
}

customElements.define("x-detail", Detail);
