// Functions, a page at a time, with what they do now; and all of them together.
import {call} from '../api.js';
import {Chart, sparkline} from '../chart.js';
import {announce, h, s, setText, table} from '../dom.js';
import {field} from '../form.js';
import {age, bytes, count, ms, rate} from '../format.js';
import {marksList} from '../marks.js';
import {Past} from '../past.js';
import {store} from '../store.js';
import {edit} from './edit.js';

const LIMIT = 50;

// Head of a column, what it is sorted by, and whether numbers are in it.
const COLUMNS = [['Name', 'name'], ['Mode', 'mode'], ['Accepted/s', 'accepted', true], ['Ok/s', 'ok', true], ['Errors/s', 'failed', true], ['Last minute', ''],
  ['Queued', 'queued', true], ['In flight', 'inFlight', true], ['Instances', 'ready', true], ['p50', 'p50', true], ['p99', 'p99', true], ['Dead letters', 'deadLetters', true]];

// durable says whether what is accepted outlives the server, and how much of it
// is not on disk yet.
const durable = sums => !sums.durable ? 'no' : sums.journalLagFacts ? count(sums.journalLagFacts) + ' behind' : 'yes';

export function functionsView(query) {
  const asked = {search: query.get('search') ?? '', sort: query.get('sort') ?? 'name', offset: Math.max(Number(query.get('offset')) || 0, 0), limit: LIMIT};
  let page = null;
  const past = new Past('');
  const charts = [
    new Chart({title: 'Rate, all functions', span: 900, format: n => rate(n) + '/s', series: [
      {key: 'accepted', label: 'accepted'}, {key: 'ok', label: 'ok'}, {key: 'failed', label: 'errors, timeouts'}, {key: 'rejected', label: 'rejected'}]}),
    new Chart({title: 'Work, all functions', span: 900, whole: true, format: count, series: [
      {key: 'queued', label: 'queued'}, {key: 'inFlight', label: 'in flight'}]}),
  ];
  const marks = marksList();
  const cards = ['Functions', 'Kept executions', 'Payload', 'Sync queue', 'Durable', 'Up'].map(label => {
    const value = h('b');
    return {value, root: h('div', null, h('span', null, label), value)};
  });
  const rows = new Map(); // by function; kept, so that focus and selection survive
  const body = h('tbody');
  const empty = h('div', {class: 'empty', hidden: true});
  const none = h('p', {class: 'empty', hidden: true}, 'No function’s name has that in it.');
  const {root: list, heads} = sortable(body, by => {
    const down = asked.sort === by || (asked.sort !== '-' + by && by !== 'name' && by !== 'mode') ? '-' : '';
    go({sort: down + by, offset: 0});
  });
  const search = field({label: 'Search', name: 'search', kind: 'search', value: asked.search, placeholder: 'a part of the name'});
  search.control.addEventListener('input', () => go({search: search.control.value.trim(), offset: 0}));
  const shown = h('span', {role: 'status'});
  const before = h('button', {type: 'button', onclick: () => go({offset: Math.max(asked.offset - LIMIT, 0)})}, 'Previous');
  const after = h('button', {type: 'button', onclick: () => go({offset: asked.offset + LIMIT})}, 'Next');

  /** go asks for another page; its address is kept for a reload and for others. */
  function go(change) {
    Object.assign(asked, change);
    const kept = Object.entries({search: asked.search, sort: asked.sort === 'name' ? '' : asked.sort, offset: asked.offset || ''}).filter(([, v]) => v !== '');
    history.replaceState(null, '', '#/functions' + (kept.length > 0 ? '?' + new URLSearchParams(kept) : ''));
    store.refresh();
  }

  async function load() {
    const wanted = {...asked};
    const answer = await store.overview(wanted);
    if (answer.offset > 0 && answer.rows.length === 0) asked.offset = 0; // they have gone
    if (wanted.search === asked.search && wanted.sort === asked.sort) page = answer;
    await past.load();
  }

  function update() {
    if (!page) return;
    const sums = page.server;
    [count(sums.functions), count(sums.storedExecutions), bytes(sums.payloadBytes), count(sums.syncQueueDepth), durable(sums), age(sums.uptimeSeconds)]
      .forEach((v, i) => setText(cards[i].value, v));
    const names = new Set(page.rows.map(r => r.name));
    for (const [name, row] of rows) {
      if (names.has(name)) continue;
      row.root.remove();
      rows.delete(name);
    }
    page.rows.forEach((r, i) => {
      let row = rows.get(r.name);
      if (!row) rows.set(r.name, row = functionRow(r.name));
      if (body.children[i] !== row.root) body.insertBefore(row.root, body.children[i] ?? null);
      row.update(r);
    });
    if (sums.functions === 0 && empty.childElementCount === 0) empty.replaceChildren(...firstSteps());
    empty.hidden = sums.functions > 0;
    none.hidden = sums.functions === 0 || page.matching > 0;
    list.hidden = page.matching === 0;
    const last = page.offset + page.rows.length;
    setText(shown, page.matching === 0 ? '' : `${page.offset + 1} to ${last} of ${page.matching.toLocaleString('en')}`);
    before.disabled = page.offset === 0;
    after.disabled = last >= page.matching;
    for (const [by, head] of heads) {
      head.setAttribute('aria-sort', asked.sort === by ? 'ascending' : asked.sort === '-' + by ? 'descending' : 'none');
    }
    for (const c of charts) c.draw(past.points, past.marks);
    marks.update(past.marks);
  }

  const root = h('div', null,
    h('div', {class: 'head'}, h('h1', null, 'Functions'), h('button', {type: 'button', class: 'primary', id: 'register', onclick: () => edit({})}, 'Register a function')),
    h('div', {class: 'cards'}, cards.map(c => c.root)),
    h('h2', {class: 'sr'}, 'Charts'), h('div', {class: 'charts'}, charts.map(c => c.root)), marks.root, empty,
    h('div', {class: 'filters'}, search.root), none, list,
    h('div', {class: 'pages'}, shown, before, after),
    h('p', {class: 'note'}, 'Rates, p50 and p99 are of the last five seconds. p50 and p99: from acceptance to the end, estimated from histograms.'));
  return {title: 'Functions', root, load, update, close: () => charts.forEach(c => c.close())};
}

