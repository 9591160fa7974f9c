// The dialog that registers a function, or changes one: as a form or as YAML, with what
// would change shown before it is applied.
import {ApiError, call, fn, get} from '../api.js';
import {open} from '../dialog.js';
import {diff} from '../diff.js';
import {announce, h} from '../dom.js';
import {field, Problems} from '../form.js';
import {store} from '../store.js';

const NUMBERS = ['concurrency', 'queueSize', 'maxRetries', 'timeoutMillis', 'rateMaxPerSecond'];

// Which fields a function of a mode has; those that are not named here all have.
const OF_MODE = {
  runtimeMode: s => s.executionMode === 'DEPLOYMENT', image: s => s.executionMode === 'DEPLOYMENT', provider: s => s.executionMode === 'DEPLOYMENT',
  commands: s => s.executionMode === 'DEPLOYMENT', runtimeCommand: s => s.executionMode === 'DEPLOYMENT', workingDirectory: s => s.executionMode === 'DEPLOYMENT',
  endpointUrl: s => s.executionMode === 'POOL', invokePath: s => s.executionMode === 'POOL' || s.executionMode === 'DEPLOYMENT' && s.runtimeMode === 'HTTP',
  bodyMode: s => s.executionMode === 'POOL' || s.executionMode === 'DEPLOYMENT' && s.runtimeMode === 'HTTP',
};

/**
 * edit opens the dialog: {name} changes that function, {from} makes a copy of one,
 * {fresh} suggests a name for a new one. done is called when it is applied.
 */
