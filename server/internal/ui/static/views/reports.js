// Opens report files from the user's disk. They never leave the browser.
import {h} from '../dom.js';
import {eventsReport} from '../reports/events.js';
import {jsonReport} from '../reports/json.js';

export function reportsView() {
  const shown = h('div', {'aria-live': 'polite'});
  const picker = h('input', {type: 'file', id: 'report-file', accept: '.json,.jsonl,.html,.htm', onchange: () => open(picker.files[0])});
  const area = h('div', {class: 'drop',
    ondragover: e => { e.preventDefault(); area.classList.add('over'); },
    ondragleave: () => area.classList.remove('over'),
    ondrop: e => { e.preventDefault(); area.classList.remove('over'); open(e.dataTransfer.files[0]); }},
    h('label', {for: 'report-file'}, 'Open a report'), picker,
    h('span', {class: 'hint'}, 'result.json, events.jsonl or report.html of a simulation or a load test; or drop one here.'));
  let close = () => {};

  async function open(file) {
    if (!file) return;
    close();
    close = () => {};
    try {
      const report = render(file.name, await file.text());
      close = report.close ?? close;
      shown.replaceChildren(h('h2', null, file.name), report.root);
    } catch (err) {
      shown.replaceChildren(h('p', {class: 'alert', role: 'alert'}, `${file.name}: ${err.message}`));
    }
  }
  return {title: 'Reports', root: h('div', null, h('h1', null, 'Reports'), area, shown), close: () => close()};
}

function render(name, text) {
  if (/\.html?$/i.test(name)) return htmlReport(name, text);
  if (/\.jsonl$/i.test(name)) return eventsReport(text);
  return jsonReport(documents(text));
}

/** documents of a JSON file: one, or one on each line. */
function documents(text) {
  try {
    return [JSON.parse(text)];
  } catch (err) {
    try {
      return text.trim().split('\n').map(line => JSON.parse(line));
    } catch {
      throw err;
    }
  }
}

/** htmlReport shows a page in a frame that can neither run its scripts nor
 *  reach this page, the server or anybody else. */
function htmlReport(name, text) {
  const frame = h('iframe', {class: 'report', title: name, sandbox: 'allow-scripts', src: 'viewer.html'});
  const ready = event => {
    if (event.source !== frame.contentWindow || event.data !== 'viewer ready') return;
    removeEventListener('message', ready);
    frame.contentWindow.postMessage(text, '*'); // its origin is opaque: no other target fits
  };
  addEventListener('message', ready);
  return {root: frame, close: () => removeEventListener('message', ready)};
}
