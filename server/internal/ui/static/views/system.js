// How the server does beside its functions: journal, providers, flight recorder, cluster.
import {get} from '../api.js';
import {badge, h, setText, table} from '../dom.js';
import {bytes, count, ms} from '../format.js';
import {flightRecorder} from './flight.js';

export function systemView() {
  let now = null;
  const journal = h('p', {id: 'journal'}), full = h('p', {class: 'alert', hidden: true});
  const providers = h('tbody'), noProvider = h('p', {class: 'note'}, 'None is switched on (--provider).');
  const list = table('Providers', ['Name', 'State', 'Trouble'], providers);
  const flight = flightRecorder();
  const cluster = clusterSection();

  async function load() {
    now = await get('v1/admin/system');
  }

  function update() {
    if (!now) return;
    const j = now.journal;
    setText(journal, !j ? now.cluster ? 'In a cluster the engine keeps it: see below.' : 'There is none: what is accepted ends with this process. --data-dir makes it outlive it.'
      : `${bytes(j.diskBytes)} on its disk, ${bytes(j.freeBytes)} free. ${j.lagFacts === 0 ? 'All that was accepted is on disk.' : `${count(j.lagFacts)} facts are not on disk yet.`} The last start brought ${count(j.recoveredFacts)} facts back in ${ms(j.recoverySeconds * 1000)}.`);
    full.hidden = !j?.full;
    setText(full, 'There is no room: new durable work is refused until there is.');
    noProvider.hidden = now.providers.length > 0;
    list.hidden = now.providers.length === 0;
    providers.replaceChildren(...now.providers.map(p => h('tr', null, h('th', {scope: 'row'}, p.name), h('td', null, badge(p.status === 'UP' ? 'up' : 'down')), h('td', {class: 'text'}, p.error ?? ''))));
    flight.show(now.flightRecorder);
    cluster.update(now.cluster);
  }

  return {title: 'System', load, update, root: h('div', null, h('h1', null, 'System'),
    h('section', {'aria-label': 'Journal'}, h('h2', null, 'Journal'), full, journal),
    h('section', {'aria-label': 'Providers'}, h('h2', null, 'Providers'), noProvider, list),
    flight.root, cluster.root)};
}

function clusterSection() {
  const note = h('p', {id: 'cluster'}), members = h('tbody'), problem = h('p', {class: 'alert', hidden: true});
  const nodes = table('Members', ['Node', 'State', '#Partitions', 'Last sign of life', 'Address'], members);
  const parts = h('tbody');
  const all = h('details', null, h('summary', null, 'Partitions'), table('Partitions', ['#Partition', 'Owner', '#Epoch', 'State'], parts));
  return {root: h('section', {'aria-label': 'Cluster'}, h('h2', null, 'Cluster'), problem, note, nodes, all), update(c) {
    nodes.hidden = all.hidden = !c;
    problem.hidden = !c || c.serving;
    if (!c) {
      setText(note, 'This server is by itself. --cluster or --cluster-embedded make it one of several.');
      return;
    }
    setText(problem, c.serving ? '' : `This node serves nothing: ${c.reason}`);
    setText(note, `This is ${c.node}. ${c.partitionsOwned} of ${c.partitionsTotal} partitions have an owner; ${count(c.lagFacts)} facts of this node are not durable yet.`);
    members.replaceChildren(...c.members.map(m => h('tr', null, h('th', {scope: 'row'}, m.name), h('td', null, badge(m.alive ? 'up' : 'down')), h('td', {class: 'num'}, m.partitions),
      h('td', null, m.lastSeenMillis > 0 ? `${ms(m.lastSeenMillis)} ago` : 'now'), h('td', null, m.api ?? m.peer))));
    if (all.open || parts.childElementCount === 0) {
      parts.replaceChildren(...c.partitions.map(p => h('tr', null, h('td', {class: 'num'}, p.partition), h('td', null, p.owner || '–'), h('td', {class: 'num'}, p.epoch), h('td', null, p.state))));
    }
  }};
}

