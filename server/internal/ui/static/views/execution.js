// One execution, followed until it has ended.
import {get} from '../api.js';
import {badge, h} from '../dom.js';
import {clock, json, span} from '../format.js';
import {bar, legend, spans} from '../timeline.js';

const EVERY = 500;

export function executionView(id) {
  const content = h('div');
  let closed = false;

  async function follow() {
    let ended = true;
    try {
      const e = await get('v1/executions/' + encodeURIComponent(id));
      if (closed) return;
      content.replaceChildren(...describe(e));
      ended = Boolean(e.finishedAtMillis);
    } catch (err) {
      if (!closed) content.replaceChildren(h('p', {class: 'alert', role: 'alert'}, err.status === 404
        ? 'There is no such execution. Ended ones are kept for a few minutes only.' : err.text));
    }
    if (!ended && !closed) setTimeout(follow, EVERY);
  }

  follow();
  return {title: 'Execution', root: h('div', null, h('h1', null, 'Execution'), content), close: () => { closed = true; }};
}

function describe(e) {
  const {queued, running} = spans(e, Date.now());
  const facts = [
    ['Id', h('code', null, e.executionId)],
    ['Function', h('a', {href: '#/functions/' + encodeURIComponent(e.functionName)}, e.functionName)],
    ['Status', badge(e.status)],
    ['Attempt', e.attempt],
    ['Created', clock(e.createdAtMillis)],
    ['Started', e.startedAtMillis ? `${clock(e.startedAtMillis)}, after ${span(queued)} ${e.attempt > 1 ? 'with earlier attempts' : 'in the queue'}` : '–'],
    ['Ended', e.finishedAtMillis ? `${clock(e.finishedAtMillis)}, after running ${span(running)}` : '–'],
    ['Cold start', e.coldStart ? span(e.initDurationMs) : 'no'],
  ];
  return [
    h('dl', null, facts.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)])),
    legend(), h('div', {class: 'timeline'}, bar(e, queued + running)),
    e.error && h('p', {class: 'alert'}, `${e.error.message} (${e.error.code})`),
    e.cleanedUp && h('p', {class: 'note'}, 'Input and output are no longer kept.'),
    'output' in e && h('section', null, h('h2', null, 'Output'), h('pre', {tabindex: '0', 'aria-label': 'Output'}, json(e.output))),
  ].filter(Boolean);
}
