package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/internal/nodes"
	"simplane/sim/internal/world"
)

// What several judges by.

// attempts is what is known of an execution's attempts, wherever they run.
type attempts struct {
	timeout int64
	starts  map[int32]int64       // wall ns of the durable starts, by the owner's clock
	runs    map[int32]*nodes.Seat // dispatched and not answered
	seen    map[int32]bool        // dispatched
	gave    map[int32]given       // answered, wherever that came to
	counted map[int32]*nodes.Seat // its outcome was told to an owner, and counted there
}

func (a *attempts) hasStarted(f *core.Fact) {
	if a.starts == nil {
		a.starts, a.runs, a.seen, a.gave = map[int32]int64{}, map[int32]*nodes.Seat{}, map[int32]bool{}, map[int32]given{}
	}
	a.starts[f.Attempt] = f.Wall
}

// dispatchedThere judges a dispatch by one of several nodes. One that has been
// superseded may learn that a start is durable only after its successor has read it.
func (d *durable) dispatchedThere(ev *core.Event, a *account) {
	n := ev.Attempt
	_, started := a.starts[n]
	if !started {
		d.fail("a dispatch follows its start", "attempt %d of execution #%d is dispatched; its facts say attempt %d, %v", n, a.rec.number, a.attempt, a.status)
		return
	}
	if a.seen[n] || int(n) > 1 && int(n) > a.allowed {
		d.fail("no more attempts than maxRetries + 1", "execution #%d: attempt %d is dispatched, again %v, allowed are %d", a.rec.number, n, a.seen[n], a.allowed)
	}
	now := d.seat.Clock().Now().Wall
	for _, m := range slices.Sorted(maps.Keys(a.runs)) {
		if began := a.starts[m]; m < n && now-began < a.timeout {
			d.fail("attempts do not overlap", "attempt %d of execution #%d is dispatched by %s, while attempt %d runs that %s began %v ago, of %v",
				n, a.rec.number, d.seat.Node(), m, a.runs[m].Node(), time.Duration(now-began), time.Duration(a.timeout))
		}
	}
	a.seen[n], a.runs[n] = true, d.seat
}

// Owned implements nodes.Watch: what an earlier owner has accepted and not made
// durable never will be.
func (k *several) Owned(p core.Partition, o cluster.Ownership) {
	t := k.parts[p]
	if t == nil {
		return
	}
	if o.Fence <= t.owner.Fence {
		k.fail("ownership goes on", "partition %d: record %d comes after record %d", p, o.Fence, t.owner.Fence)
	}
	switch before := t.owner; {
	case o.Free, before.Fence == 0:
	case before.Free:
		t.group.counts[cHandOvers]++
	default:
		t.group.counts[cTakeovers]++
	}
	t.owner = o
	maps.DeleteFunc(t.accounts, func(_ core.ID, a *account) bool {
		return a.isDurable && !a.there && a.by != nil && a.by.Fence < o.Fence
	})
	verb := "owns"
	if o.Free {
		verb = "frees"
	}
	k.Note(fmt.Sprintf("%s %d fence=%d by=%s", verb, p, o.Fence, o.Life))
}

// Stored implements nodes.Watch.
func (k *several) Stored(p core.Partition, at uint64, frame []byte) {
	t := k.parts[p]
	f, err := cluster.DecodeFrame(frame)
	switch {
	case err != nil || t == nil || f.Partition != p:
		k.fail("frames are read as they are written", "partition %d, place %d: %v", p, at, err)
		return
	case f.Epoch < t.epoch || f.Epoch != t.owner.Fence:
		k.fail("epochs do not interleave", "partition %d: frame %d of epoch %d comes after one of epoch %d, and the owner is that of %d", p, f.Seq, f.Epoch, t.epoch, t.owner.Fence)
		return
	case f.Seq != t.seq+1 || f.First != t.reached+1:
		k.fail("frames follow one another", "partition %d: frame %d with facts from %d on comes after frame %d and fact %d", p, f.Seq, f.First, t.seq, t.reached)
		return
	}
	t.seq, t.epoch, t.base = f.Seq, f.Epoch, f.Base
	t.leaving = f.Epoch == t.held
	for _, stored := range f.Facts {
		fact, err := core.DecodeFact(stored)
		if err != nil {
			k.fail("frames are read as they are written", "partition %d, place %d: %v", p, at, err)
			return
		}
		if fact.Wall < t.newest {
			k.fail("time goes on over owners", "partition %d: fact %d is of %v, and one before it of %v", p, t.reached+1,
				time.Unix(0, fact.Wall).UTC(), time.Unix(0, t.newest).UTC())
		}
		t.newest = max(t.newest, fact.Wall)
		t.reached++
		t.durable.core = k.core // for its configuration
		if a := t.accounts[fact.ID]; a != nil && a.there && fact.ID != (core.ID{}) {
			if why := a.transition(&fact); why != "" {
				k.fail("facts follow the states of an execution", "fact %d, %v of attempt %d, of execution #%d: %s", t.reached, fact.Kind, fact.Attempt, a.rec.number, why)
			}
			if fact.Code == core.CodeInterrupted {
				k.interrupted(t, a, a.attempt, fact.Wall)
			}
		}
		k.redrives(t, &fact)
		t.durable.Stored(t.reached, &fact)
		if fact.Kind == core.FactConfig {
			k.configured(&fact)
		}
		if fact.Kind == core.FactFunctionGone { // who asked for that may not know yet
			delete(t.promised, fact.Function)
		}
	}
}