export async function edit({name, from, fresh, done}) {
  const of = name ?? from;
  let base = {executionMode: 'DEPLOYMENT', runtimeMode: 'HTTP'}, generation = 0, current = '';
  if (of) {
    try {
      const known = await call('POST', fn(of) + ':check', {body: ''});
      base = known.spec;
      if (name) [generation, current] = [known.generation, known.yaml];
      else base = {...base, name: ''};
    } catch (err) {
      announce(err.text);
      return;
    }
  }
  const fields = [
    field({label: 'Name', name: 'name', required: true, value: base.name ?? fresh ?? '', hint: 'Letters, digits, dots, dashes and underscores.', readonly: Boolean(name)}),
    field({label: 'Execution mode', name: 'executionMode', kind: 'select', options: ['DEPLOYMENT', 'POOL', 'LOCAL'], value: base.executionMode, disabled: Boolean(name), hint: name ? 'It cannot be changed.' : 'DEPLOYMENT: simplane starts it. POOL: it runs at a URL. LOCAL: in the server.'}),
    field({label: 'Runtime mode', name: 'runtimeMode', kind: 'select', options: ['HTTP', 'STDIO', 'FILE', 'EXEC'], value: base.runtimeMode, hint: 'How a process takes work.'}),
    field({label: 'Commands', name: 'commands', value: base.commands?.length ? JSON.stringify(base.commands) : '', hint: 'What is started, as a JSON list: ["python3", "f.py"].'}),
    field({label: 'Runtime command', name: 'runtimeCommand', value: base.runtimeCommand ?? '', hint: 'Or a shell command that starts it.'}),
    field({label: 'Working directory', name: 'workingDirectory', value: base.workingDirectory ?? ''}),
    field({label: 'Image', name: 'image', value: base.image ?? '', hint: 'Of the container, where one is started.'}),
    field({label: 'Provider', name: 'provider', kind: 'select', options: ['', 'process', 'container', 'kubernetes'], none: 'the server’s first', value: base.provider ?? ''}),
    field({label: 'Endpoint URL', name: 'endpointUrl', value: base.endpointUrl ?? '', hint: 'Where the function runs.'}),
    field({label: 'Invoke path', name: 'invokePath', value: base.invokePath ?? '', placeholder: '/'}),
    field({label: 'Body', name: 'bodyMode', kind: 'select', options: ['envelope', 'raw'], value: base.bodyMode ?? 'envelope'}),
    field({label: 'Concurrency', name: 'concurrency', value: base.concurrency ?? '', placeholder: '4', inputmode: 'numeric'}),
    field({label: 'Queue size', name: 'queueSize', value: base.queueSize ?? '', placeholder: '100', inputmode: 'numeric'}),
    field({label: 'Retries', name: 'maxRetries', value: base.maxRetries ?? '', placeholder: '3', inputmode: 'numeric'}),
    field({label: 'Timeout (ms)', name: 'timeoutMillis', value: base.timeoutMillis ?? '', placeholder: '30000', inputmode: 'numeric'}),
    field({label: 'Rate limit', name: 'rateMaxPerSecond', value: base.rateMaxPerSecond ?? '', placeholder: 'none', inputmode: 'numeric', hint: 'Submissions a second of this function alone.'}),
  ];
  const yaml = field({label: 'Spec as YAML', name: 'yaml', kind: 'textarea', wide: true, rows: 20, hint: 'All members: docs/spec.md.'});
  const problems = new Problems([...fields, yaml]);
  const asForm = h('div', {class: 'grid'}, fields.map(f => f.root));
  const asText = h('div', {hidden: true}, yaml.root);
  const shown = h('div', {class: 'changes'});
  const apply = h('button', {type: 'button', class: 'primary', hidden: true}, name ? 'Apply' : 'Register');
  const review = h('button', {class: name ? 'primary' : '', value: 'review'}, 'Review');
  const direct = h('button', {class: 'primary', value: 'register'}, 'Register');
  const turn = h('button', {type: 'button', 'aria-pressed': 'false'}, 'Edit as YAML');
  const form = h('form', null, asForm, asText, problems.root, shown,
    h('div', {class: 'actions'}, name ? review : [direct, review], apply, turn));
  form.noValidate = true;
  const {dialog} = open(name ? `Edit ${name}` : from ? `Clone ${from}` : 'Register a function', form, {wide: true});
  let text = null; // the YAML that is edited; null = the form is

  const values = () => Object.fromEntries(fields.map(f => [f.name, f.control.value.trim()]));
  const fit = () => {
    const v = values();
    for (const f of fields) if (OF_MODE[f.name]) f.root.hidden = !OF_MODE[f.name](v);
  };
  form.addEventListener('change', fit);
  form.addEventListener('input', () => { shown.replaceChildren(); apply.hidden = true; });
  fit();

  /** collect is the spec in the form, over the one it began with. */
  function collect() {
    const spec = {...base}, details = [], v = values();
    for (const f of fields) {
      const value = v[f.name], hidden = OF_MODE[f.name] && !OF_MODE[f.name](v);
      if (hidden && v.executionMode === base.executionMode && v.runtimeMode === base.runtimeMode) continue; // as it was
      if (hidden || value === '') {
        delete spec[f.name];
      } else if (f.name === 'commands') {
        try {
          spec.commands = JSON.parse(value);
        } catch {
          details.push('commands: must be a JSON list, such as ["python3", "f.py"]');
        }
      } else if (NUMBERS.includes(f.name)) {
        if (!/^-?\d+$/.test(value)) details.push(`${f.name}: must be a whole number`);
        spec[f.name] = Number(value);
      } else spec[f.name] = value;
    }
    if (details.length > 0) throw new ApiError(0, 'FORM', 'Please correct the form', details);
    return spec;
  }

  const called = () => name ?? (text === null ? values().name : /^name:\s*["']?([^"'\s#]+)/m.exec(yaml.control.value)?.[1] ?? '');
  const check = async () => call('POST', fn(called() || '-') + ':check', {body: text === null ? JSON.stringify(collect()) : yaml.control.value});

  async function put(spec) {
    const made = name || text !== null && generation > 0
      ? await call('PUT', fn(spec.name), {body: JSON.stringify(spec), headers: {'If-Match': `"${generation}"`}})
      : await call('POST', 'v1/functions', {body: JSON.stringify(spec)});
    dialog.close();
    announce(name ? `${name} is changed, generation ${made.generation}.` : `Function ${made.name} is registered.`);
    await store.refresh();
    if (name) done?.();
    else location.hash = '#/functions/' + encodeURIComponent(made.name);
  }

  /** attempt runs what a button does, and shows what is wrong. */
  async function attempt(action) {
    if (form.getAttribute('aria-busy') === 'true') return;
    form.setAttribute('aria-busy', 'true');
    problems.clear();
    try {
      await action();
    } catch (err) {
      if (err.code === 'GENERATION_CONFLICT') await conflict();
      else problems.show(err);
    } finally {
      form.setAttribute('aria-busy', 'false');
    }
  }

  /** conflict says what somebody else has changed, and goes on from there. */
  async function conflict() {
    const theirs = await get(fn(name));
    const now = await call('POST', fn(name) + ':check', {body: ''});
    shown.replaceChildren(h('div', {class: 'alert', role: 'alert'}, h('p', null, `Somebody else has changed ${name} while you were editing: it is at generation ${theirs.generation} now. This is what they have changed. Review yours again: it would replace theirs.`)),
      diff(current, now.yaml));
    [generation, current] = [now.generation, now.yaml];
    apply.hidden = true;
  }

  form.addEventListener('submit', event => {
    event.preventDefault();
    attempt(async () => {
      if (event.submitter === direct && text === null) {
        await put(collect());
        return;
      }
      const c = await check();
      if (!name && c.generation > 0) throw new ApiError(409, 'FUNCTION_EXISTS', `a function ${c.spec.name} is already registered; open it to change it`);
      if (event.submitter === direct) {
        await put(c.spec);
        return;
      }
      if (name && c.yaml === current) {
        shown.replaceChildren(h('p', {role: 'status'}, 'Nothing is changed.'));
        return;
      }
      shown.replaceChildren(h('h3', null, name ? 'What would change' : 'What would be registered'), diff(current, c.yaml));
      apply.onclick = () => attempt(() => put(c.spec));
      apply.hidden = false;
      review.classList.remove('primary');
      apply.focus();
    });
  });
  turn.addEventListener('click', () => attempt(async () => {
    if (text === null) {
      const c = await check();
      text = yaml.control.value = c.yaml;
    } else {
      const c = await check();
      base = c.spec;
      text = null;
      for (const f of fields) {
        const v = base[f.name];
        f.control.value = f.name === 'commands' ? v?.length ? JSON.stringify(v) : '' : v ?? '';
      }
      fit();
    }
    turn.textContent = text === null ? 'Edit as YAML' : 'Edit as a form';
    turn.setAttribute('aria-pressed', String(text !== null));
    asForm.hidden = text !== null;
    asText.hidden = text === null;
    shown.replaceChildren();
    apply.hidden = true;
  }));
}

/** showDiff asks, with the difference, whether to go on. */
export async function showDiff(title, before, after, changes, action) {
  const go = h('button', {type: 'button', class: 'primary'}, action), stay = h('button', {type: 'button', autofocus: true}, 'Cancel');
  const {dialog, closed} = open(title, [changes.length === 0 ? h('p', null, 'The two specs are alike.') : diff(before, after), h('div', {class: 'actions'}, stay, go)], {wide: true});
  stay.addEventListener('click', () => dialog.close(''));
  go.addEventListener('click', () => dialog.close('yes'));
  return await closed === 'yes';
}
