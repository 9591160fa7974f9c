// Building the page. Text only ever becomes text nodes and attributes, never
// markup: most of what is shown was written by strangers.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter(c => c !== null && c !== undefined && c !== false));
  return node;
}

/** h makes an element: h('p', {class: 'x'}, 'text', child…). */
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** s makes an SVG element. */
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** setText changes text only when it differs, so that a selection survives. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** announce tells users of screen readers what just happened. */
export function announce(text) {
  document.getElementById('announce').textContent = text;
}

let ids = 0;
export const newId = prefix => `${prefix}-${++ids}`;

/** table makes a scrollable table whose caption is for screen readers. */
export function table(caption, head, body) {
  return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
    h('table', null,
      h('caption', {class: 'sr'}, caption),
      h('thead', null, h('tr', null, head.map(t => h('th', {scope: 'col', class: t.startsWith('#') ? 'num' : null}, t.replace('#', ''))))),
      body));
}

export const badge = status => h('span', {class: `badge ${status}`}, status);
