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
