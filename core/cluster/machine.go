package cluster

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"simplane/core"
)

// Machine decides what one process owns. It is for one goroutine: who drives it
// tells what has happened and carries out the Actions, each of which is answered by
// the call that its kind names. Times are elapsed ones of this process's monotonic
// clock, in any order that this goroutine saw them in.
type Machine struct {
	self   Member
	timing Timing

	members  map[string]*heard // by name, this process too
	wished   []Member          // those that may own, in the order of their names
	changed  time.Duration     // when these changed
	ticked   time.Duration     // when Tick was called last
	caught   bool              // the watch has told what there was
	caughtAt time.Duration
	parts    [Partitions]part
	actions  []Action

	// watched is when the watch told something for certain: this process's own record,
	// last. Its silence since then says nothing about others.
	watched time.Duration

	renewing bool
	renewAt  time.Duration
	sent     time.Duration // the last renewal
	until    time.Duration // the lease's end
	leased   bool
	leaving  bool
	telling  bool          // the last renewal says that it leaves
	told     time.Duration // when others could know that; 0 = not yet
	resigned bool
	replaced bool
}

// heard is a member's record and when it was told last.
type heard struct {
	Member
	at   time.Duration
	gone bool // the record was removed: its process has ended, or may not serve any more
}

// State is what this process does with a partition.
type State uint8

// States.
const (
	StateNone     State = iota // it is another's, or nobody's
	StateClaiming              // a claim is under way
	StateOpening               // claimed; its frames are being read
	StateOpen                  // served
	StateHolding               // about to be given up: what is decided is being committed
	StateFreeing               // being given up
	StateLost                  // what the engine keeps of it is not as it must be: it stays closed
)

var stateNames = [...]string{"none", "claiming", "opening", "open", "holding", "freeing", "lost"}

func (s State) String() string { return stateNames[s] }

type part struct {
	state State
	fence Fence     // of the claim, from StateOpening on
	owner Ownership // the newest record that is known
	tail  *Tail     // in StateFreeing: the last frame, if it is known
	again time.Duration
	given time.Duration // when this process gave it up last
	// claimed is when that record was told; never, once the process that it names was
	// followed by another one of the same name.
	claimed time.Duration
	// freeing says that an ActFree is under way.
	freeing bool
	closed  error // in StateLost: why
}

// Action is something to be done.
type Action struct {
	Kind      ActionKind
	Partition core.Partition
	Fence     Fence     // of the claim; of ActClaim: of the record that it replaces
	Record    Ownership // of ActClaim, ActOpen (the record that was replaced) and ActFree
	Member    Member    // of ActRenew
	Why       error     // of ActShut
}

// ActionKind says what is to be done, and how it is answered.
type ActionKind uint8

// Kinds of actions.
const (
	ActRenew  ActionKind = iota // write the member's record: Renewed
	ActClaim                    // write the ownership record: Claimed
	ActOpen                     // read the frames up to the claim, and serve: Opened
	ActHold                     // take no new work, start nothing, commit what was decided: Quiet
	ActFree                     // write that the partition is given up: Freed
	ActGiven                    // the partition is given up: calls that run may end. Not answered
	ActShut                     // stop serving at once: no answer leaves any more. Not answered
	ActResign                   // remove the member's record: Resigned
	ActStop                     // another process has the name: end. Not answered
)

// Reasons of ActShut.
var (
	ErrLease = errors.New("the cluster's engine has not answered in time: this node has stopped serving")
	ErrOwner = errors.New("another node has taken the partition over")
)

// Bounds on what is under way at once, the time until another member has claimed what
// was given up included: who hands over goes at the pace of those who take over.
const (
	claimsAtOnce = 8
	holdsAtOnce  = 16
)

// NewMachine makes the Machine of a process.
func NewMachine(self Member, timing Timing, now time.Duration) *Machine {
	return &Machine{self: self, timing: timing, members: map[string]*heard{}, renewAt: now, changed: now, ticked: now}
}

