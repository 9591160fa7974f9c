// One execution, followed until it has ended.
import {call, fn, get} from '../api.js';
import {confirm} from '../dialog.js';
import {announce, badge, h, table} from '../dom.js';
import {bytes, clock, json, span} from '../format.js';
import {attemptsLine, spans} from '../timeline.js';
import {logsBetween} from './logs.js';

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
  const again = h('button', {type: 'button', hidden: true, onclick: async () => {
    try {
      const made = await call('POST', fn(last.functionName) + ':enqueue', {body: JSON.stringify({input: last.input, metadata: last.metadata ?? {}})});
      announce('Submitted again, as a new execution.');
      location.hash = '#/executions/' + made.executionId;
    } catch (err) {
      note.replaceChildren(h('span', {class: 'bad'}, err.text));
    }
  }}, 'Run again');
  const written = h('div');
  let closed = false, last = null;

  async function follow() {
    let ended = true;
    try {
      const e = await get(path + '?include=input');
      if (closed) return;
      content.replaceChildren(...describe(e));
      ended = Boolean(e.finishedAtMillis);
      cancel.hidden = ended;
      again.hidden = !ended || !('input' in e);
      last = e;
      if (ended && e.startedAtMillis) logsBetween(e.functionName, e.createdAtMillis, e.finishedAtMillis).then(found => !closed && written.replaceChildren(...found));
    } catch (err) {
      cancel.hidden = true;
      if (!closed) content.replaceChildren(h('p', {class: 'alert', role: 'alert'}, err.status === 404
        ? 'There is no such execution. Ended ones are kept for a few minutes only.' : err.text));
    }
    if (!ended && !closed) setTimeout(follow, EVERY);
  }

  follow();
  return {title: 'Execution', root: h('div', null, h('div', {class: 'head'}, h('h1', null, 'Execution'), h('span', {class: 'actions'}, again, cancel)), note, content, written), close: () => { closed = true; }};
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
    ['Cold start', e.coldStart ? e.initDurationMs ? span(e.initDurationMs) : 'yes' : 'no'],
    ...e.idempotencyKey ? [['Idempotency key', h('code', null, e.idempotencyKey)]] : [],
    ...e.traceId ? [['Trace', h('code', null, e.traceId)]] : [],
    ...e.inputBytes ? [['Input', bytes(e.inputBytes)]] : [],
  ];
  return [
    h('dl', null, facts.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)])),
    h('section', {'aria-label': 'Attempts'}, h('h2', null, 'Attempts'), attemptsLine(e), e.failedAttempts && attempts(e)),
    e.error && h('p', {class: 'alert'}, `${e.error.message} (${e.error.code})`),
    e.cleanedUp && h('p', {class: 'note'}, 'Input and output are no longer kept.'),
    'metadata' in e && value('Metadata', e.metadata, e),
    'input' in e && value('Input', e.input, e),
    'output' in e && value('Output', e.output, e),
  ].filter(Boolean);
}

const SHOWN = 100_000; // characters of a value

/** value is a section with JSON, and all of it as a file where it is long. */
function value(title, what, e) {
  const text = json(what);
  return h('section', null, h('div', {class: 'head'}, h('h2', null, title), h('button', {type: 'button', class: 'quiet', onclick: () => {
    const url = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
    h('a', {href: url, download: `${e.executionId}-${title.toLowerCase()}.json`}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }}, `Save ${title.toLowerCase()}`)), h('pre', {tabindex: '0', 'aria-label': title}, text.slice(0, SHOWN)),
    text.length > SHOWN && h('p', {class: 'note'}, `The first ${SHOWN.toLocaleString('en')} of ${text.length.toLocaleString('en')} characters.`));
}

function attempts(e) {
  return table('Failed attempts', ['#Attempt', 'Started', '#Ran', 'Error'],
    h('tbody', null, e.failedAttempts.map(a => h('tr', null, h('td', {class: 'num'}, a.attempt), h('td', null, clock(a.startedAtMillis)),
      h('td', {class: 'num'}, span(a.finishedAtMillis - a.startedAtMillis)), h('td', {class: 'text'}, `${a.error.message} (${a.error.code})`)))));
}
