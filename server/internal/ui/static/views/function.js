// One function: charts, instances, invocation, dead letters, revisions, logs and spec.
import {call, fn, get} from '../api.js';
import {Chart} from '../chart.js';
import {confirm} from '../dialog.js';
import {announce, badge, h, newId, setText, table} from '../dom.js';
import {age, count, ms, rate} from '../format.js';
import {marksList} from '../marks.js';
import {Past} from '../past.js';
import {store} from '../store.js';
import {deadLetters} from './deadletters.js';
import {edit, showDiff} from './edit.js';
import {invokeForm} from './invoke.js';
import {logs} from './logs.js';
import {unknownFunction} from './unknown.js';

const SPANS = [['5 minutes', 300], ['15 minutes', 900], ['1 hour', 3600]];

export function functionView(name) {
  const past = new Past(name);
  let stats = null, spec = null, deleted = false, loading = null, loadingSpec = null;
  const charts = [
    new Chart({title: 'Rate', format: n => rate(n) + '/s', series: [
      {key: 'accepted', label: 'accepted'}, {key: 'ok', label: 'ok'}, {key: 'failed', label: 'errors, timeouts'}, {key: 'rejected', label: 'rejected'}]}),
    new Chart({title: 'Latency', format: ms, series: [{key: 'p50', label: 'p50'}, {key: 'p99', label: 'p99'}]}),
    new Chart({title: 'Queue depth', whole: true, format: count, series: [{key: 'queued', label: 'queued'}]}),
    new Chart({title: 'In flight', whole: true, format: count, series: [{key: 'inFlight', label: 'in flight'}, {key: 'slots', label: 'slots'}, {key: 'ready', label: 'instances'}]}),
  ];
  const marks = marksList();
  const span = h('select', {'aria-label': 'Time shown', onchange: () => { choose(Number(span.value)); update(); }}, SPANS.map(([text, n]) => h('option', {value: n}, text)));
  const choose = seconds => charts.forEach(c => { c.span = seconds; });
  span.value = 900;
  choose(900);
  const now = h('p', {class: 'note', id: 'now'});
  const trouble = h('p', {class: 'alert', hidden: true});
  const note = h('p', {role: 'status'});
  const letters = deadLetters(name);
  const runs = instances(name);
  const kept = revisions(name, () => loadSpec());
  const written = h('div');
  const text = h('pre', {tabindex: '0', 'aria-label': 'Spec'});
  const content = h('div');

  const remove = h('button', {type: 'button', class: 'danger', onclick: async () => {
    if (!await confirm(`Delete ${name}?`, 'Its queued work ends in error.', 'Delete')) return;
    deleted = true; // from here on nobody asks for it, and who has asked is waited for
    await Promise.allSettled([loading, loadingSpec]);
    try {
      await call('DELETE', fn(name));
    } catch (err) {
      deleted = false;
      note.replaceChildren(h('span', {class: 'bad'}, err.text));
      return;
    }
    announce(`Function ${name} is deleted.`);
    location.hash = '#/functions';
  }}, 'Delete');
  const change = h('button', {type: 'button', class: 'primary', onclick: () => edit({name, done: loadSpec})}, 'Edit');
  const clone = h('button', {type: 'button', onclick: () => edit({from: name})}, 'Clone');

  function loadSpec() {
    const read = readSpec();
    loadingSpec = Promise.allSettled([loadingSpec, read]);
    return read;
  }

  async function readSpec() {
    if (deleted) return;
    try {
      spec = await get(fn(name));
      text.textContent = (await call('POST', fn(name) + ':check', {body: ''})).yaml;
      const started = spec.executionMode === 'DEPLOYMENT' && !spec.endpointUrl;
      if (started && written.childElementCount === 0) {
        const shown = logs(name);
        written.replaceChildren(shown.root);
        closing.push(shown.close);
      }
      runs.root.hidden = !started;
      const what = [spec.rollout && `The last change: ${spec.rollout.state}${spec.rollout.message ? ', ' + spec.rollout.message : ''}`, spec.trouble, stats?.metricsError && `Not scaled by cpu or memory: ${stats.metricsError}`].filter(Boolean);
      trouble.hidden = what.length === 0;
      trouble.replaceChildren(...what.map(line => h('span', {class: 'line'}, line)));
      await kept.load();
    } catch (err) {
      if (err.status !== 404) text.textContent = err.text;
    }
  }

  function load() {
    return loading = read();
  }

  async function read() {
    if (deleted) return;
    try {
      stats = await get(fn(name) + '/stats');
    } catch (err) {
      if (err.status !== 404) throw err;
      if (!content.hidden) {
        content.hidden = true;
        gone.replaceChildren(await unknownFunction(name));
      }
      await store.overview({limit: 1});
      return;
    }
    if (content.hidden) {
      content.hidden = false;
      gone.replaceChildren();
      loadSpec();
    }
    await past.load();
    await runs.load();
  }

  function update() {
    if (!stats || content.hidden) return;
    setText(now, `Now: ${count(stats.inFlight)} of ${count(stats.effectiveConcurrency)} in flight, ${count(stats.queueDepth)} of ${count(stats.queueSize)} queued, ${count(stats.pausing)} between two attempts. `
      + `So far: ${count(stats.enqueued)} accepted, ${count(stats.success)} ok, ${count(stats.error)} errors, ${count(stats.timeout)} timeouts, ${count(stats.retries)} retries, ${count(stats.rejected)} refused.`);
    for (const c of charts) c.draw(past.points, past.marks);
    marks.update(past.marks);
    runs.update();
    letters.update(stats.deadLetters);
    const changed = past.marks.filter(m => m.function === name).length;
    if (changed !== seenMarks) {
      seenMarks = changed;
      loadSpec();
    }
  }
  let seenMarks = 0;
  const closing = [];

  const gone = h('div');
  content.append(
    h('div', {class: 'head'}, h('h1', null, name), h('span', {class: 'actions'}, h('a', {href: '#/executions?function=' + encodeURIComponent(name)}, 'Executions'), change, clone, remove)),
    note, trouble, now,
    h('div', {class: 'filters'}, h('label', null, 'Time shown ', span)),
    h('h2', {class: 'sr'}, 'Charts'), h('div', {class: 'charts'}, charts.map(c => c.root)), marks.root,
    invokeForm(name), runs.root, letters.root, kept.root, written,
    h('section', null, h('h2', null, 'Spec'), text));
  loadSpec();
  return {title: name, root: h('div', null, gone, content), load, update, close: () => {
    charts.forEach(c => c.close());
    closing.forEach(f => f());
  }};
}

