// Line charts and sparklines in SVG, redrawn whole: a few hundred points are
// no work.
import {h, s, setText} from './dom.js';
import {clock} from './format.js';

const HEIGHT = 170, LEFT = 58, RIGHT = 8, TOP = 8, BOTTOM = 22;

/** nice rounds up to a number that is easy to halve. */
export function nice(max, whole) {
  const least = whole ? 2 : 1; // so that half of it is a whole number too
  if (!(max > least)) return whole || !(max > 0) ? least : nice(max * 1e6) / 1e6;
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 4, 6, 10, 20].map(m => m * power).find(v => v >= max * 0.999);
}

/** path joins points; a null breaks the line. */
function path(points, key, x, y) {
  let d = '', pen = false;
  for (const p of points) {
    const v = p[key];
    if (v === null || v === undefined) {
      pen = false;
      continue;
    }
    d += `${pen ? 'L' : 'M'}${x(p.t).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = true;
  }
  return d;
}

/**
 * Chart shows series over time. The figures below the title are the latest
 * ones, or those under the pointer, so nothing can be told from colour only.
 */
export class Chart {
  /** series: [{key, label}]; format turns a value into text; span in
   *  seconds; whole for counts of things. */
  constructor({title, series, format, span, axis, whole}) {
    Object.assign(this, {title, series, format, span, whole, axis: axis ?? (ago => ago === 0 ? 'now' : '−' + (ago < 120 ? `${Math.round(ago)} s` : `${Math.round(ago / 6) / 10} min`))});
    this.values = series.map(() => h('b'));
    this.legend = h('p', {class: 'legend'}, series.map((one, i) =>
      h('span', {class: `key c${i}`}, s('svg', {viewBox: '0 0 20 8', width: 20, height: 8, 'aria-hidden': 'true'}, s('path', {class: `line c${i}`, d: 'M0 4H20'})),
        one.label + ' ', this.values[i])));
    this.svg = s('svg', {class: 'plot', role: 'img', height: HEIGHT});
    this.root = h('figure', {class: 'chart'}, h('figcaption', null, h('h3', null, title), this.legend), this.svg);
    this.points = [];
    this.marks = [];
    this.pointer = null;
    this.svg.addEventListener('pointermove', e => { this.pointer = e.offsetX; this.#draw(); });
    this.svg.addEventListener('pointerleave', () => { this.pointer = null; this.#draw(); });
    this.observer = new ResizeObserver(() => this.#draw());
    this.observer.observe(this.svg);
  }

  close() {
    this.observer.disconnect();
  }

  /** marks: [{atMillis, kind, text}] of what was done meanwhile. */
  draw(points, marks = []) {
    this.points = points;
    this.marks = marks;
    this.#draw();
  }

  #draw() {
    const width = this.svg.clientWidth || 400;
    const points = this.points;
    const last = points.at(-1)?.t ?? 0, known = last - (points[0]?.t ?? 0);
    // While there is less than is to be shown, what there is fills the chart.
    const span = this.span ? Math.min(this.span, Math.max(known, 120)) : Math.max(known, 1e-9);
    const top = nice(Math.max(...points.flatMap(p => this.series.map(one => p[one.key] ?? 0)), 0), this.whole);
    const x = t => LEFT + (width - LEFT - RIGHT) * (1 - (last - t) / span);
    const y = v => TOP + (HEIGHT - TOP - BOTTOM) * (1 - v / top);
    const nodes = [];
    for (const v of [0, top / 2, top]) {
      nodes.push(s('path', {class: 'grid', d: `M${LEFT} ${y(v)}H${width - RIGHT}`}),
        s('text', {class: 'tick', x: LEFT - 6, y: y(v) + 4, 'text-anchor': 'end'}, this.format(v)));
    }
    for (const part of [1, 0.5, 0]) {
      const anchor = part === 1 ? 'start' : part === 0 ? 'end' : 'middle';
      nodes.push(s('text', {class: 'tick', x: x(last - part * span), y: HEIGHT - 6, 'text-anchor': anchor}, this.axis(part * span, last)));
    }
    this.series.forEach((one, i) => nodes.push(s('path', {class: `line c${i}`, d: path(points.filter(p => p.t >= last - span), one.key, x, y)})));
    for (const m of this.marks) {
      const t = m.atMillis / 1000;
      if (t < last - span || t > last) continue;
      nodes.push(s('g', {class: `mark ${m.kind}`}, s('title', null, markText(m)),
        s('path', {d: `M${x(t).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`}), s('path', {class: 'flag', d: `M${x(t).toFixed(1)} ${TOP}l7 4l-7 4z`})));
    }
    let shown = points.at(-1);
    if (this.pointer !== null && points.length > 0) {
      shown = points.reduce((a, b) => Math.abs(x(a.t) - this.pointer) <= Math.abs(x(b.t) - this.pointer) ? a : b);
      nodes.push(s('path', {class: 'cursor', d: `M${x(shown.t)} ${TOP}V${HEIGHT - BOTTOM}`}));
    }
    const texts = this.series.map(one => this.format(shown?.[one.key]));
    texts.forEach((text, i) => setText(this.values[i], text));
    this.svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute('aria-label', `${this.title}: ` + this.series.map((one, i) => `${one.label} ${texts[i]}`).join(', '));
    this.svg.replaceChildren(...nodes);
  }
}

/** markText says in a line what a mark is of. */
export const markText = m => `${clock(m.atMillis)} ${m.function ? m.function + ': ' : ''}${m.text}${m.who ? ` (by ${m.who})` : ''}`;

/** sparkline draws values small, for a table's cell: n of them fill it. */
export function sparkline(svg, values, n) {
  const w = 90, height = 22;
  const top = Math.max(...values, 1e-9);
  const points = values.map((v, i) => ({t: i, v}));
  const d = path(points, 'v', t => w - 2 - (values.length - 1 - t) * (w - 4) / (n - 1), v => height - 2 - (height - 4) * v / top);
  svg.replaceChildren(s('path', {class: 'line c0', d}));
}
