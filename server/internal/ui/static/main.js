// The frame of the page: which view is shown, and what is said about the
// server as a whole.
import {auth, hasToken, setToken} from './api.js';
import {open} from './dialog.js';
import {h, announce, setText} from './dom.js';
import {field} from './form.js';
import {age} from './format.js';
import {store} from './store.js';
import {functionsView} from './views/functions.js';
import {functionView} from './views/function.js';
import {executionsView} from './views/executions.js';
import {executionView} from './views/execution.js';
import {configView} from './views/config.js';
import {reportsView} from './views/reports.js';
import {systemView} from './views/system.js';

const main = document.getElementById('main');
let view = null;

/** A view is {title, root, load?, update?, close?}: load makes the request of a reading,
 *  update shows what it has brought. */
function choose(path, query) {
  const [area, arg] = path.split('/').map(decodeURIComponent);
  switch (area) {
    case 'functions': return arg ? functionView(arg) : functionsView(query);
    case 'executions': return arg ? executionView(arg) : executionsView(query);
    case 'config': return configView();
    case 'reports': return reportsView();
    case 'system': return systemView();
  }
  return functionsView(query);
}

function show(event) {
  const hash = location.hash;
  if (hash === '#main') return; // the skip link
  const [path, query] = (hash.startsWith('#/') ? hash.slice(2) : 'functions').split('?');
  view?.close?.();
  try {
    view = choose(path, new URLSearchParams(query));
  } catch {
    view = functionsView(new URLSearchParams()); // an address that cannot be decoded
  }
  document.title = `${view.title} · simplane`;
  main.replaceChildren(view.root);
  store.use(view.load);
  view.update?.();
  if (event) store.refresh();
  for (const a of document.querySelectorAll('nav a')) {
    const here = path.split('/')[0] === a.hash.slice(2);
    if (here) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  if (!event) return; // at first the focus stays at the top, before the skip link
  main.focus({preventScroll: true});
  scrollTo(0, 0);
  announce(view.title);
}

function health() {
  const el = document.getElementById('health');
  const down = store.error;
  el.classList.toggle('down', down !== null);
  let text = store.at ? 'connected' : '';
  if (down) text = down.status === 401 ? 'token needed' : down.status === 0 ? 'no connection' : down.text;
  // Figures that nobody renews are shown as what they are.
  const stale = down !== null && store.at > 0;
  main.classList.toggle('stale', stale);
  if (stale) text += `: figures are ${age((performance.now() - store.at) / 1000)} old`;
  setText(el, text);
}

let asking = false;

async function askToken() {
  if (asking) return;
  asking = true;
  const f = field({label: 'Bearer token', name: 'token', kind: 'password', hint: 'Kept in this tab until it is closed. Leave it empty to forget it.'});
  const form = h('form', null, h('p', null, hasToken() ? 'A token is set.' : 'The server asks for a token.'), f.root,
    h('div', {class: 'actions'}, h('button', {class: 'primary'}, 'Use token')));
  const {dialog, closed} = open('Token', form);
  form.addEventListener('submit', event => {
    event.preventDefault();
    setToken(f.control.value.trim());
    dialog.close('set');
  });
  const set = await closed === 'set';
  asking = false;
  if (set) {
    await store.refresh();
    show();
  }
}

// Ask once by itself; who closes the dialog has the button.
auth.addEventListener('needed', askToken, {once: true});
document.getElementById('token').addEventListener('click', askToken);
document.querySelector('.skip').addEventListener('click', event => {
  event.preventDefault();
  main.focus();
});
addEventListener('hashchange', show);
store.addEventListener('change', () => {
  health();
  view?.update?.();
});
show();
store.start();
