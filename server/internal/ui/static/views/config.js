// The settings that can be changed while the server runs.
import {call, get} from '../api.js';
import {announce, h} from '../dom.js';
import {clock} from '../format.js';
import {field, Problems, submitting} from '../form.js';

const PATH = 'v1/admin/runtime-config';

const KNOWN = {
  rateMaxPerSecond: ['Rate limit', 'Submissions accepted in each second, all functions together; 0 is no limit.'],
  syncQueueEnabled: ['Sync queue', 'Judge sync invocations by their expected wait.'],
  syncQueueAdmissionEnabled: ['Refuse on estimated wait', 'With the sync queue on.'],
  syncQueueMaxEstimatedWait: ['Longest estimated wait', 'ISO 8601, such as PT0.5S; at most the longest real wait.'],
  syncQueueMaxQueueWait: ['Longest real wait', 'ISO 8601, such as PT2S.'],
  syncQueueRetryAfterSeconds: ['Retry-After (seconds)', 'What refused callers are told.'],
  syncQueueMaxConcurrency: ['Admitted without a look', 'Sync invocations in flight.'],
  syncQueueMaxDepth: ['Longest sync queue', 'Beyond it, newcomers are refused.'],
};

export function configView() {
  const holder = h('div');
  const note = h('p', {role: 'status'});

  async function load() {
    try {
      holder.replaceChildren(editor(await get(PATH)));
    } catch (err) {
      holder.replaceChildren(h('p', {class: 'alert', role: 'alert'}, err.text));
    }
  }

  function editor(answer) {
    const {effectiveConfig, appliedAt, changeId, ...values} = answer;
    const fields = Object.keys(values).filter(k => k !== 'revision').map(key => control(key, values[key]));
    const problems = new Problems(fields);
    const form = h('form', {class: 'grid'}, fields.map(f => f.root), problems.root, h('div', {class: 'actions wide'},
      h('button', {class: 'primary', value: 'save'}, 'Save'), h('button', {value: 'check'}, 'Check only'),
      h('button', {type: 'button', class: 'quiet', onclick: load}, 'Read again'),
      h('span', {class: 'note'}, `revision ${values.revision}, since ${clock(Date.parse(appliedAt))}`)));
    submitting(form, problems, async button => {
      note.textContent = '';
      const change = changes(fields, values);
      if (Object.keys(change).length === 0) {
        note.textContent = 'Nothing is changed.';
        return;
      }
      const body = JSON.stringify({expectedRevision: values.revision, ...change});
      if (button?.value === 'check') {
        await call('POST', PATH + '/validate', {body});
        note.textContent = 'These values are valid. Nothing is changed yet.';
        return;
      }
      const now = await call('PATCH', PATH, {body});
      note.textContent = `Saved as revision ${now.revision}.`;
      announce(note.textContent);
      holder.replaceChildren(editor(now));
    });
    return form;
  }

  load();
  return {title: 'Settings',
    root: h('div', null, h('h1', null, 'Settings of the running server'), note, holder)};
}

function control(key, value) {
  const [label, hint] = KNOWN[key] ?? [key];
  if (typeof value === 'boolean') return field({label, name: key, kind: 'checkbox', value, hint});
  return field({label, name: key, value: String(value), hint, inputmode: typeof value === 'number' ? 'numeric' : null});
}

/** changes are the values that differ from what was read. */
function changes(fields, values) {
  const out = {}, details = [];
  for (const {name, control: c} of fields) {
    let value = c.type === 'checkbox' ? c.checked : c.value.trim();
    if (typeof values[name] === 'number') {
      if (!/^-?\d+$/.test(value)) details.push(`${name}: must be a whole number`);
      value = Number(value);
    }
    if (value !== values[name]) out[name] = value;
  }
  if (details.length > 0) throw {message: 'Please correct the form', code: 'FORM', details};
  return out;
}