// Actions are those to be carried out since the last call, in their order.
func (m *Machine) Actions() []Action {
	a := m.actions
	m.actions = nil
	return a
}

func (m *Machine) act(a Action) { m.actions = append(m.actions, a) }

// Tick lets time pass.
func (m *Machine) Tick(now time.Duration) {
	if m.replaced || m.resigned {
		return
	}
	if gap := now - m.ticked; gap > 5*m.timing.Tick {
		// This process did not run, or hardly: what others did meanwhile it may hear of
		// later than of the time.
		m.excuse(gap, now)
	}
	m.ticked = now
	if m.leased && now >= m.until {
		m.leased = false
		m.shutAll(ErrLease)
	}
	if m.doubts(now) { // its own record will tell whether the watch tells anything
		m.renewAt = min(m.renewAt, m.sent+m.timing.Again)
	}
	if !m.renewing && now >= m.renewAt {
		m.renewing, m.sent, m.telling = true, now, m.leaving
		m.act(Action{Kind: ActRenew, Member: m.self})
	}
	m.review(now)
}

// Renewed answers ActRenew, which was sent at sent.
func (m *Machine) Renewed(sent, now time.Duration, err error) {
	m.renewing = false
	switch {
	case m.replaced || m.resigned:
		return
	case errors.Is(err, ErrReplaced):
		m.replaced, m.leased = true, false
		m.shutAll(ErrReplaced)
		m.act(Action{Kind: ActStop})
		return
	case err != nil:
		m.renewAt = now + m.timing.Again
	default:
		// The lease counts from when the renewal was sent: others cannot have heard of
		// it earlier.
		if until := sent + m.timing.Stop; until > now {
			if !m.leased { // it was cut off, and has heard nothing of the others
				m.excuse(m.timing.Gone, now)
			}
			m.leased, m.until = true, max(m.until, until)
		}
		m.renewAt = max(now, sent+m.timing.Renew)
		switch {
		case m.leaving && !m.telling:
			m.renewAt = now
		case m.leaving && m.told == 0:
			m.told = now
		}
	}
	m.Tick(now)
}

// MemberSeen says that the watch has told a member's record.
func (m *Machine) MemberSeen(seen Member, now time.Duration) {
	if seen.Name == m.self.Name && seen.Life == m.self.Life {
		if late := now - m.watched; late >= m.timing.Renew+m.timing.Gone-m.timing.Stop {
			m.excuse(late, now) // what the watch tells late of this process it tells late of others
		}
		m.watched = now
	}
	switch h := m.members[seen.Name]; {
	case h == nil:
	case h.Life != seen.Life:
		m.succeeded(&h.Member)
	case h.Leaving:
		seen.Leaving = true // an older record: who leaves does not think better of it
	}
	m.members[seen.Name] = &heard{Member: seen, at: now}
	m.review(now)
}

// succeeded notes that a process has ended, and that another one has its name.
func (m *Machine) succeeded(ended *Member) {
	for p := range m.parts {
		if o := &m.parts[p].owner; o.Name == ended.Name && o.Life == ended.Life {
			m.parts[p].claimed = never
		}
	}
}

// never is a time so long ago that nothing counts from it.
const never = time.Duration(math.MinInt64 / 2)

// MemberGone says that a member has removed its record.
func (m *Machine) MemberGone(gone Member, now time.Duration) {
	if h := m.members[gone.Name]; h != nil && h.Life == gone.Life {
		h.gone = true // and not forgotten: of one that is not known nobody says that it is gone
		m.forget()
	}
	m.review(now)
}

// goneKept bounds the members that are gone and remembered, beside those that ownership
// records name.
const goneKept = 64

