// Runs in the sandboxed frame: it takes a report's HTML from the page around
// it, once, and becomes that report. The report's own scripts stay blocked by
// the policy this file was served under.
addEventListener('message', event => {
  if (event.source !== parent || typeof event.data !== 'string') return;
  document.open();
  document.write(event.data);
  document.close();
}, {once: true});
parent.postMessage('viewer ready', '*');
