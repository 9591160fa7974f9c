// What was done meanwhile, as a list below the charts: what the flags in them stand for.
import {markText} from './chart.js';
import {h} from './dom.js';

/** marksList shows the latest marks, newest first. */
export function marksList() {
  const list = h('ul', {class: 'marks'});
  const root = h('details', {hidden: true}, h('summary', null, 'What was done in this time'), list);
  let seen = -1;
  return {root, update(marks) {
    if (marks.length === seen) return;
    seen = marks.length;
    root.hidden = marks.length === 0;
    list.replaceChildren(...marks.slice(-50).reverse().map(m => h('li', {class: m.kind === 'fault' ? 'bad' : null}, markText(m))));
  }};
}