/** sortable makes the table; choose is told which column's head was used. */
function sortable(body, choose) {
  const root = table('Functions', COLUMNS.map(([label, , number]) => (number ? '#' : '') + label), body);
  const heads = new Map();
  root.querySelectorAll('thead th').forEach((th, i) => {
    const [label, by] = COLUMNS[i];
    if (!by) return;
    th.replaceChildren(h('button', {type: 'button', class: 'sort', onclick: () => choose(by)}, label));
    heads.set(by, th);
  });
  return {root, heads};
}

function functionRow(name) {
  const cells = Array.from({length: 9}, () => h('td', {class: 'num'}));
  const [accepted, ok, errors, queued, inFlight, ready, p50, p99, dead] = cells;
  const mode = h('td');
  const trouble = h('span', {class: 'badge error', hidden: true}, 'trouble');
  const spark = s('svg', {class: 'spark', viewBox: '0 0 90 22', width: 90, height: 22, 'aria-hidden': 'true'});
  const root = h('tr', null,
    h('th', {scope: 'row'}, h('a', {class: 'clip', title: name, href: '#/functions/' + encodeURIComponent(name)}, name), ' ', trouble), mode,
    accepted, ok, errors, h('td', null, spark), queued, inFlight, ready, p50, p99, dead);
  return {root, update(r) {
    setText(mode, r.executionMode === 'DEPLOYMENT' ? `${r.executionMode} ${r.runtimeMode}` : r.executionMode);
    setText(accepted, rate(r.accepted));
    setText(ok, rate(r.ok));
    setText(errors, rate(r.failed));
    setText(queued, `${count(r.queued)} / ${count(r.queueSize)}`);
    setText(inFlight, `${count(r.inFlight)} / ${count(r.slots)}`);
    setText(ready, r.executionMode === 'DEPLOYMENT' ? count(r.ready) : '–');
    setText(p50, ms(r.p50 || null));
    setText(p99, ms(r.p99 || null));
    setText(dead, count(r.deadLetters));
    const problem = r.trouble || (r.rollout ?? '');
    trouble.hidden = problem === '';
    trouble.title = problem;
    errors.classList.toggle('bad', r.failed > 0);
    queued.classList.toggle('bad', r.queued >= r.queueSize);
    dead.classList.toggle('bad', r.deadLetters > 0);
    sparkline(spark, r.recent, 12);
  }};
}

/** firstSteps are what to do where there is no function yet. */
function firstSteps() {
  const origin = location.origin;
  const commands = `curl -s ${origin}/v1/functions -d '{"name":"hello","executionMode":"LOCAL"}'\ncurl -s ${origin}/v1/functions/hello:invoke -d '{"input":{"to":"you"}}'`;
  const copy = h('button', {type: 'button', onclick: async () => {
    await navigator.clipboard.writeText(commands).then(() => announce('Copied.'), () => announce('It could not be copied.'));
  }}, 'Copy');
  const example = h('button', {type: 'button', class: 'primary', onclick: async () => {
    await call('POST', 'v1/functions', {body: '{"name":"hello","executionMode":"LOCAL"}'}).catch(() => {});
    location.hash = '#/functions/hello';
  }}, 'Register this example');
  return [h('p', null, 'No function is registered yet. A first one, that answers with its input:'),
    h('pre', {tabindex: '0', 'aria-label': 'Commands'}, commands), h('div', {class: 'actions'}, example, copy),
    h('p', null, 'Or a program of your own: ', h('code', null, 'simplane fn init python hello'), ' writes one with its spec.')];
}
