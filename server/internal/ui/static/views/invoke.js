// The form that runs a function, and what came of it.
import {call, fn, get} from '../api.js';
import {announce, badge, h} from '../dom.js';
import {field, Problems, submitting} from '../form.js';
import {json, ms} from '../format.js';

const FOLLOW = 500; // ms between two looks at an enqueued execution

export function invokeForm(name) {
  const input = field({label: 'Input (JSON)', name: 'input', kind: 'textarea', value: '{}', wide: true, required: true});
  const timeout = field({label: 'Timeout (ms)', name: 'X-Timeout-Ms', placeholder: "the function's", inputmode: 'numeric'});
  const key = field({label: 'Idempotency key', name: 'Idempotency-Key'});
  const trace = field({label: 'Trace id', name: 'X-Trace-Id'});
  const fields = [input, timeout, key, trace];
  const problems = new Problems(fields);
  const result = h('div', {class: 'result', role: 'status'});
  const form = h('form', {class: 'grid'}, fields.map(f => f.root), problems.root,
    h('div', {class: 'actions wide'},
      h('button', {class: 'primary', value: ':invoke'}, 'Invoke'), h('button', {value: ':enqueue'}, 'Enqueue')));

  submitting(form, problems, async button => {
    result.replaceChildren();
    const text = input.control.value;
    try {
      JSON.parse(text);
    } catch (err) {
      throw {message: 'Please correct the input', code: 'FORM', details: ['input: ' + err.message]};
    }
    const headers = {};
    for (const f of [timeout, key, trace]) if (f.control.value.trim() !== '') headers[f.name] = f.control.value.trim();
    const began = performance.now();
    // The text is sent as it was typed: parsing would round large numbers.
    const answer = await call('POST', fn(name) + (button?.value ?? ':invoke'), {body: `{"input":${text}}`, headers});
    result.replaceChildren(...outcome(answer, performance.now() - began));
    announce(`${name}: ${answer.status}`);
    if (answer.status === 'queued') follow(answer.executionId, began);
  });

  /** follow shows how an enqueued execution goes, until it has ended or another one is shown. */
  async function follow(id, began) {
    while (result.isConnected && result.querySelector('a')?.textContent === id) {
      await new Promise(resolve => setTimeout(resolve, FOLLOW));
      let now;
      try {
        now = await get('v1/executions/' + id);
      } catch {
        return; // the page says what is wrong with the server
      }
      if (!result.isConnected || result.querySelector('a')?.textContent !== id) return;
      result.replaceChildren(...outcome(now, performance.now() - began));
      if (now.finishedAtMillis) {
        announce(`${name}: ${now.status}`);
        return;
      }
    }
  }
  return h('section', {'aria-label': 'Invoke'}, h('h2', null, 'Invoke'), form, result);
}

function outcome(answer, took) {
  return [
    h('p', null, badge(answer.status), ` after ${ms(took)}, execution `,
      h('a', {href: '#/executions/' + answer.executionId}, answer.executionId)),
    answer.error && h('p', {class: 'alert'}, `${answer.error.message} (${answer.error.code})`),
    'output' in answer && h('pre', {tabindex: '0', 'aria-label': 'Output'}, json(answer.output)),
  ].filter(Boolean);
}
