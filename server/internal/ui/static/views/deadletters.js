// A function's dead letters: shown, submitted again, dropped.
import {call, fn, get} from '../api.js';
import {confirm} from '../dialog.js';
import {announce, h, table} from '../dom.js';
import {clock, json} from '../format.js';

export function deadLetters(name) {
  const path = fn(name) + '/dead-letters';
  const content = h('div');
  const note = h('p', {role: 'status'});
  let counted;      // how many the server counted when the list was read
  let list = [];    // those that are shown
  let loading = false;

  const act = async (what, ...request) => {
    try {
      const answer = await call(...request);
      const failed = answer?.failed ?? [];
      note.replaceChildren(failed.length > 0
        ? h('span', {class: 'bad'}, `${failed.length} not accepted: ${failed[0].message} (${failed[0].error})`)
        : what, ...followUps(answer?.redriven ?? []));
      announce(note.textContent);
    } catch (err) {
      note.replaceChildren(h('span', {class: 'bad'}, err.text));
    }
    await load();
  };
  const redrive = body => act('Submitted again:', 'POST', path + ':redrive', {body: JSON.stringify(body)});
  const purge = async () => {
    if (await confirm('Drop all dead letters?', `Those of ${name} are gone for good then.`, 'Drop them')) await act('Dropped.', 'DELETE', path);
  };
  const all = h('div', {class: 'actions'},
    h('button', {type: 'button', onclick: () => redrive({all: true})}, 'Re-drive all'),
    h('button', {type: 'button', class: 'danger', onclick: purge}, 'Drop all'));

  async function load(older = '') {
    if (loading) return;
    loading = true;
    try {
      const {deadLetters: page, dropped, nextCursor} = await get(`${path}?limit=100&include=input${older && '&cursor=' + older}`);
      list = older ? [...list, ...page] : page;
      const focused = document.activeElement?.closest?.('tr')?.dataset.id;
      all.hidden = list.length === 0;
      content.replaceChildren(
        list.length === 0 ? h('p', {class: 'empty'}, 'None: no execution has run out of retries.')
          : table('Dead letters', ['Finished', 'Error', 'Input', '#Attempts', 'Again'], h('tbody', null, list.map(one => row(one)))),
        ...nextCursor ? [h('div', {class: 'actions'}, h('button', {type: 'button', onclick: () => load(nextCursor)}, 'Older'))] : [],
        ...dropped > 0 ? [h('p', {class: 'note'}, `${dropped} older ones were dropped.`)] : []);
      if (focused) [...content.querySelectorAll('tr')].find(tr => tr.dataset.id === focused)?.querySelector('button')?.focus();
    } catch (err) {
      content.replaceChildren(h('p', {class: 'alert'}, err.text));
    } finally {
      loading = false;
    }
  }

  function row(one) {
    return h('tr', {'data-id': one.executionId},
      h('td', null, h('a', {href: '#/executions/' + one.executionId}, clock(one.finishedAtMillis))),
      h('td', {class: 'text'}, one.error ? `${one.error.message} (${one.error.code})` : one.status),
      h('td', null, h('code', {class: 'clip', title: json(one.input)}, JSON.stringify(one.input))),
      h('td', {class: 'num'}, one.attempt),
      h('td', null, h('button', {type: 'button', 'aria-label': `Re-drive ${one.executionId}`, onclick: () => redrive({ids: [one.executionId]})}, 'Re-drive')));
  }

  load();
  return {
    root: h('section', {'aria-label': 'Dead letters'}, h('div', {class: 'head'}, h('h2', null, 'Dead letters'), all), note, content),
    /** update reads the list again when the server counts another number, unless older ones are looked at. */
    update(n) {
      if (n === undefined || n === counted || loading || list.length > 100) return;
      counted = n;
      load();
    },
  };
}

function followUps(redriven) {
  return redriven.slice(0, 5).flatMap(r => [' ', h('a', {href: '#/executions/' + r.executionId}, r.executionId.slice(0, 8))]);
}
