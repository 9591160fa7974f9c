//go:build interleave

package interleave

import (
	"fmt"

	"simplane/core"
	"simplane/sim/replay"
)

// judge says what must hold: at each step, under the function's lock, at each event, and
// when nobody does anything any more. The rules have the names of the simulator's
// invariants.
type judge struct {
	w       *world
	err     error
	domains map[uint32]*domain
	states  map[[8]byte]*state
	keys    map[string]core.ID
	stored  int
	freed   []freed
	seen    map[core.EventKind]int
	toZero  int // of those scaled
}

// freed are two executions that a key has led to, in the order in which their callers
// were told: one of them must have given it back.
type freed struct {
	key string
	ids [2]core.ID
}

// domain is one registration of a function, as its steps say.
type domain struct {
	slots, size, running, depth int
	spec                        *core.Spec
	ready                       int // replicas
}

// resize follows a spec, and the replicas where slots are theirs.
func (d *domain) resize() {
	d.slots, d.size = d.spec.Concurrency, d.spec.QueueSize
	if sc := d.spec.ScalingConfig; sc != nil && sc.ConcurrencyControl != nil && sc.ConcurrencyControl.Mode == core.ConcurrencyStatic {
		d.slots = sc.ConcurrencyControl.TargetInFlightPerPod * max(1, d.ready)
	}
}

// state is what has been observed of an execution.
type state struct {
	accepted, ended, dispatched, released, evicted int
	handed                                         int
	code                                           string // of its end
}

// Failure is a broken rule.
type Failure struct{ Rule, Detail string }

func (f *Failure) Error() string { return f.Rule + ": " + f.Detail }

func (j *judge) fail(rule, format string, args ...any) {
	if j.err == nil {
		j.err = &Failure{rule, fmt.Sprintf(format, args...)}
		j.w.s.Fail(j.err)
	}
}

// executionOf is the part of an id that tells executions apart.
func executionOf(id core.ID) [8]byte { return [8]byte(id[:8]) }

func (j *judge) of(id core.ID) *state {
	k := executionOf(id)
	if j.states[k] == nil {
		j.states[k] = &state{}
	}
	return j.states[k]
}

// Step implements core.Recorder.
func (j *judge) Step(s core.Step) {
	j.w.rec.Steps = append(j.w.rec.Steps, s)
	if s.Seq == 0 && !s.Holds() {
		is, bound := s.Compared()
		j.fail("work is refused for a reason", "%s, and compares %d with %d", s.Reason(), is, bound)
	}
	if s.Seq == 0 || s.Kind == core.StepMore || s.Kind == core.StepKey {
		return
	}
	d := j.domains[s.Domain]
	if d == nil {
		return
	}
	if s.Kind == core.StepReplicas {
		d.ready = int(s.A)
		d.resize()
	}
	switch {
	case s.Running() > d.running && s.Running() > d.slots:
		j.fail("concurrency bound", "a step %v leaves %d running with %d slots", s.Kind, s.Running(), d.slots)
	case s.Depth() > d.depth && s.Depth() > d.size:
		j.fail("queue bound", "a step %v leaves %d queued of %d", s.Kind, s.Depth(), d.size)
	}
	d.running, d.depth = s.Running(), s.Depth()
}

// Base implements core.Recorder.
func (j *judge) Base(b *core.Base) {
	j.w.rec.Bases = append(j.w.rec.Bases, b)
	if b.Spec == nil {
		return
	}
	if j.domains[b.Domain] == nil {
		j.domains[b.Domain] = &domain{}
	}
	d := j.domains[b.Domain]
	d.spec = b.Spec
	d.resize()
}

// FunctionAdded implements core.Observer.
func (j *judge) FunctionAdded(*core.Function) any { return nil }

// Observe implements core.Observer. Events of two steps may come in either order.
func (j *judge) Observe(ev core.Event) {
	j.w.point()
	if j.seen[ev.Kind]++; ev.Kind == core.EventScaled && ev.Count == 0 {
		j.toZero++
	}
	switch s := j.of(ev.ID); ev.Kind {
	case core.EventAccepted:
		s.accepted++
		j.stored++
	case core.EventEnded:
		if s.ended++; s.ended > 1 {
			j.fail("an execution ends exactly once", "%v ended again", ev.ID)
		}
		s.code = ev.Code
		if p := j.w.plan; ev.Code == core.CodeStale && p.Pause > 0 && !p.Off && !p.Short {
			j.fail("pauses end", "%v is stale", ev.ID)
		}
	case core.EventDispatched:
		s.dispatched++
	case core.EventSlotReleased:
		s.released++
	case core.EventEvicted:
		j.stored--
		if s.evicted++; s.evicted > 1 {
			j.fail("an execution ends exactly once", "%v was evicted again", ev.ID)
		}
	}
}

// handed is told of an attempt that core has handed out.
func (j *judge) handed(t core.Task) {
	s := j.of(t.ID)
	if t.Attempt <= s.handed {
		j.fail("attempts", "attempt %d of %v was handed out after attempt %d", t.Attempt, t.ID, s.handed)
	}
	s.handed = t.Attempt
}

