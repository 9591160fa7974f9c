// Two texts line by line: what goes, what comes, and what stays around it.
import {h} from './dom.js';

/** lines are {sign: '-', '+' or ' ', text}, by the longest common subsequence. */
export function lines(before, after) {
  const a = before === '' ? [] : before.trimEnd().split('\n'), b = after === '' ? [] : after.trimEnd().split('\n');
  const common = Array.from({length: a.length + 1}, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({sign: ' ', text: a[i++]});
      j++;
    } else if (j >= b.length || i < a.length && common[i + 1][j] >= common[i][j + 1]) out.push({sign: '-', text: a[i++]});
    else out.push({sign: '+', text: b[j++]});
  }
  return out;
}

const CLASS = {'-': 'gone', '+': 'new', ' ': null};
const WORD = {'-': 'removed: ', '+': 'added: ', ' ': ''};

/** diff shows two texts. */
export const diff = (before, after) => h('pre', {class: 'diff', tabindex: '0', 'aria-label': 'Differences'},
  lines(before, after).map(({sign, text}) => h('span', {class: CLASS[sign]}, h('span', {class: 'sr'}, WORD[sign]), `${sign} ${text}\n`)));
