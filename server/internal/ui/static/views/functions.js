// All functions with their live figures, and the server's totals.
import {Chart, sparkline} from '../chart.js';
import {h, s, setText, table} from '../dom.js';
import {age, bytes, count, ms, rate} from '../format.js';
import {store} from '../store.js';
import {register} from './register.js';

// durable says whether what is accepted outlives the server, and how much of it
// is not on disk yet.
const durable = stats => !stats.durable ? 'no' : stats.journalLagFacts ? count(stats.journalLagFacts) + ' behind' : 'yes';

export function functionsView() {
  const charts = [
    new Chart({title: 'Rate, all functions', span: 120, format: n => rate(n) + '/s', series: [
      {key: 'in', label: 'accepted'}, {key: 'ok', label: 'ok'}, {key: 'failed', label: 'errors, timeouts'}, {key: 'rejected', label: 'rejected'}]}),
    new Chart({title: 'Work, all functions', span: 120, whole: true, format: count, series: [
      {key: 'queued', label: 'queued'}, {key: 'inFlight', label: 'in flight'}]}),
  ];
  const cards = ['Functions', 'Kept executions', 'Payload', 'Sync queue', 'Durable', 'Up'].map(label => {
    const value = h('b');
    return {value, root: h('div', null, h('span', null, label), value)};
  });
  const rows = new Map(); // by function; kept, so that focus and selection survive
  const body = h('tbody');
  const empty = h('p', {class: 'empty', hidden: true}, 'No function is registered yet.');
  const cut = h('p', {class: 'note', hidden: true});
  const list = table('Functions', ['Name', '#Accepted/s', '#Ok/s', '#Errors/s', 'Last minute', '#Queued', '#In flight', '#p50', '#p99', '#Dead letters'], body);

  function update() {
    const stats = store.stats;
    if (!stats) return;
    const names = Object.keys(stats.functions).sort();
    [stats.functionCount, count(stats.storedExecutions), bytes(stats.payloadBytes), count(stats.syncQueueDepth), durable(stats), age(stats.uptimeSeconds)]
      .forEach((v, i) => setText(cards[i].value, String(v)));
    for (const [name, row] of rows) {
      if (names.includes(name)) continue;
      row.root.remove();
      rows.delete(name);
    }
    names.forEach((name, i) => {
      let row = rows.get(name);
      if (!row) rows.set(name, row = functionRow(name));
      if (body.children[i] !== row.root) body.insertBefore(row.root, body.children[i] ?? null);
      row.update(stats.functions[name]);
    });
    empty.hidden = names.length > 0;
    cut.hidden = !stats.truncated;
    setText(cut, `The first ${names.length} by name are shown, of ${stats.functionCount}; charts and sums are of these.`);
    list.hidden = names.length === 0;
    for (const c of charts) c.draw(store.points(''));
  }

  const root = h('div', null,
    h('div', {class: 'head'}, h('h1', null, 'Functions'), h('button', {type: 'button', class: 'primary', id: 'register', onclick: register}, 'Register a function')),
    h('div', {class: 'cards'}, cards.map(c => c.root)),
    h('div', {class: 'charts'}, charts.map(c => c.root)), empty, cut, list,
    h('p', {class: 'note'}, 'p50 and p99: from acceptance to the end, estimated from histograms over the last ten seconds.'));
  return {title: 'Functions', root, update, close: () => charts.forEach(c => c.close())};
}

function functionRow(name) {
  const cells = Array.from({length: 8}, () => h('td', {class: 'num'}));
  const [accepted, ok, errors, queued, inFlight, p50, p99, dead] = cells;
  const spark = s('svg', {class: 'spark', viewBox: '0 0 90 22', width: 90, height: 22, 'aria-hidden': 'true'});
  const root = h('tr', null,
    h('th', {scope: 'row'}, h('a', {href: '#/functions/' + encodeURIComponent(name)}, name)),
    accepted, ok, errors, h('td', null, spark), queued, inFlight, p50, p99, dead);
  return {root, update(f) {
    const p = store.latest(name);
    setText(accepted, rate(p?.in));
    setText(ok, rate(p?.ok));
    setText(errors, rate(p?.failed));
    setText(queued, `${count(f.queueDepth)} / ${count(f.queueSize)}`);
    setText(inFlight, `${count(f.inFlight)} / ${count(f.effectiveConcurrency)}`);
    setText(p50, ms(p?.p50));
    setText(p99, ms(p?.p99));
    setText(dead, count(f.deadLetters));
    errors.classList.toggle('bad', (p?.failed ?? 0) > 0);
    queued.classList.toggle('bad', f.queueDepth >= f.queueSize);
    dead.classList.toggle('bad', f.deadLetters > 0);
    sparkline(spark, store.points(name), 'in');
  }};
}
