// What the page knows about the server: the figures are polled each second,
// and rates are differences between two readings.
import {allStats, getText} from './api.js';
import {parse, percentile} from './latency.js';

const EVERY = 1000;       // ms between readings
const KEPT = 180;         // readings
const LATENCY_SPAN = 10;  // seconds that a percentile covers
const COUNTERS = {in: 'enqueued', ok: 'success', error: 'error', timeout: 'timeout', rejected: 'rejected', retries: 'retries'};

class Store extends EventTarget {
  stats = null;             // the last reading
  error = null;             // why there is no newer one
  history = new Map();      // function -> points, oldest first
  #last = null;             // {at, functions} of the reading before
  #latency = [];            // readings of the histograms, oldest first
  #percentiles = new Map(); // function -> {p50, p90, p99}

  start() {
    this.#poll();
    this.#pollLatency();
  }

  /** points of one function, or of all together. */
  points(name) {
    return this.history.get(name) ?? [];
  }

  latest(name) {
    return this.points(name).at(-1);
  }

  /** refresh reads at once, after something was changed. */
  async refresh() {
    try {
      this.#take(await allStats());
      this.error = null;
    } catch (err) {
      this.error = err;
    }
    this.dispatchEvent(new Event('change'));
  }

  async #poll() {
    await this.refresh();
    setTimeout(() => this.#poll(), EVERY);
  }

  #take(stats) {
    const at = performance.now() / 1000;
    const previous = this.#last;
    this.stats = stats;
    this.#last = {at, functions: stats.functions};
    const total = {t: at, queued: 0, inFlight: 0, slots: 0, p50: null, p90: null, p99: null};
    for (const [name, f] of Object.entries(stats.functions)) {
      const point = this.#point(name, f, at, previous);
      this.#keep(name, point);
      for (const key of ['queued', 'inFlight', 'slots']) total[key] += point[key];
      for (const key of Object.keys(COUNTERS)) if (point[key] !== null) total[key] = (total[key] ?? 0) + point[key];
    }
    for (const key of Object.keys(COUNTERS)) total[key] ??= previous ? 0 : null;
    total.failed = total.error === null ? null : total.error + total.timeout;
    this.#keep('', total);
    for (const name of this.history.keys()) if (name !== '' && !(name in stats.functions)) this.history.delete(name);
  }

  #point(name, f, at, previous) {
    const p = {t: at, queued: f.queueDepth, inFlight: f.inFlight, slots: f.effectiveConcurrency};
    const before = previous?.functions[name];
    const fresh = before && f.enqueued >= before.enqueued; // else deleted and registered again
    for (const [key, counter] of Object.entries(COUNTERS)) {
      p[key] = fresh ? Math.max(f[counter] - before[counter], 0) / (at - previous.at) : null;
    }
    p.failed = p.error === null ? null : p.error + p.timeout;
    return Object.assign(p, f.latencyMs ?? this.#percentiles.get(name) ?? {p50: null, p90: null, p99: null});
  }

  #keep(name, point) {
    const points = this.history.get(name) ?? [];
    points.push(point);
    if (points.length > KEPT) points.shift();
    this.history.set(name, points);
  }

  // The exposition grows with the number of functions: the longer it takes,
  // the less often it is read.
  async #pollLatency() {
    const began = performance.now();
    try {
      this.#takeLatency(parse(await getText('actuator/prometheus')), began / 1000);
    } catch { /* #poll reports what is wrong with the server */ }
    const took = performance.now() - began;
    setTimeout(() => this.#pollLatency(), Math.max(EVERY, 20 * took));
  }

  #takeLatency(buckets, at) {
    const all = this.#latency;
    all.push({at, buckets});
    while (all.length > 2 && all[1].at < at - LATENCY_SPAN) all.shift();
    this.#percentiles.clear();
    for (const [name, now] of buckets) {
      let before = all[0].buckets.get(name);
      if (before && before.at(-1)[1] > now.at(-1)[1]) before = null; // registered again
      if (all.length < 2) before = now;
      const p = q => percentile(before, now, q);
      this.#percentiles.set(name, {p50: p(0.5), p90: p(0.9), p99: p(0.99)});
    }
  }
}

export const store = new Store();
