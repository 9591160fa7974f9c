// Form fields with labels, hints and errors tied to them.
import {h, newId} from './dom.js';

/**
 * field makes a labelled control. kind is text, number, textarea, select,
 * checkbox or password. error(text) shows what is wrong with it.
 */
export function field({label, name, kind = 'text', value, hint, options, wide, ...attributes}) {
  const id = newId('field'), hintId = id + '-hint', errorId = id + '-error';
  const props = {id, name, 'aria-describedby': `${hint ? hintId + ' ' : ''}${errorId}`, ...attributes};
  let control;
  if (kind === 'select') control = h('select', props, options.map(o => h('option', {value: o}, o === '' ? attributes.none ?? 'any' : o)));
  else if (kind === 'textarea') control = h('textarea', {rows: 5, spellcheck: 'false', ...props});
  else control = h('input', {type: kind, autocomplete: 'off', ...props});
  if (kind === 'checkbox') control.checked = Boolean(value);
  else if (value !== undefined) control.value = value;
  const problem = h('span', {id: errorId, class: 'problem'});
  const text = h('label', {for: id}, label, attributes.required ? h('span', {class: 'required', 'aria-hidden': 'true'}, ' *') : null);
  const root = h('div', {class: `field ${kind}${wide ? ' wide' : ''}`},
    kind === 'checkbox' ? [control, text] : [text, control],
    hint ? h('span', {id: hintId, class: 'hint'}, hint) : null, problem);
  return {
    root, control, name,
    error(what) {
      problem.textContent = what ?? '';
      control.setAttribute('aria-invalid', what ? 'true' : 'false');
    },
  };
}

/** Problems is the summary of what is wrong, read out when it changes. */
export class Problems {
  constructor(fields = []) {
    this.fields = fields;
    this.root = h('div', {class: 'alert', role: 'alert', hidden: true});
  }

  clear() {
    this.root.hidden = true;
    this.root.replaceChildren();
    for (const f of this.fields) f.error(null);
  }

  /** show puts each "field: what" beside its field, and the rest here; the
   *  first field that is wrong gets the focus. */
  show(error) {
    this.clear();
    const rest = [];
    for (const detail of error.details ?? []) {
      const at = detail.indexOf(': ');
      const f = this.fields.find(one => one.name === detail.slice(0, at));
      if (!f) {
        rest.push(detail);
        continue;
      }
      f.error(detail.slice(at + 2));
    }
    const first = this.fields.find(f => f.control.getAttribute('aria-invalid') === 'true');
    if (rest.length === 0) rest.push(first ? `${error.message} (${error.code})` : error.text ?? error.message);
    this.root.replaceChildren(...rest.map(text => h('p', null, text)));
    this.root.hidden = false;
    first?.control.focus();
  }
}

/** submitting runs an action on submit, with the button off meanwhile. */
export function submitting(form, problems, action) {
  form.noValidate = true; // the server's words are shown beside the fields
  form.addEventListener('submit', async event => {
    event.preventDefault();
    if (form.getAttribute('aria-busy') === 'true') return;
    form.setAttribute('aria-busy', 'true');
    problems.clear();
    try {
      await action(event.submitter);
    } catch (err) {
      problems.show(err);
    } finally {
      form.setAttribute('aria-busy', 'false');
    }
  });
}