// forget forgets members that are gone, where there are many.
func (m *Machine) forget() {
	gone := 0
	for _, h := range m.members {
		if h.gone {
			gone++
		}
	}
	if gone <= goneKept {
		return
	}
	named := map[string]bool{}
	for p := range m.parts {
		named[m.parts[p].owner.Name] = true
	}
	maps.DeleteFunc(m.members, func(name string, h *heard) bool { return h.gone && !named[name] })
}

// excuse lets members be silent for so much longer.
func (m *Machine) excuse(d, now time.Duration) {
	for _, h := range m.members {
		h.at = min(now, h.at+d)
	}
}

// CaughtUp says whether the watch has told all there was: without that nothing is
// claimed.
func (m *Machine) CaughtUp(yes bool, now time.Duration) {
	if yes && !m.caught {
		m.excuse(m.timing.Gone, now)
		m.caughtAt, m.watched = now, now
	}
	m.caught = yes
	m.review(now)
}

// OwnerIs says that the watch has told the newest ownership record of a partition.
func (m *Machine) OwnerIs(p core.Partition, o Ownership, now time.Duration) {
	t := &m.parts[p]
	if o.Fence <= t.owner.Fence {
		return
	}
	before := t.owner
	t.owner, t.claimed = o, now
	ours := m.ours(&o)
	switch {
	case ours && !o.Free && t.state == StateClaiming:
		m.claimed(p, o.Fence, before) // its answer may be lost
	case ours && o.Free && t.state == StateFreeing:
		m.given(p, now) // so may this one's
	case !ours && t.state == StateLost:
		t.state, t.closed = StateNone, nil // the other one will find out for itself
	case t.serves() && o.Fence > t.fence && !ours:
		m.shut(p, ErrOwner, now)
	}
	m.review(now)
}

// serves says that the partition is claimed by this process.
func (t *part) serves() bool { return t.state >= StateOpening && t.state <= StateFreeing }

// Claimed answers ActClaim.
func (m *Machine) Claimed(p core.Partition, at Fence, err error, now time.Duration) {
	t := &m.parts[p]
	if t.state != StateClaiming {
		return // the watch was earlier, or the lease has ended
	}
	if err != nil {
		// If it is stored after all, the watch will tell.
		t.state, t.again = StateNone, now+m.timing.Again
		m.review(now)
		return
	}
	if t.owner.Fence > at { // and it has changed again
		t.state, t.again = StateNone, now+m.timing.Again
		m.review(now)
		return
	}
	before := t.owner
	t.owner = Ownership{Name: m.self.Name, Life: m.self.Life, Fence: at}
	m.claimed(p, at, before)
	m.review(now)
}

func (m *Machine) claimed(p core.Partition, at Fence, before Ownership) {
	t := &m.parts[p]
	t.state, t.fence = StateOpening, at
	m.act(Action{Kind: ActOpen, Partition: p, Fence: at, Record: before})
}

// Opened answers ActOpen. With an error the partition is not served; after one that wraps
// ErrClosed it stays closed.
func (m *Machine) Opened(p core.Partition, at Fence, err error, now time.Duration) {
	t := &m.parts[p]
	if t.state != StateOpening || t.fence != at {
		return
	}
	switch {
	case err == nil:
		t.state = StateOpen
	case errors.Is(err, ErrClosed):
		t.state, t.closed = StateLost, err
	default:
		m.shut(p, err, now)
	}
	m.review(now)
}

// Broken says that a partition that is served has been found not to be what was stored:
// it is closed, and stays so. One that is being written off as given up is the next
// owner's to find out about.
func (m *Machine) Broken(p core.Partition, at Fence, why error, now time.Duration) {
	if t := &m.parts[p]; t.fence == at && (t.state == StateOpen || t.state == StateHolding) {
		m.shut(p, why, now)
		t.state, t.closed = StateLost, why
	}
	m.review(now)
}

// Quiet answers ActHold: everything is durable, and tail is the last frame.
func (m *Machine) Quiet(p core.Partition, at Fence, tail Tail, now time.Duration) {
	t := &m.parts[p]
	if t.state != StateHolding || t.fence != at {
		return
	}
	t.tail = &tail
	m.giveUp(p, at)
	m.review(now)
}

