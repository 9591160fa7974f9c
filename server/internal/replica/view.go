package replica

import (
	"slices"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// View is what this node knows of who serves what. It does not change.
type View struct {
	Owners  [cluster.Partitions]cluster.Member // without a name: nobody is known
	Mine    [cluster.Partitions]bool
	Moving  [cluster.Partitions]bool // from one owner to the next, as far as is known
	Closed  [cluster.Partitions]bool // by this node, for what the engine keeps of them
	Members []cluster.MemberView
	changed chan struct{}
}

// Changed is closed when there is a newer View.
func (v *View) Changed() <-chan struct{} { return v.changed }

// View is the newest.
func (n *Node) View() *View { return n.view.Load() }

// publish makes the View be what the machine knows.
func (n *Node) publish(now time.Duration) {
	if n.machine.Settled() && n.caughtUp.Load() {
		n.settled.Store(true)
	}
	until := time.Duration(0)
	if n.machine.Leased(now) {
		until = n.machine.Until()
	}
	n.until.Store(int64(until))
	old := n.view.Load()
	v := &View{Members: n.machine.Members(now), changed: old.changed}
	for p := range v.Owners {
		at := n.machine.Place(core.Partition(p), now)
		if at.Known {
			v.Owners[p] = at.Owner
		}
		v.Moving[p] = at.Moving
		v.Closed[p] = at.Closed != nil
		v.Mine[p] = at.State == cluster.StateOpening || at.State == cluster.StateOpen
	}
	same := v.Closed == old.Closed && v.Owners == old.Owners && v.Mine == old.Mine && v.Moving == old.Moving && slices.EqualFunc(v.Members, old.Members, func(a, b cluster.MemberView) bool {
		return a.Member == b.Member && a.Alive == b.Alive
	})
	if !same {
		v.changed = make(chan struct{})
	}
	n.view.Store(v)
	if !same {
		close(old.changed)
	}
	n.tellMembers(old.Members, v.Members)
}

// tellMembers says who has come, leaves, and is gone.
func (n *Node) tellMembers(before, now []cluster.MemberView) {
	find := func(in []cluster.MemberView, m *cluster.MemberView) *cluster.MemberView {
		if i := slices.IndexFunc(in, func(o cluster.MemberView) bool { return o.Alive && o.Life == m.Life }); i >= 0 {
			return &in[i]
		}
		return nil
	}
	for i := range now {
		m := &now[i]
		if !m.Alive || m.Name == n.o.Self.Name {
			continue
		}
		switch was := find(before, m); {
		case was == nil && !m.Leaving:
			n.o.Log.Info("a member has come", "member", m.Name, "peer", m.Peer)
		case was != nil && m.Leaving && !was.Leaving:
			n.o.Log.Info("a member leaves, and hands over what it owns", "member", m.Name, "peer", m.Peer)
		}
	}
	for i := range before {
		// One that leaves in order still answers the calls that run there.
		if m := &before[i]; m.Alive && !m.Leaving && m.Name != n.o.Self.Name && find(now, m) == nil {
			n.o.Log.Warn("a member is gone", "member", m.Name, "peer", m.Peer)
			n.o.Gone(m.Member)
		}
	}
}

// Leased says whether this node may serve now.
func (n *Node) Leased() bool { return int64(n.now()) < n.until.Load() }

// Ready says that this node serves, and has served all that it should.
func (n *Node) Ready() bool { return n.settled.Load() && n.Leased() }

// Instance is the one that serves a partition here now; nil when none does.
func (n *Node) Instance(p core.Partition) Instance {
	if h := n.parts[p].Load(); h != nil && n.Leased() {
		return h.inst
	}
	return nil
}

// Partition is one of Status.
type Partition struct {
	Partition int           `json:"partition"`
	State     string        `json:"state"` // of this node
	Owner     string        `json:"owner,omitempty"`
	Epoch     cluster.Fence `json:"epoch"`
	Lag       int64         `json:"lagFacts,omitempty"` // facts that are not durable, where this node owns it
	Error     string        `json:"error,omitempty"`    // why this node keeps it closed
}

// Status says what this node knows.
func (n *Node) Status() ([]cluster.MemberView, []Partition) {
	type status struct {
		members []cluster.MemberView
		parts   []Partition
	}
	told := make(chan status, 1)
	n.post(func(now time.Duration) {
		var parts []Partition
		for p := range cluster.Partitions {
			at := n.machine.Place(core.Partition(p), now)
			one := Partition{Partition: p, State: at.State.String(), Owner: at.Owner.Name, Epoch: at.Fence}
			if at.Closed != nil {
				one.Error = at.Closed.Error()
			}
			if h := n.parts[p].Load(); h != nil {
				one.Lag = h.log.Lag()
			}
			parts = append(parts, one)
		}
		told <- status{n.machine.Members(now), parts}
	})
	select {
	case s := <-told:
		return s.members, s.parts
	case <-n.ctx.Done():
		return nil, nil
	}
}
