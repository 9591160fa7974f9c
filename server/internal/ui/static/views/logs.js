// What a function's instances have written, followed while it is looked at.
import {fn, get, getText} from '../api.js';
import {h} from '../dom.js';

const EVERY = 2000;

/** logs is a section that follows, until it is paused or closed. */
export function logs(name) {
  let paused = false, closed = false, shown = '';
  const text = h('pre', {class: 'logs', tabindex: '0', 'aria-label': 'Logs'});
  const button = h('button', {type: 'button', 'aria-pressed': 'false', onclick: () => {
    paused = !paused;
    button.setAttribute('aria-pressed', String(paused));
    button.textContent = paused ? 'Follow' : 'Pause';
    if (!paused) read();
  }}, 'Pause');

  async function read() {
    if (paused || closed) return;
    try {
      const now = await getText(fn(name) + '/logs?tail=200') || '(nothing was written)';
      const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 20 || shown === '';
      if (now !== shown) text.textContent = shown = now;
      if (atEnd) text.scrollTop = text.scrollHeight;
    } catch (err) {
      text.textContent = shown = err.text;
    }
    if (!closed) setTimeout(read, EVERY);
  }

  read();
  return {root: h('section', null, h('div', {class: 'head'}, h('h2', null, 'Logs'), button), text), close: () => { closed = true; }};
}

/** logsBetween is a section with what a function's instances wrote in a time, ms since
 *  1970; nothing where simplane runs none. */
export async function logsBetween(name, from, to) {
  const {rows} = await get('v1/admin/overview?' + new URLSearchParams({search: name, limit: 1000}));
  if (!rows.some(r => r.name === name) || !(await get(fn(name) + '/instances')).provider) return [];
  const all = await getText(`${fn(name)}/logs?tail=2000&since=${from}`);
  const last = new Date(to + 1000).toISOString();
  const lines = all.split('\n').filter(line => line !== '' && line.slice(0, 24) <= last);
  return [h('section', {'aria-label': 'Logs of this time'}, h('h2', null, 'Logs of this time'),
    h('p', {class: 'note'}, 'Of all instances of the function, from its acceptance to a second after its end.'),
    h('pre', {class: 'logs', tabindex: '0', 'aria-label': 'Logs of this time'}, lines.join('\n') || '(nothing was written)'))];
}