// fresh is told of an execution that a key has led to. No key expires before the tasks
// are over.
func (j *judge) fresh(function string, key int, id core.ID) {
	if key == 0 {
		return
	}
	k := fmt.Sprint(function, " ", key)
	if other, ok := j.keys[k]; ok {
		j.freed = append(j.freed, freed{k, [2]core.ID{other, id}})
	}
	j.keys[k] = id
}

// quiet judges when the tasks are over and time has not moved since.
func (j *judge) quiet() {
	w := j.w
	g := w.core.Gauges()
	var queued, inFlight, syncQueued int
	for _, fn := range w.every {
		queued, inFlight, syncQueued = queued+fn.QueueDepth()+fn.Pausing(), inFlight+fn.InFlight(), syncQueued+fn.SyncQueueDepth()
		live := w.core.Function(fn.Name()) == fn
		if !live && fn.QueueDepth() > 0 {
			j.fail("conservation", "%s: deleted with %d still queued", fn.Name(), fn.QueueDepth())
		}
		if live && fn.QueueDepth() > 0 && fn.InFlight() < fn.EffectiveConcurrency() && (!w.plan.Off || fn.SyncQueueDepth() > 0) {
			j.fail("work conserving", "%s: %d queued and %d of %d slots in use, and nobody serves it", fn.Name(), fn.QueueDepth(), fn.InFlight(), fn.EffectiveConcurrency())
		}
	}
	var waiting, holding int
	starts := w.journal.starts()
	for id, s := range j.states {
		taken := max(s.dispatched, starts[id]) // a durable attempt has its slot before it is dispatched
		holding += taken - s.released
		if s.accepted > 0 && s.ended == 0 && taken == s.released {
			waiting++
		}
	}
	switch {
	case queued != waiting || inFlight != holding:
		j.fail("conservation", "core has %d queued and %d in flight, its events add up to %d and %d", queued, inFlight, waiting, holding)
	case g.StoredExecutions != j.stored:
		j.fail("conservation", "core stores %d executions, accepted - evicted is %d", g.StoredExecutions, j.stored)
	case g.SyncQueueDepth != syncQueued:
		j.fail("sync queue depth", "core says %d, its functions %d", g.SyncQueueDepth, syncQueued)
	}
	// Those give their keys back whose callers left, and who waited for too long: that is
	// told when the key is free already.
	for _, f := range j.freed {
		kept := func(id core.ID) bool { return !w.wasLeft(id) && j.of(id).code != core.CodeQueueWait }
		if kept(f.ids[0]) && kept(f.ids[1]) {
			j.fail("one execution per live idempotency key", "%s leads to %v and to %v", f.key, f.ids[0], f.ids[1])
		}
	}
	j.callers(false)
	j.replicas(false)
}

// callers judges what those who wait were told; at the end all were.
func (j *judge) callers(end bool) {
	for _, c := range j.w.calls {
		ended := c.id != (core.ID{}) && j.of(c.id).ended > 0
		switch {
		case c.woken > 1:
			j.fail("callers are answered", "the caller of %s was woken %d times", c.name, c.woken)
		case c.woken == 1 && (!c.told.Status.Terminal() || c.told.ID != c.id):
			j.fail("callers are answered", "the caller of %v was told that %v is %v", c.id, c.told.ID, c.told.Status)
		case c.woken == 0 && c.waits && !c.forgotten && (ended || end):
			j.fail("callers are answered", "the caller of %v was not woken", c.id)
		case c.woken == 1 && !c.left && c.told.Err != nil && c.told.Err.Message == "its caller left while it was queued":
			j.fail("callers that leave", "the caller of %v has not left, and %v ended because nobody was there", c.id, c.id)
		case c.woken == 1 && !c.waits:
			j.fail("callers are answered", "the caller of %v does not wait, and was woken", c.id)
		}
	}
}

// end judges when every TTL is over.
func (j *judge) end() {
	w := j.w
	if g := w.core.Gauges(); g != (core.Gauges{}) {
		j.fail("memory returns to the baseline", "core still holds %+v", g)
	}
	for _, fn := range w.every {
		if fn.QueueDepth() != 0 || fn.InFlight() != 0 {
			j.fail("memory returns to the baseline", "%s has %d queued and %d in flight", fn.Name(), fn.QueueDepth(), fn.InFlight())
		}
	}
	j.callers(true)
	j.replicas(true)
	report, err := replay.Run(&w.rec, replay.Options{})
	if err != nil {
		j.fail(divergence, "%v", err)
		return
	}
	if report.Misplaced > 0 {
		j.fail(divergence, "%s", report.FirstMisplaced)
	}
	for _, f := range report.Functions {
		switch {
		case f.First != nil:
			j.fail(divergence, "%s: %s", f.Name, f.First.Why)
		case f.Unusable != "" && f.Steps > 0:
			j.fail(divergence, "%s: %s", f.Name, f.Unusable)
		}
	}
}

const divergence = "recorded steps are decided in the same way again"