// Lost implements nodes.Watch.
func (k *several) Lost(p core.Partition, seq uint64) {
	t := k.parts[p]
	if t.lost == 0 || t.lost < t.base {
		t.lost = seq
	}
	t.group.counts[cLostFrames]++
	k.Note(fmt.Sprintf("lost %d frame=%d", p, seq))
}

// Shut implements nodes.Watch.
func (k *several) Shut(p core.Partition, why error) {
	t := k.parts[p]
	k.Note(fmt.Sprintf("closed %d", p))
	if t.lost == 0 {
		k.fail("a partition opens unless data are lost", "%v", why)
		return
	}
	if !t.closed {
		t.closed = true
		t.group.counts[cClosedPartitions]++
	}
}

// Opened implements nodes.Watch: all that the new owner shows is what the facts come
// to, whoever wrote them.
func (k *several) Opened(s *nodes.Seat) {
	t := k.parts[s.Partition]
	k.Note(fmt.Sprintf("open %d fence=%d at=%s", s.Partition, s.Fence, s.Node()))
	if t.lost >= t.base && t.lost > 0 {
		k.fail("a loss is noticed", "partition %d opens at %s although frame %d is lost, and frames from %d on are needed", s.Partition, s.Node(), t.lost, t.base)
	}
	if s.Fence != t.owner.Fence {
		return // it has been taken over meanwhile
	}
	for _, a := range t.accounts { // whoever waited did at the owner before
		a.joins, a.waiting = 0, 0
	}
	for _, g := range k.seats[s].made {
		g.function.current = g
		t.follow(g)
	}
	t.durable.core = s.Core
	t.compareAll()
	t.touched = t.touched[:0]
}

// Held implements nodes.Watch.
func (k *several) Held(s *nodes.Seat) { k.parts[s.Partition].held = s.Fence }

// Committed implements nodes.Watch: at each commit, what the owner shows of what has
// changed is what the facts come to.
func (k *several) Committed(s *nodes.Seat) {
	t := k.parts[s.Partition]
	if s.Fence != t.owner.Fence || s.Told() != t.reached {
		return // there is more than it knows
	}
	t.durable.core = s.Core
	for _, a := range t.touched {
		t.compare(a)
	}
	t.touched = t.touched[:0]
}

// Dropped implements nodes.Watch.
func (k *several) Dropped(s *nodes.Seat) {
	t, at := k.parts[s.Partition], k.seats[s]
	k.again(at.tape)
	for _, g := range at.made {
		t.sizes(g, 0, 0, 0)
	}
	maps.DeleteFunc(t.accounts, func(id core.ID, a *account) bool {
		inMemory := !a.isDurable && a.by == s
		if inMemory {
			t.gone[id] = true
		}
		return inMemory
	})
	delete(k.seats, s)
}

// Offering implements world.Witness.
func (k *several) Offering(t world.Tag, _ *world.Caller, _ []byte, _ core.ID) {
	k.caller(t).group.counts[cOffered]++
}

// Offered implements world.Witness.
func (k *several) Offered(t world.Tag, _ *world.Caller, _ *core.Result, err error) {
	g := k.caller(t).group
	switch {
	case errors.Is(err, world.ErrNoOwner):
		g.counts[cNoOwner]++
	case errors.Is(err, world.ErrOwnerLost):
		g.counts[cOwnerLost]++
	case errors.Is(err, world.ErrUnavailable):
		g.counts[cUnavailable]++
	}
}

