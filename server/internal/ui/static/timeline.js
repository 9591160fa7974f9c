// The life of an execution as a bar: queued, then running, then ended.
import {h, s} from './dom.js';
import {span} from './format.js';

/** spans of an execution; until is now for one that has not ended. */
export function spans(e, until) {
  const end = e.finishedAtMillis || Math.max(until, e.createdAtMillis);
  const start = e.startedAtMillis || end;
  return {queued: Math.max(start - e.createdAtMillis, 0), running: e.startedAtMillis ? Math.max(end - start, 0) : 0};
}

/** bar draws an execution to the scale of the longest one, in ms. */
export function bar(e, longest, until = Date.now()) {
  const {queued, running} = spans(e, until);
  const w = 160, x = t => w * t / Math.max(longest, 1);
  const text = `queued ${span(queued)}, ${e.finishedAtMillis ? 'ran' : 'running'} ${span(running)}`;
  return s('svg', {class: 'bar', preserveAspectRatio: 'none', viewBox: `0 0 ${w + 4} 12`, width: w + 4, height: 12, role: 'img', 'aria-label': text},
    s('title', null, text),
    s('rect', {class: 'queued', x: 0, y: 3, width: Math.max(x(queued), 0.5), height: 6}),
    s('rect', {class: `running ${e.status}`, x: x(queued), y: 1, width: running > 0 || e.startedAtMillis ? Math.max(x(running), 1.5) : 0, height: 10}),
    e.finishedAtMillis ? s('rect', {class: `end ${e.status}`, x: x(queued + running), y: 0, width: 2, height: 12}) : null);
}

export const legend = () => h('p', {class: 'legend'},
  h('span', {class: 'key'}, s('svg', {viewBox: '0 0 20 12', width: 20, height: 12, class: 'bar', 'aria-hidden': 'true'}, s('rect', {class: 'queued', x: 0, y: 3, width: 20, height: 6})), 'queued, with earlier attempts'),
  h('span', {class: 'key'}, s('svg', {viewBox: '0 0 20 12', width: 20, height: 12, class: 'bar', 'aria-hidden': 'true'}, s('rect', {class: 'running success', x: 0, y: 1, width: 20, height: 10})), 'ran'));

/** attemptsLine draws the attempts of one execution to the scale of its life: what it
 *  waited, each attempt as long as it ran, and where a cold start was in it. */
export function attemptsLine(e, until = Date.now()) {
  const begin = e.createdAtMillis, end = e.finishedAtMillis || Math.max(until, begin);
  const w = 1000, x = t => w * Math.min(Math.max(t - begin, 0) / Math.max(end - begin, 1), 1);
  const parts = (e.failedAttempts ?? []).map(a => ({n: a.attempt, from: a.startedAtMillis, to: a.finishedAtMillis, how: 'error', what: a.error.code}));
  if (e.startedAtMillis && !parts.some(p => p.n === e.attempt)) {
    parts.push({n: e.attempt, from: e.startedAtMillis, to: e.finishedAtMillis || end, how: e.status, what: e.status, cold: e.coldStart ? e.initDurationMs ?? 0 : 0});
  }
  const rects = [], words = [];
  let at = begin;
  for (const p of parts) {
    if (p.from > at) rects.push(wait(at, p.from, p.n === 1 || at === begin ? 'queued' : 'paused and queued'));
    rects.push(s('g', null, s('title', null, `attempt ${p.n}: ${p.what} after ${span(p.to - p.from)}`),
      s('rect', {class: `running ${p.how}`, x: x(p.from), y: 3, width: Math.max(x(p.to) - x(p.from), 3), height: 18}),
      p.cold > 0 && s('rect', {class: 'cold', x: x(p.from), y: 3, width: Math.max(x(p.from + p.cold) - x(p.from), 2), height: 18})));
    words.push(`attempt ${p.n} ran ${span(p.to - p.from)}: ${p.what}${p.cold > 0 ? `, ${span(p.cold)} of it a cold start` : ''}`);
    at = p.to;
  }
  if (!e.finishedAtMillis && !(e.startedAtMillis && e.status === 'running') && end > at) rects.push(wait(at, end, 'waits'));
  function wait(from, to, what) {
    words.push(`${what} ${span(to - from)}`);
    return s('g', null, s('title', null, `${what} ${span(to - from)}`), s('rect', {class: 'queued', x: x(from), y: 9, width: Math.max(x(to) - x(from), 1), height: 6}));
  }
  return h('figure', {class: 'attempts'},
    s('svg', {class: 'bar', preserveAspectRatio: 'none', viewBox: `0 0 ${w} 24`, height: 24, role: 'img', 'aria-label': words.join('; ') || 'it waits'}, rects),
    h('figcaption', null, h('span', null, '0'), h('span', null, span(end - begin))),
    h('p', {class: 'legend'}, h('span', {class: 'key'}, swatch('queued', 6, 9), 'waits'), h('span', {class: 'key'}, swatch('running success', 18, 3), 'success'),
      h('span', {class: 'key'}, swatch('running error', 18, 3), 'failed'), h('span', {class: 'key'}, swatch('cold', 18, 3), 'cold start')));
}

const swatch = (kind, height, y) => s('svg', {viewBox: '0 0 20 24', width: 20, height: 24, class: 'bar', 'aria-hidden': 'true'}, s('rect', {class: kind, x: 0, y, width: 20, height}));
