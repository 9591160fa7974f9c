// One function: charts, invocation, dead letters, its executions and spec.
import {call, fn, get, getText} from '../api.js';
import {Chart} from '../chart.js';
import {confirm} from '../dialog.js';
import {announce, h, setText} from '../dom.js';
import {count, json, ms, rate} from '../format.js';
import {store} from '../store.js';
import {deadLetters} from './deadletters.js';
import {invokeForm} from './invoke.js';

export function functionView(name) {
  const charts = [
    new Chart({title: 'Rate', span: 120, format: n => rate(n) + '/s', series: [
      {key: 'in', label: 'accepted'}, {key: 'ok', label: 'ok'}, {key: 'failed', label: 'errors, timeouts'}, {key: 'rejected', label: 'rejected'}, {key: 'retries', label: 'retries'}]}),
    new Chart({title: 'Latency', span: 120, format: ms, series: [{key: 'p50', label: 'p50'}, {key: 'p90', label: 'p90'}, {key: 'p99', label: 'p99'}]}),
    new Chart({title: 'Queue depth', span: 120, whole: true, format: count, series: [{key: 'queued', label: 'queued'}]}),
    new Chart({title: 'In flight', span: 120, whole: true, format: count, series: [{key: 'inFlight', label: 'in flight'}, {key: 'slots', label: 'slots'}]}),
  ];
  const gone = h('p', {class: 'alert', hidden: true}, 'This function is not registered (any more).');
  const unmeasured = h('p', {class: 'alert', hidden: true});
  const letters = deadLetters(name);
  const spec = h('pre', {tabindex: '0', 'aria-label': 'Spec'});
  const logs = h('div');
  const remove = h('button', {type: 'button', class: 'danger', onclick: async () => {
    if (!await confirm(`Delete ${name}?`, 'Its queued work ends in error.', 'Delete')) return;
    try {
      await call('DELETE', fn(name));
    } catch (err) {
      gone.textContent = err.text;
      gone.hidden = false;
      return;
    }
    announce(`Function ${name} is deleted.`);
    await store.refresh();
    location.hash = '#/functions';
  }}, 'Delete');

  async function loadSpec() {
    try {
      const found = await get(fn(name));
      spec.textContent = json(found);
      if (found.executionMode === 'DEPLOYMENT' && !found.endpointUrl) showLogs(name, logs);
    } catch (err) {
      spec.textContent = err.text;
    }
  }

  function update() {
    if (!store.stats) return;
    gone.hidden = name in store.stats.functions;
    const problem = store.stats.functions[name]?.metricsError;
    unmeasured.hidden = !problem;
    setText(unmeasured, problem ? `Not scaled by cpu or memory: ${problem}` : '');
    for (const c of charts) c.draw(store.points(name));
    letters.update(store.stats.functions[name]?.deadLetters);
  }

  const query = '#/executions?function=' + encodeURIComponent(name);
  const root = h('div', null,
    h('div', {class: 'head'}, h('h1', null, name), h('span', {class: 'actions'}, h('a', {href: query}, 'Executions'), remove)),
    gone, unmeasured, h('div', {class: 'charts'}, charts.map(c => c.root)),
    invokeForm(name), letters.root, logs,
    h('section', null, h('h2', null, 'Spec'), spec));
  loadSpec();
  return {title: name, root, update, close: () => charts.forEach(c => c.close())};
}

function showLogs(name, root) {
  const text = h('pre', {class: 'logs', tabindex: '0', 'aria-label': 'Logs'});
  const load = async () => {
    try {
      text.textContent = await getText(fn(name) + '/logs?tail=200') || '(nothing was written)';
      text.scrollTop = text.scrollHeight;
    } catch (err) {
      text.textContent = err.text;
    }
  };
  root.replaceChildren(h('section', null,
    h('div', {class: 'head'}, h('h2', null, 'Logs'), h('button', {type: 'button', onclick: load}, 'Read again')), text));
  load();
}
