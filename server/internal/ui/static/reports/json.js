// Shows a result.json of any kind by its shape: plain values in a list, lists
// of objects in tables, series over time as charts.
import {Chart} from '../chart.js';
import {h, table} from '../dom.js';

const TIME = ['at', 't', 'atSeconds', 'time'];
const ROWS = 200;

export function jsonReport(docs) {
  const charts = [];
  const root = h('div', {class: 'report-body'}, docs.map(doc => one(doc, charts)));
  return {root, close: () => charts.forEach(c => c.close())};
}

function one(doc, charts) {
  if (doc === null || typeof doc !== 'object') throw new Error('this is no report: an object is expected');
  const verdict = doc.passed ?? (Array.isArray(doc.checks) ? doc.checks.every(c => c?.holds === true) : undefined);
  return h('section', null,
    typeof verdict === 'boolean' ? h('p', null, h('span', {class: 'badge ' + (verdict ? 'success' : 'error')}, verdict ? 'passed' : 'failed')) : null,
    show(doc, 3, charts));
}

const plain = v => v === null || typeof v !== 'object';
const words = key => key.replace(/Ms$/, ' (ms)').replace(/Seconds$/, ' (s)')
  .replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`).replace(/^[a-z](?=[a-z])/, c => c.toUpperCase());

function text(v) {
  if (typeof v === 'number' && !Number.isInteger(v)) return String(Number(v.toPrecision(5)));
  return v === null ? '–' : String(v);
}

function show(value, level, charts) {
  const entries = Object.entries(value);
  const facts = entries.filter(([, v]) => plain(v));
  return [
    facts.length > 0 ? h('dl', null, facts.flatMap(([k, v]) => [h('dt', null, words(k)), h('dd', null, text(v))])) : null,
    ...entries.filter(([, v]) => !plain(v)).map(([k, v]) => part(k, v, level, charts)),
  ];
}

function part(key, value, level, charts) {
  const items = Array.isArray(value) ? value : named(value);
  if ((items ?? Object.keys(value)).length === 0) return null;
  const heading = h('h' + Math.min(level, 6), null, words(key));
  if (!items) return h('section', null, heading, show(value, level + 1, charts));
  if (items.every(plain)) return h('section', null, heading, h('ul', null, items.slice(0, ROWS).map(v => h('li', null, text(v)))));
  if (items.some(v => plain(v) || Array.isArray(v))) return h('section', null, heading, h('pre', {tabindex: '0'}, JSON.stringify(items, null, 2)));
  return h('section', null, heading, series(items, charts), rows(words(key), items));
}

/** named makes rows of an object whose values are alike: flat objects. */
function named(value) {
  const entries = Object.entries(value);
  const flat = entries.length > 1 && entries.every(([, v]) => !plain(v) && !Array.isArray(v) && Object.values(v).every(plain));
  return flat ? entries.map(([name, v]) => ({name, ...v})) : null;
}

/** series draws numeric columns over a column of time, one chart for each
 *  unit that their names end in. */
function series(items, charts) {
  const time = TIME.find(k => items.length > 3 && items.every(v => typeof v[k] === 'number'));
  if (!time) return null;
  const columns = Object.keys(items[0]).filter(k => k !== time && items.every(v => typeof v[k] === 'number'));
  const groups = Map.groupBy(columns, k => /Ms$/.test(k) ? 'milliseconds' : k);
  return h('div', {class: 'charts'}, [...groups].map(([unit, keys]) => {
    const chart = new Chart({
      title: words(unit), format: n => n === null || n === undefined ? '–' : text(n),
      axis: (ago, last) => text(last - ago) + ' s', series: keys.slice(0, 6).map(k => ({key: k, label: words(k)})),
    });
    charts.push(chart);
    chart.draw(items.map(v => ({...v, t: v[time]})));
    return chart.root;
  }));
}

function rows(caption, items) {
  const columns = [...new Set(items.slice(0, ROWS).flatMap(Object.keys))];
  const cell = v => v === undefined ? '' : plain(v) ? text(v) : JSON.stringify(v);
  return [
    table(caption, columns.map(k => (items.every(v => typeof v[k] === 'number') ? '#' : '') + words(k)),
      h('tbody', null, items.slice(0, ROWS).map(v => h('tr', null, columns.map(k => h('td', {class: typeof v[k] === 'number' ? 'num' : 'text'}, cell(v[k]))))))),
    items.length > ROWS ? h('p', {class: 'note'}, `${items.length - ROWS} more rows are not shown.`) : null,
  ];
}
