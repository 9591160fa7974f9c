package main

// nodeMutants are bugs that show only with several nodes: in core/cluster, or in what
// drives it in the simulator as the server's adapters do. Scenarios with nodes are to
// notice them.
var nodeMutants = []mutant{
	{"nodes: no fence", "if e.parts[f.Partition].owner.Fence != f.Fence && !slices", "if false && !slices"},
	{"nodes: the lease counts from the receipt of the answer", "if until := sent + m.timing.Stop; until > now {", "if until := now + m.timing.Stop; until > now {"},
	{"nodes: a member stops later than others take over", "Stop: 4500 * time.Millisecond", "Stop: 9 * time.Second"},
	{"nodes: a partition is read to a stale end", "if !met {\n", "if !met && false {\n"},
	{"nodes: a claim replaces any record", "if t.owner.Fence != seen {", "if t.owner.Fence != seen && o.Free {"},
	{"nodes: members are taken for gone by a silent watch", "return min(now, m.watched)-h.at < m.timing.Gone", "return now-h.at < m.timing.Gone"},
	{"nodes: what lives is taken for gone", "return min(now, m.watched)-h.at < m.timing.Gone", "return min(now, m.watched)-h.at < m.timing.Gone/6"},
	{"nodes: passed on again after the connection broke", "lost: func() { back(func() { k.tell(errLost, nil) }) },", "lost: func() { back(func() { p.later(k) }) },"},
	{"nodes: passed on to two members", "sent := c.net.send(from, to, func() {", "if c.balancer.Hit(0.1) {\n\t\tc.loop.AfterFunc(pollTime, func() { p.do(func() { p.route(k) }) })\n\t}\n\tsent := c.net.send(from, to, func() {"},
	{"nodes: acknowledged before the commit", "if !r.told && r.ran && r.rests <= durable &&", "if !r.told && r.ran && r.rests <= durable+1 &&"},
	{"nodes: dispatched before its start is durable", "if c.held.push(&h) {", "if h.attempt == 0 && c.held.push(&h) {"},
	{"nodes: advanced before the commit", "p.committing = true\n", "p.committing = true\n\tfor _, s := range p.seats {\n\t\tif s != nil && s.Core != nil && s.state == seatOpen {\n\t\t\ts.Core.JournalAdvanced(s.told + 1)\n\t\t}\n\t}\n"},
	{"nodes: a dropped core still answers", "for _, r := range s.owed {\n\t\tr.tell(world.ErrOwnerLost, nil)\n\t}\n\ts.owed = nil", "for _, r := range s.owed {\n\t\tr.tell(nil, r.woken)\n\t}\n\ts.owed = nil"},
	{"nodes: a dropped core still takes work", "if s := p.seats[at]; s != nil && s.state == seatOpen && s.Core != nil && p.leased() {", "if s := p.seats[at]; s != nil && s.Core != nil {"},
	{"nodes: a loss is not looked for", "if r.Seq != before.Seq+1 || r.Prev != before.sum {", "if false {"},
	{"nodes: facts that came over twice", "case known && f.frames[i].sum == r.sum:\n\t\t\treturn nil", "case known && f.frames[i].sum == r.sum:"},
	{"nodes: moved facts that are released stay", "l.released = append(l.released, at)", ""},
	{"nodes: what is moved is purged before it is stored", "l.moved[k.At] = o.state", "_ = o.state"},
	{"nodes: a batch is given another id when it is repeated", "if b == nil {\n\t\tb = p.w.Next()\n\t}", "if b == nil {\n\t\tb = p.w.Next()\n\t} else {\n\t\tb.ID += \"x\"\n\t}"},
	{"nodes: fenced frames are committed again", "ended = append(ended, e.log)\n\t\t\t\tw.drop(e.log)", "ended = append(ended, e.log)"},
	{"nodes: given up before all is durable", "return len(l.filling) == 0 && l.flights == 0 && !l.gone.Load()", "return !l.gone.Load()"},
	{"nodes: facts after the partition was given up", "l.sealed.Store(true) // before it is gone: who sees that asks for this\n\tw.drop(l)", "l.sealed.Store(true)"},
	{"nodes: the wall clock begins before the newest fact", "s.clock.ahead = max(0, from.NewestWall()-s.clock.Now().Wall)", "s.clock.ahead = 0 * from.NewestWall()"},
	{"nodes: places of a window are granted twice", "return max(g.highest, g.from-1)", "return g.from - 1"},
	{"nodes: an owner who was killed has granted nothing", "from := second + windowsAhead + 2", "from := second"},
	{"nodes: a process has the places of the one before it", "p.self.Life, second, want, members, q.second()", "p.self.Name, second, want, members, q.second()"},
	{"nodes: each member may have the whole limit", "left := g.limit - w.given", "left := g.limit - w.members[member]"},
	{"nodes: attempts of the owner before are taken for dead", "func(*core.Spec) bool { return false })", "nil)"},
}
