package cluster

import (
	"slices"
	"time"

	"simplane/core"
)

// Place is who serves a partition, as far as this process knows.
type Place struct {
	State State // of this process
	Fence Fence // of the newest ownership record; 0 = none
	// Owner is the member named by that record, if it is alive and has not given the
	// partition up.
	Owner Member
	Known bool // there is such an Owner
	// Closed is why this process has the partition and keeps it closed; nil = it does not.
	Closed error
	// Moving says that the partition is being handed over, as far as this process knows:
	// its owner leaves, or has given it up and nobody has claimed it, or this process is
	// about to serve it, or the one that has claimed it was not heard of yet.
	Moving bool
}

// Place says who serves a partition.
func (m *Machine) Place(p core.Partition, now time.Duration) Place {
	t := &m.parts[p]
	at := Place{State: t.state, Fence: t.owner.Fence, Closed: t.closed}
	at.Moving = t.owner.Free || t.state == StateClaiming || t.state == StateOpening || t.state == StateHolding || t.state == StateFreeing
	if o := &t.owner; o.Fence != 0 && !o.Free {
		if h := m.members[o.Name]; h == nil || h.Life != o.Life {
			at.Moving = at.Moving || now-t.claimed < m.timing.Gone // it has to live within that
		} else {
			at.Moving = at.Moving || h.Leaving
			if m.alive(h, now) {
				at.Owner, at.Known = h.Member, true
			}
		}
	}
	return at
}

// Leased says whether this process may serve at all.
func (m *Machine) Leased(now time.Duration) bool { return m.leased && now < m.until }

// Until is when it must stop unless a renewal succeeds; meaningless unless Leased.
func (m *Machine) Until() time.Duration { return m.until }

// Settled says that this process serves all partitions that it should. It should serve
// some only once the watch has told its own record, as it has the others by then.
func (m *Machine) Settled() bool {
	if !m.leased || !m.caught || !slices.ContainsFunc(m.wished, func(w Member) bool { return w.Name == m.self.Name && w.Life == m.self.Life }) {
		return false
	}
	for p := range m.parts {
		if s := m.parts[p].state; s != StateOpen && s != StateLost && m.wishes(core.Partition(p)) {
			return false
		}
	}
	return true
}

// MemberView is a member and how long ago it was heard of.
type MemberView struct {
	Member
	Age   time.Duration
	Alive bool
}

// Members are all that were heard of, by name.
func (m *Machine) Members(now time.Duration) []MemberView {
	var list []MemberView
	for _, h := range m.members {
		if h.gone {
			continue
		}
		list = append(list, MemberView{h.Member, now - h.at, m.alive(h, now)})
	}
	slices.SortFunc(list, func(a, b MemberView) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}
