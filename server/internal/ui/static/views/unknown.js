// What is shown in place of a function that is not there.
import {get} from '../api.js';
import {h} from '../dom.js';
import {edit} from './edit.js';

/** unknownFunction says so, and names those that may have been meant. */
export async function unknownFunction(name) {
  let alike = [];
  for (let n = Math.min(name.length, 12); n >= 3 && alike.length === 0; n -= 3) {
    const {rows} = await get('v1/admin/overview?' + new URLSearchParams({search: name.slice(0, n), limit: 5}));
    alike = rows.map(r => r.name);
  }
  return h('div', {class: 'empty'},
    h('h1', null, `There is no function ${name}`),
    h('p', null, 'It was never registered, or it was deleted.'),
    alike.length > 0 && h('p', null, 'Did you mean ', alike.map((one, i) => [i > 0 ? ', ' : '', h('a', {href: '#/functions/' + encodeURIComponent(one)}, one)]), '?'),
    h('div', {class: 'actions'}, h('a', {href: '#/functions'}, 'All functions'), h('a', {href: '#/executions?function=' + encodeURIComponent(name)}, 'Its executions'),
      h('button', {type: 'button', onclick: () => edit({fresh: name})}, 'Register it')));
}
