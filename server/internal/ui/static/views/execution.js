// One execution, followed until it has ended.
import {call, get} from '../api.js';
import {confirm} from '../dialog.js';
import {announce, badge, h, table} from '../dom.js';
import {clock, json, span} from '../format.js';
import {bar, legend, spans} from '../timeline.js';

const EVERY = 500;

export function executionView(id) {
  const path = 'v1/executions/' + encodeURIComponent(id);
  const content = h('div');
  const note = h('p', {role: 'status'});
  const cancel = h('button', {type: 'button', class: 'danger', hidden: true, onclick: async () => {
    if (!await confirm('End this execution?', 'It ends in error, with the code CANCELLED. A call under way is broken off.', 'End it')) return;
    try {
      await call('POST', path + ':cancel');
      note.textContent = 'Cancelled.';
      announce(note.textContent);
    } catch (err) {
      note.replaceChildren(h('span', {class: 'bad'}, err.text));
    }
  }}, 'Cancel execution');
  let closed = false;

  async function follow() {
    let ended = true;
    try {
      const e = await get(path);
      if (closed) return;
      content.replaceChildren(...describe(e));
      ended = Boolean(e.finishedAtMillis);
      cancel.hidden = ended;
    } catch (err) {
      cancel.hidden = true;
      if (!closed) content.replaceChildren(h('p', {class: 'alert', role: 'alert'}, err.status === 404
        ? 'There is no such execution. Ended ones are kept for a few minutes only.' : err.text));
    }
    if (!ended && !closed) setTimeout(follow, EVERY);
  }

  follow();
  return {title: 'Execution', root: h('div', null, h('div', {class: 'head'}, h('h1', null, 'Execution'), cancel), note, content), close: () => { closed = true; }};
}

function describe(e) {
  const {queued, running} = spans(e, Date.now());
  const facts = [
    ['Id', h('code', null, e.executionId)],
    ['Function', h('a', {href: '#/functions/' + encodeURIComponent(e.functionName)}, e.functionName)],
    ['Status', badge(e.status)],
    ['Attempt', e.attempt],
    ...e.retryAtMillis ? [['Next attempt', `${clock(e.retryAtMillis)}, in ${span(Math.max(e.retryAtMillis - Date.now(), 0))}`]] : [],
    ['Created', clock(e.createdAtMillis)],
    ['Started', e.startedAtMillis ? `${clock(e.startedAtMillis)}, after ${span(queued)} ${e.attempt > 1 ? 'with earlier attempts' : 'in the queue'}` : '–'],
    ['Ended', e.finishedAtMillis ? `${clock(e.finishedAtMillis)}, after running ${span(running)}` : '–'],
    ['Cold start', e.coldStart ? span(e.initDurationMs) : 'no'],
    ...e.idempotencyKey ? [['Idempotency key', h('code', null, e.idempotencyKey)]] : [],
    ...e.traceId ? [['Trace', h('code', null, e.traceId)]] : [],
    ...e.inputBytes ? [['Input', `${e.inputBytes} bytes`]] : [],
  ];
  return [
    h('dl', null, facts.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)])),
    legend(), h('div', {class: 'timeline'}, bar(e, queued + running)),
    e.error && h('p', {class: 'alert'}, `${e.error.message} (${e.error.code})`),
    e.failedAttempts && attempts(e.failedAttempts),
    e.cleanedUp && h('p', {class: 'note'}, 'Input and output are no longer kept.'),
    'metadata' in e && h('section', null, h('h2', null, 'Metadata'), h('pre', {tabindex: '0', 'aria-label': 'Metadata'}, json(e.metadata))),
    'input' in e && h('section', null, h('h2', null, 'Input'), h('pre', {tabindex: '0', 'aria-label': 'Input'}, json(e.input))),
    'output' in e && h('section', null, h('h2', null, 'Output'), h('pre', {tabindex: '0', 'aria-label': 'Output'}, json(e.output))),
  ].filter(Boolean);
}

function attempts(failed) {
  return h('section', null, h('h2', null, 'Failed attempts'), table('Failed attempts', ['#Attempt', 'Started', '#Ran', 'Error'],
    h('tbody', null, failed.map(a => h('tr', null, h('td', {class: 'num'}, a.attempt), h('td', null, clock(a.startedAtMillis)),
      h('td', {class: 'num'}, span(a.finishedAtMillis - a.startedAtMillis)), h('td', {class: 'text'}, `${a.error.message} (${a.error.code})`))))));
}
