// What the flight recorder holds, and a button that saves it.
import {file} from '../api.js';
import {announce, h, setText} from '../dom.js';
import {age, bytes, count} from '../format.js';

/** flightRecorder is a section that shows what the server says of it. */
export function flightRecorder() {
  const holds = h('p', {id: 'flight'});
  const files = h('p', {hidden: true});
  const note = h('p', {role: 'status'});
  const button = h('button', {type: 'button', onclick: save}, 'Save a dump');
  let saving = false;

  function show(s) {
    setText(holds, held(s));
    button.disabled = !s.enabled || saving;
    files.hidden = !s.recording;
    if (s.recording) setText(files, recorded(s.recording));
  }

  async function save() {
    button.disabled = saving = true;
    setText(note, '');
    try {
      const {blob, name} = await file('POST', 'v1/admin/flight-recorder:dump');
      const url = URL.createObjectURL(blob);
      h('a', {href: url, download: name || 'simplane-dump.rec'}).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setText(note, `Saved ${bytes(blob.size)} as ${name}.`);
      announce(note.textContent);
    } catch (err) {
      setText(note, err.text);
    }
    button.disabled = saving = false;
  }

  return {show, root: h('section', {'aria-label': 'Flight recorder'}, h('h2', null, 'Flight recorder'), holds, files,
    h('div', {class: 'actions'}, button), note,
    h('p', {class: 'note'}, 'Every decision, with times and lengths and without content, for `simplane record info`.'))};
}

function held(s) {
  if (!s.enabled) return 'Nothing is kept in memory (flightRecorderBytes is 0).';
  if (s.steps === 0) return 'Nothing has happened yet.';
  const span = millis => age((s.toMillis - millis) / 1000);
  const functions = s.functions === 1 ? 'one function' : `${count(s.functions)} functions`;
  let text = `It holds the last ${span(s.fromMillis)} of ${functions}: ${count(s.steps)} of ${count(s.capacitySteps)} steps, ${bytes(s.bytes + s.baseBytes)}.`;
  if (s.wholeFromMillis > s.fromMillis) text += ` Of the last ${span(s.wholeFromMillis)} it has everything.`;
  return text;
}

function recorded(r) {
  const written = `${count(r.steps)} steps, ${bytes(r.bytes)}`;
  return r.active ? `All is recorded into files: ${written} so far.` : `Recording into files has ended after ${written}: ${r.stopped}.`;
}
