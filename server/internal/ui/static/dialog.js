// Modal dialogs. The browser's own <dialog> keeps the focus inside, gives it
// back afterwards and closes on Escape.
import {h, newId} from './dom.js';

/** open shows a dialog; the promise settles when it is closed. */
export function open(title, content, {wide} = {}) {
  const id = newId('dialog');
  const dialog = h('dialog', {'aria-labelledby': id, class: wide ? 'wide' : null},
    h('div', {class: 'dialog-head'}, h('h2', {id}, title),
      h('button', {type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: () => dialog.close()}, '✕')),
    content);
  document.body.append(dialog);
  dialog.showModal();
  // The first field, rather than the button that closes.
  dialog.querySelector('input, textarea, select, [autofocus]')?.focus();
  const closed = new Promise(resolve => dialog.addEventListener('close', () => {
    dialog.remove();
    resolve(dialog.returnValue);
  }));
  return {dialog, closed};
}

/** confirm asks before something that cannot be undone. */
export async function confirm(title, text, action) {
  const cancel = h('button', {type: 'button', autofocus: true}, 'Cancel');
  const go = h('button', {type: 'button', class: 'danger'}, action);
  const {dialog, closed} = open(title, [h('p', null, text), h('div', {class: 'actions'}, cancel, go)]);
  cancel.addEventListener('click', () => dialog.close(''));
  go.addEventListener('click', () => dialog.close('yes'));
  return await closed === 'yes';
}