// Rests implements world.Witness: an answer is told.
func (k *several) Rests(tag world.Tag, id core.ID, _ core.LSN) {
	t := k.parts[id[15]]
	p := promise{of: t.accounts[id], at: k.clock.Wall()}
	if p.of == nil {
		if !t.gone[id] && k.caller(tag).group.decl.Durability == string(core.DurabilityDisk) {
			k.fail("nothing acknowledged is missing", "execution %v is acknowledged, and nobody has it", id)
		}
		return
	}
	if !p.of.isDurable {
		return
	}
	t.acked[id] = true
	t.acknowledge(&p)
	if key := tag.Key(); key >= 0 {
		t.keyLeads(fmt.Sprint(k.caller(tag).name, " ", key), p.of)
	}
}

// keyLeads judges that a key has led to an execution: it must not while it leads to
// another. Answers may come long after that was decided, and owners' clocks differ.
func (t *part) keyLeads(key string, a *account) {
	first, later := t.keys[key], a
	if first == nil || first == a {
		t.keys[key] = a
		return
	}
	if first.created > later.created {
		first, later = later, first
	}
	t.keys[key] = later
	cfg := t.durable.core.Config()
	expires := first.created + int64(cfg.IdempotencyTTL)
	if first.status.Terminal() {
		expires = min(expires, first.finished+int64(cfg.TTL))
	}
	if later.created+2*int64(t.spread) <= expires {
		t.fail("a key leads to one execution", "key %s led to execution #%d until %v and leads to #%d, of %v", key, first.rec.number, time.Unix(0, expires).UTC(), later.rec.number, time.Unix(0, later.created).UTC())
	}
}

// Woken implements world.Witness. A caller that joined what has ended long ago is
// told without the payload.
func (k *several) Woken(c *world.Caller, s core.Snapshot) {
	t := k.parts[s.ID[15]]
	if a := t.accounts[s.ID]; !s.CleanedUp || a == nil || a.status != s.Status {
		t.Woken(c, s)
	}
}

// Seen implements world.Witness.
func (k *several) Seen(id core.ID, asked int64, s *core.Snapshot) {
	t := k.parts[id[15]]
	a := t.accounts[id]
	t.group.counts[cLookUps]++
	switch {
	case s != nil && !s.Status.Terminal() && a != nil && a.settled && asked > a.settledAt:
		k.fail("an end that was told is seen by all", "execution #%d is looked up at %v and shown as %v; its end was told to somebody at %v", a.rec.number, time.Duration(asked), s.Status, time.Duration(a.settledAt))
	case !t.acked[id] || t.gone[id]: // in memory only, or past its TTL
	case a == nil || !a.there:
		k.fail("nothing acknowledged is missing", "execution %v was acknowledged, and nobody has it", id)
	case s == nil && !t.past(a):
		k.fail("nothing acknowledged is missing", "execution #%d is looked up, and not there; its facts say %v", a.rec.number, a.status)
	case s != nil && s.Status.Terminal() && (a.status != s.Status || !s.CleanedUp && outcomeOf(s) != a.outcome):
		k.fail("an end is told once it is durable", "execution #%d is shown as %s; its facts say %v %s", a.rec.number, outcomeOf(s), a.status, a.outcome)
	}
}

// Created implements world.Witness.
func (k *several) Created(fn int, err error) {
	t, f := k.of(fn), k.functions[fn]
	if err != nil {
		return
	}
	fact, ok := t.specs[f.name]
	if !ok {
		k.fail("an answer follows its facts", "function %s is registered, and no fact of it is durable", f.name)
		return
	}
	t.promised[f.name] = []core.Spec{{Generation: fact.Generation}}
}

// Deleted implements world.Witness.
func (k *several) Deleted(fn int, err error) {
	t, f := k.of(fn), k.functions[fn]
	if _, ok := t.specs[f.name]; ok && err == nil {
		k.fail("an answer follows its facts", "function %s is deleted, and that is not durable", f.name)
	}
	delete(t.promised, f.name)
}

// Updated implements world.Witness.
func (k *several) Updated(fn int, now *core.Spec, err error) {
	t, f := k.of(fn), k.functions[fn]
	if err != nil {
		return
	}
	f.group.counts[cUpdates]++
	if t.specs[f.name].Generation < now.Generation {
		k.fail("an answer follows its facts", "function %s is at generation %d, and that is not durable", f.name, now.Generation)
	}
	t.promised[f.name] = append(t.promised[f.name], core.Spec{Generation: now.Generation})
}

// Updating implements world.Witness.
func (k *several) Updating(int, *core.Spec, uint64) {}
