// Shows the event log of a simulation: how many events of each kind over
// virtual time, and the events themselves, filtered.
import {Chart} from '../chart.js';
import {h, setText, table} from '../dom.js';
import {field} from '../form.js';

const BINS = 100, ROWS = 200, KINDS = 6;

export function eventsReport(text) {
  const events = parse(text);
  const kinds = [...Map.groupBy(events, e => e.event)].map(([kind, all]) => [kind, all.length]).sort((a, b) => b[1] - a[1]);
  const chart = new Chart({
    title: 'Events', format: n => String(Math.round(n ?? 0)), axis: (ago, last) => (last - ago).toFixed(1) + ' s',
    series: kinds.slice(0, KINDS).map(([kind]) => ({key: kind, label: kind})),
  });
  chart.draw(binned(events, kinds.slice(0, KINDS).map(([kind]) => kind)));

  const kind = field({label: 'Event', name: 'event', kind: 'select', options: ['', ...kinds.map(([k]) => k)]});
  const words = field({label: 'Contains', name: 'contains', placeholder: 'a function, #execution or code'});
  const body = h('tbody'), note = h('p', {class: 'note', role: 'status'});
  const filter = () => {
    const wanted = words.control.value.trim().toLowerCase();
    const found = events.filter(e => (!kind.control.value || e.event === kind.control.value) && (!wanted || e.line.includes(wanted)));
    setText(note, `${found.length} of ${events.length} events` + (found.length > ROWS ? `, the first ${ROWS} shown` : ''));
    body.replaceChildren(...found.slice(0, ROWS).map(e => h('tr', null,
      h('td', {class: 'num'}, e.t.toFixed(6)), h('td', null, e.event), h('td', null, e.function ?? ''),
      h('td', {class: 'num'}, e.execution ? '#' + e.execution : ''), h('td', {class: 'text'}, e.detail ?? ''))));
  };
  for (const f of [kind, words]) f.control.addEventListener('input', filter);
  filter();
  return {
    root: h('div', {class: 'report-body'}, h('div', {class: 'charts one'}, chart.root),
      h('div', {class: 'filters'}, kind.root, words.root), note,
      table('Events', ['#Virtual s', 'Event', 'Function', '#Execution', 'Detail'], body)),
    close: () => chart.close(),
  };
}

function parse(text) {
  const events = [];
  let number = 0;
  for (const line of text.split('\n')) {
    number++;
    if (line.trim() === '') continue;
    let e;
    try {
      e = JSON.parse(line);
    } catch (err) {
      throw new Error(`line ${number}: ${err.message}`);
    }
    const t = Number(e?.t);
    if (!Number.isFinite(t) || typeof e.event !== 'string') throw new Error(`line ${number}: this is no event (with t and event)`);
    events.push({...e, t, line: `${e.event} ${e.function ?? ''} #${e.execution ?? ''} ${e.detail ?? ''}`.toLowerCase()});
  }
  if (events.length === 0) throw new Error('there are no events in it');
  return events;
}

/** binned counts the events of each kind in equal parts of the time. */
function binned(events, kinds) {
  const first = events[0].t, width = Math.max((events.at(-1).t - first) / BINS, 1e-9);
  const bins = Array.from({length: BINS}, (_, i) => ({t: first + (i + 1) * width, ...Object.fromEntries(kinds.map(k => [k, 0]))}));
  for (const e of events) {
    const bin = bins[Math.min(Math.max(Math.floor((e.t - first) / width), 0), BINS - 1)];
    if (e.event in bin && e.event !== 't') bin[e.event]++;
  }
  return bins;
}
