// What the page knows about the server. One small request is made at a time, at each
// reading: what the view needs, or the server's sums.
import {get} from './api.js';

const EVERY = 2000; // ms between readings

class Store extends EventTarget {
  server = null; // sums over all functions, of the last reading that had them
  error = null;  // why there is no newer reading
  at = 0;        // performance.now() of the last reading
  #load = null;  // of the view
  #running = null;

  start() {
    this.#poll();
  }

  /** use has the view's own request take the place of the usual one. */
  use(load) {
    this.#load = load ?? null;
  }

  /** overview reads a page of functions. */
  async overview(query) {
    const page = await get('v1/admin/overview?' + new URLSearchParams(query));
    this.server = page.server;
    return page;
  }

  /** refresh reads at once, after something was changed. */
  async refresh() {
    await this.#running; // it may be of before the change
    this.#running = this.#read();
    await this.#running;
  }

  async #read() {
    try {
      await (this.#load ? this.#load() : this.overview({limit: 1}));
      this.error = null;
      this.at = performance.now();
    } catch (err) {
      this.error = err;
    }
    this.dispatchEvent(new Event('change'));
  }

  async #poll() {
    await this.refresh();
    setTimeout(() => this.#poll(), EVERY);
  }
}

export const store = new Store();
