// Search among the executions that are still kept.
import {get} from '../api.js';
import {badge, h, table} from '../dom.js';
import {field, Problems, submitting} from '../form.js';
import {clock, span} from '../format.js';
import {bar, legend, spans} from '../timeline.js';

const PAGE = 50;

export function executionsView(query) {
  const id = field({label: 'Id', name: 'id', placeholder: 'an execution id', value: ''});
  const name = field({label: 'Function', name: 'function', placeholder: 'any', value: query.get('function') ?? ''});
  const status = field({label: 'Status', name: 'status', kind: 'select', options: ['', 'queued', 'running', 'success', 'error', 'timeout'], value: query.get('status') ?? ''});
  const code = field({label: 'Error code', name: 'code', placeholder: 'any', value: query.get('code') ?? ''});
  const problems = new Problems([id, name, status, code]);
  const form = h('form', {class: 'filters', role: 'search', 'aria-label': 'Executions'}, id.root, name.root, status.root, code.root,
    h('div', {class: 'actions'}, h('button', {class: 'primary'}, 'Search')));
  const found = h('div', {'aria-live': 'polite', 'aria-busy': 'false'});

  let shown = [];
  let next = ''; // where the list was cut

  async function search(older) {
    if (!older) [shown, next] = [[], ''];
    const before = shown.length;
    do { // a page can be empty where few of many match
      const wanted = new URLSearchParams({limit: PAGE});
      if (name.control.value.trim()) wanted.set('function', name.control.value.trim());
      if (status.control.value) wanted.set('status', status.control.value);
      if (code.control.value.trim()) wanted.set('code', code.control.value.trim());
      if (next) wanted.set('cursor', next);
      const {executions, nextCursor} = await get('v1/admin/executions?' + wanted);
      shown.push(...executions);
      next = nextCursor ?? '';
    } while (next && shown.length === before);
    found.replaceChildren(...results(shown, next && (() => search(true).catch(err => problems.show(err)))));
  }

  submitting(form, problems, async () => {
    const wanted = id.control.value.trim();
    if (wanted) location.hash = '#/executions/' + encodeURIComponent(wanted);
    else await search();
  });
  search().catch(err => problems.show(err));
  return {title: 'Executions', root: h('div', null, h('h1', null, 'Executions'), form, problems.root, found)};
}

function results(executions, older) {
  if (executions.length === 0) return [h('p', {class: 'empty'}, 'No execution matches. Ended ones are kept for a few minutes only.')];
  const now = Date.now();
  const longest = Math.max(...executions.map(e => { const {queued, running} = spans(e, now); return queued + running; }));
  const body = h('tbody', null, executions.map(e => {
    const {queued, running} = spans(e, now);
    return h('tr', null,
      h('th', {scope: 'row'}, h('a', {href: '#/executions/' + e.executionId, title: e.executionId}, e.executionId.slice(0, 8))),
      h('td', null, h('a', {href: '#/functions/' + encodeURIComponent(e.functionName)}, e.functionName)),
      h('td', null, badge(e.status)),
      h('td', {class: 'num'}, e.attempt),
      h('td', null, clock(e.createdAtMillis)),
      h('td', {class: 'num'}, span(queued)), h('td', {class: 'num'}, span(running)),
      h('td', null, bar(e, longest, now)),
      h('td', {class: 'text'}, e.error ? `${e.error.message} (${e.error.code})` : ''));
  }));
  return [legend(), table('Executions found', ['Id', 'Function', 'Status', '#Attempt', 'Created', '#Queued', '#Ran', 'Timeline', 'Error'], body),
    older && h('div', {class: 'actions'}, h('button', {type: 'button', onclick: older}, 'Older'))].filter(Boolean);
}
