// The last hour of a function, or of all, as the server has kept it.
import {fn, get} from './api.js';

const KEYS = ['accepted', 'ok', 'failed', 'rejected', 'queued', 'inFlight', 'slots', 'ready', 'p50', 'p99'];

/** Past reads the history of a function ("" = all), and then what is new of it. */
export class Past {
  points = []; // {t: seconds since 1970, …KEYS}, oldest first
  marks = [];
  #path;
  #seen = 0;   // ms since 1970
  #step = 5000;
  #read = 0;   // performance.now() of the last reading

  constructor(name) {
    this.#path = name === '' ? 'v1/admin/history' : fn(name) + '/history';
  }

  /** load reads what is new, if there can be something. */
  async load() {
    if (performance.now() - this.#read < this.#step / 2) return;
    const answer = await get(`${this.#path}?since=${this.#seen}`);
    this.#read = performance.now();
    this.#step = answer.stepMillis;
    answer.accepted.forEach((_, i) => {
      const at = answer.fromMillis + i * answer.stepMillis;
      const point = {t: at / 1000};
      for (const key of KEYS) point[key] = answer[key][i];
      this.points.push(point);
      this.#seen = Math.max(this.#seen, at);
    });
    const kept = 3600_000 / answer.stepMillis;
    if (this.points.length > kept) this.points.splice(0, this.points.length - kept);
    const known = new Set(this.marks.map(id));
    this.marks.push(...answer.marks.filter(m => !known.has(id(m))));
    this.marks = this.marks.filter(m => m.atMillis / 1000 >= (this.points[0]?.t ?? 0) - 60);
  }
}

const id = m => `${m.atMillis} ${m.kind} ${m.function} ${m.text}`;