// giveUp has the partition's record say that nobody owns it.
func (m *Machine) giveUp(p core.Partition, at Fence) {
	t := &m.parts[p]
	t.state, t.fence, t.freeing = StateFreeing, at, true
	m.act(Action{Kind: ActFree, Partition: p, Fence: at,
		Record: Ownership{Name: m.self.Name, Life: m.self.Life, Free: true, Tail: t.tail}})
}

// Freed answers ActFree; free is where the record is.
func (m *Machine) Freed(p core.Partition, at, free Fence, err error, now time.Duration) {
	t := &m.parts[p]
	if t.state != StateFreeing || t.fence != at {
		return
	}
	t.freeing = false
	switch {
	case errors.Is(err, ErrOvertaken):
		m.shut(p, ErrOwner, now)
	case err != nil:
		t.again = now + m.timing.Again // once more, until the outcome is known
	default:
		if free > t.owner.Fence {
			t.owner = Ownership{Name: m.self.Name, Life: m.self.Life, Free: true, Tail: t.tail, Fence: free}
		}
		m.given(p, now)
	}
	m.review(now)
}

func (m *Machine) given(p core.Partition, now time.Duration) {
	t := &m.parts[p]
	m.act(Action{Kind: ActGiven, Partition: p, Fence: t.fence})
	t.state, t.tail, t.again, t.given = StateNone, nil, now+m.timing.Again, now
}

// Fenced says that a write at this fence was refused: another one owns the
// partition.
func (m *Machine) Fenced(p core.Partition, at Fence, now time.Duration) {
	m.Failed(p, at, ErrOwner, now)
}

// Failed says that the journal that rests on this claim has ended without another owner:
// the partition is claimed and opened anew, by what is stored of it.
func (m *Machine) Failed(p core.Partition, at Fence, why error, now time.Duration) {
	if t := &m.parts[p]; t.serves() && t.fence == at {
		m.shut(p, why, now)
	}
	m.review(now)
}

// Leave begins to give everything up.
func (m *Machine) Leave(now time.Duration) {
	m.leaving, m.self.Leaving = true, true
	m.renewAt = now
	m.Tick(now)
}

// Resigned answers ActResign.
func (m *Machine) Resigned() { m.leased = false }

// shut stops serving a partition.
func (m *Machine) shut(p core.Partition, why error, now time.Duration) {
	t := &m.parts[p]
	m.act(Action{Kind: ActShut, Partition: p, Fence: t.fence, Why: why})
	t.state, t.tail, t.again = StateNone, nil, now+m.timing.Again
}

func (m *Machine) shutAll(why error) {
	for p := range m.parts {
		switch t := &m.parts[p]; {
		case t.serves():
			m.act(Action{Kind: ActShut, Partition: core.Partition(p), Fence: t.fence, Why: why})
			t.state, t.tail = StateNone, nil
		case t.state == StateClaiming:
			t.state = StateNone
		}
	}
}

// doubts says whether a member is silent, and it is not known whether the watch is.
func (m *Machine) doubts(now time.Duration) bool {
	for _, h := range m.members {
		if silent := now - h.at; silent >= m.timing.Gone && silent < 2*m.timing.Gone && m.watched-h.at < m.timing.Gone {
			return true
		}
	}
	return false
}

// alive says whether a member has been heard of in time. It counts as silent only
// while the watch told other things.
func (m *Machine) alive(h *heard, now time.Duration) bool {
	if h.gone {
		return false
	}
	if h.Name == m.self.Name {
		return m.leased && h.Life == m.self.Life
	}
	return min(now, m.watched)-h.at < m.timing.Gone
}