/** instances is the section with what a provider runs. */
function instances(name) {
  let all = null;
  const body = h('tbody'), note = h('p', {class: 'note'}), problem = h('p', {role: 'status'});
  const number = h('input', {type: 'number', min: 0, max: 10000, id: newId('wanted')});
  const form = h('form', {class: 'inline', onsubmit: async event => {
    event.preventDefault();
    try {
      const {replicas} = await call('PUT', fn(name) + '/replicas', {body: JSON.stringify({replicas: Number(number.value)})});
      setText(problem, `${replicas} wanted.`);
    } catch (err) {
      problem.replaceChildren(h('span', {class: 'bad'}, err.text));
    }
    announce(problem.textContent);
    store.refresh();
  }}, h('label', {for: number.id}, 'Wanted'), number, h('button', null, 'Scale'));
  const root = h('section', {'aria-label': 'Instances', hidden: true}, h('div', {class: 'head'}, h('h2', null, 'Instances'), form), problem, note,
    table('Instances', ['Id', 'Address', '#In flight', 'State'], body));
  return {
    root,
    async load() {
      if (!root.hidden) all = await get(fn(name) + '/instances');
    },
    update() {
      if (!all) return;
      if (document.activeElement !== number && number.value === '') number.value = all.desired;
      setText(note, `${all.ready} of ${all.desired} ready, ${all.starting} starting, ${all.restarts} replaced so far${all.provider ? `, by the provider ${all.provider}` : ''}.${all.lastError ? ` The last one failed: ${all.lastError}` : ''}`);
      body.replaceChildren(...all.instances.map(i => h('tr', null, h('th', {scope: 'row'}, i.id), h('td', null, i.address ?? '–'), h('td', {class: 'num'}, i.inFlight),
        h('td', null, badge(i.ejected ? 'left out' : 'ready')))));
    },
  };
}

/** revisions is the section with the specs that the function has had. */
function revisions(name, rolledBack) {
  const body = h('tbody'), note = h('p', {role: 'status'});
  const root = h('section', {'aria-label': 'Revisions'}, h('h2', null, 'Revisions'), note, table('Revisions', ['#Generation', 'Since', 'By', 'Again'], body));

  async function back(one) {
    const {yaml, current, changes} = await call('POST', fn(name) + ':check', {body: JSON.stringify(one.spec)});
    const go = await showDiff(`Roll ${name} back to generation ${one.generation}?`, current, yaml, changes, 'Roll back');
    if (!go) return;
    try {
      const now = await call('POST', fn(name) + ':rollback', {body: JSON.stringify({generation: one.generation})});
      setText(note, `The spec of generation ${one.generation} is in force again, as generation ${now.generation}.`);
      announce(note.textContent);
      rolledBack();
    } catch (err) {
      note.replaceChildren(h('span', {class: 'bad'}, err.text));
    }
  }

  return {root, async load() {
    try {
      const all = await get(fn(name) + '/revisions');
      body.replaceChildren(...all.map((one, i) => h('tr', null,
        h('td', {class: 'num'}, one.generation), h('td', null, `${age((Date.now() - Date.parse(one.at)) / 1000)} ago`), h('td', null, one.who),
        h('td', null, i === 0 ? 'in force' : h('button', {type: 'button', 'aria-label': `Roll back to generation ${one.generation}`, onclick: () => back(one)}, 'Roll back')))));
    } catch (err) {
      note.replaceChildren(h('span', {class: 'bad'}, err.text));
    }
  }};
}
