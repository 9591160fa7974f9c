// The dialog that registers a function.
import {call} from '../api.js';
import {open} from '../dialog.js';
import {announce, h} from '../dom.js';
import {field, Problems, submitting} from '../form.js';
import {store} from '../store.js';

const NUMBERS = ['concurrency', 'queueSize', 'maxRetries', 'timeoutMillis'];

export function register() {
  const fields = [
    field({label: 'Name', name: 'name', required: true, hint: 'Letters, digits, dots, dashes and underscores.'}),
    field({label: 'Image', name: 'image', hint: 'Of the container, where one is started.'}),
    field({label: 'Execution mode', name: 'executionMode', kind: 'select', options: ['DEPLOYMENT', 'POOL', 'LOCAL']}),
    field({label: 'Runtime mode', name: 'runtimeMode', kind: 'select', options: ['HTTP', 'STDIO', 'FILE', 'EXEC']}),
    field({label: 'Endpoint URL', name: 'endpointUrl', hint: 'For POOL: where the function runs.'}),
    field({label: 'Runtime command', name: 'runtimeCommand', hint: 'For DEPLOYMENT: a shell command that starts it.'}),
    field({label: 'Concurrency', name: 'concurrency', placeholder: '4', inputmode: 'numeric'}),
    field({label: 'Queue size', name: 'queueSize', placeholder: '100', inputmode: 'numeric'}),
    field({label: 'Retries', name: 'maxRetries', placeholder: '3', inputmode: 'numeric'}),
    field({label: 'Timeout (ms)', name: 'timeoutMillis', placeholder: '30000', inputmode: 'numeric'}),
    field({label: 'More keys, as JSON', name: 'more', kind: 'textarea', wide: true, hint: 'Such as {"env": {"LEVEL": "debug"}}; these win over the fields above.'}),
  ];
  const problems = new Problems(fields);
  const form = h('form', {class: 'grid'}, fields.map(f => f.root), problems.root,
    h('div', {class: 'actions wide'}, h('button', {class: 'primary'}, 'Register')));
  const {dialog} = open('Register a function', form, {wide: true});
  submitting(form, problems, async () => {
    const spec = collect(fields);
    const made = await call('POST', 'v1/functions', {body: JSON.stringify(spec)});
    dialog.close();
    announce(`Function ${made.name} is registered.`);
    await store.refresh();
    location.hash = '#/functions/' + encodeURIComponent(made.name);
  });
}

function collect(fields) {
  const spec = {}, details = [];
  for (const {name, control} of fields) {
    const text = control.value.trim();
    if (text === '' || name === 'more') continue;
    if (NUMBERS.includes(name)) {
      if (!/^-?\d+$/.test(text)) details.push(`${name}: must be a whole number`);
      spec[name] = Number(text);
    } else spec[name] = text;
  }
  const more = fields.find(f => f.name === 'more').control.value.trim();
  if (more !== '') {
    try {
      const extra = JSON.parse(more);
      if (extra === null || typeof extra !== 'object' || Array.isArray(extra)) details.push('more: must be a JSON object');
      else Object.assign(spec, extra);
    } catch (err) {
      details.push('more: ' + err.message);
    }
  }
  if (details.length > 0) throw {message: 'Please correct the form', code: 'FORM', details};
  return spec;
}