// review claims, gives up and resigns as membership and owners ask for.
func (m *Machine) review(now time.Duration) {
	if m.replaced || m.resigned {
		return
	}
	m.count(now)
	if !m.leased {
		return
	}
	claims, holds, owned := 0, 0, 0
	for p := range m.parts {
		switch t := &m.parts[p]; t.state {
		case StateClaiming, StateOpening:
			claims++
		case StateHolding, StateFreeing:
			holds++
		case StateOpen:
		default:
			if !m.awaited(t, now) {
				continue
			}
			holds++
		}
		owned++
	}
	if m.leaving && owned == 0 {
		m.resigned = true
		m.act(Action{Kind: ActResign, Member: m.self})
		return
	}
	if !m.caught || !m.settled(now) {
		return
	}
	for p := range m.parts {
		t, here := &m.parts[p], m.wishes(core.Partition(p))
		switch {
		case t.state == StateOpen && !here && holds < holdsAtOnce:
			holds++
			t.state = StateHolding
			m.act(Action{Kind: ActHold, Partition: core.Partition(p), Fence: t.fence})
		case t.state == StateFreeing && !t.freeing && now >= t.again:
			m.giveUp(core.Partition(p), t.fence)
		case t.state == StateNone && !here && m.names(&t.owner) && holds < holdsAtOnce && now >= t.again:
			// Others wait for the one that the record names, which is alive.
			holds++
			m.giveUp(core.Partition(p), t.owner.Fence)
		case t.state == StateNone && here && claims < claimsAtOnce && now >= t.again && m.free(t, now):
			claims++
			t.state = StateClaiming
			m.act(Action{Kind: ActClaim, Partition: core.Partition(p), Fence: t.owner.Fence,
				Record: Ownership{Name: m.self.Name, Life: m.self.Life}})
		}
	}
}

// settled says that all members know who is to own what, as far as a pause can say
// so: who takes over claims a partition as soon as it is given up.
func (m *Machine) settled(now time.Duration) bool {
	if m.leaving {
		return m.told != 0 && now-m.told >= m.timing.Settle+m.timing.Tick // the others first
	}
	return now-m.changed >= m.timing.Settle
}

// awaited says that this process has just given the partition up, and that another
// member is to claim it.
func (m *Machine) awaited(t *part, now time.Duration) bool {
	return t.state == StateNone && t.owner.Free && m.ours(&t.owner) && len(m.wished) > 0 && now-t.given < m.timing.Settle
}

// ours says that the record was written by this process, names that it says that it
// owns the partition.
func (m *Machine) ours(o *Ownership) bool {
	return o.Fence != 0 && o.Name == m.self.Name && o.Life == m.self.Life
}
func (m *Machine) names(o *Ownership) bool { return m.ours(o) && !o.Free }

// count notes who may own partitions.
func (m *Machine) count(now time.Duration) {
	var list []Member
	for _, h := range m.members {
		if m.alive(h, now) && !h.Leaving && !(h.Name == m.self.Name && m.leaving) {
			list = append(list, h.Member)
		}
	}
	slices.SortFunc(list, func(a, b Member) int {
		if a.Name < b.Name {
			return -1
		}
		return 1 // names differ
	})
	if !slices.EqualFunc(list, m.wished, func(a, b Member) bool { return a.Name == b.Name && a.Life == b.Life }) {
		m.changed = now
	}
	m.wished = list
}

// wishes says whether this process should own the partition.
func (m *Machine) wishes(p core.Partition) bool {
	i := Wished(p, m.wished)
	return i >= 0 && m.wished[i].Name == m.self.Name
}

// free says whether nobody serves the partition, as far as is known: there is no
// record, it was given up, or the process that it names is gone.
func (m *Machine) free(t *part, now time.Duration) bool {
	o := &t.owner
	if o.Fence == 0 || o.Free || o.Name == m.self.Name {
		return true
	}
	h := m.members[o.Name]
	if h == nil { // it may live, and its next renewal tell so
		return min(now, m.watched)-m.caughtAt >= m.timing.Gone
	}
	return h.Life != o.Life || !m.alive(h, now)
}
