package sim

import (
	"errors"
	"fmt"
	"time"

	"simplane/core"
	"simplane/sim/internal/nodes"
	"simplane/sim/internal/world"
)

// What several judges of outcomes that the owner before tells of: each counts once, for
// the attempt that it is of, and as that attempt gave it; and none that could be told is
// waited for in vain.

// given is the first answer of an attempt.
type given struct {
	by      *nodes.Seat // that dispatched it
	outcome string
	at      int64 // virtual ns
}

// hearing is an outcome that an owner is told.
type hearing struct {
	of      *account
	attempt int32
	running bool // it is the current attempt, as the owner shows it
	open    bool // and no owner has ended the execution, not even one that had lost it
	counted bool
}

// Replied implements nodes.Watch.
func (k *several) Replied(s *nodes.Seat, t core.Task, o core.Outcome) {
	a, n := k.parts[s.Partition].accounts[t.ID], int32(t.Attempt)
	if a == nil {
		return
	}
	delete(a.runs, n)
	if _, again := a.gave[n]; !again && a.gave != nil {
		a.gave[n] = given{s, endBy(&o), k.loop.Now()}
	}
}

// Hearing implements nodes.Watch.
func (k *several) Hearing(s *nodes.Seat, id core.ID, attempt int, o core.Outcome) {
	a, n := k.parts[s.Partition].accounts[id], int32(attempt)
	if a == nil {
		return // past its TTL
	}
	if g, ok := a.gave[n]; !ok || g.outcome != endBy(&o) {
		k.fail("outcomes are told as they were given", "%s is told that attempt %d of execution #%d gave %s; it gave %s", s.Node(), n, a.rec.number, endBy(&o), g.outcome)
	}
	k.hearing = hearing{of: a, attempt: n}
	if shown, ok := s.Core.Execution(id); ok {
		k.hearing.running = shown.Status == core.Running && shown.Attempt == n
		k.hearing.open = k.hearing.running && !a.over
	}
}

// counts notes that what an owner is told changes something.
func (k *several) counts(ev *core.Event, a *account) {
	if h := &k.hearing; a != nil && a == h.of && (ev.Kind == core.EventRetried || ev.Kind == core.EventEnded) {
		h.counted = true
	}
}

// Heard implements nodes.Watch.
func (k *several) Heard(s *nodes.Seat, id core.ID, attempt int, err error) {
	h := k.hearing
	k.hearing = hearing{}
	a := h.of
	if a == nil {
		return
	}
	t := k.parts[s.Partition]
	t.group.counts[cToldOutcomes]++
	before, again := a.counted[h.attempt]
	switch {
	case h.counted && !h.running:
		k.fail("an outcome counts for its own attempt", "that of attempt %d of execution #%d counts at %s, which had it at another", h.attempt, a.rec.number, s.Node())
	case h.counted && again && before == s:
		k.fail("an outcome counts once", "that of attempt %d of execution #%d counts for the second time at %s", h.attempt, a.rec.number, s.Node())
	case !h.counted && h.open && !again && err == nil:
		k.fail("an outcome that is told counts", "that of attempt %d of execution #%d changes nothing at %s, where it runs", h.attempt, a.rec.number, s.Node())
	}
	if errors.Is(err, core.ErrExecutionGone) && !t.past(a) && a.isDurable {
		k.fail("nothing acknowledged is missing", "the outcome of an attempt of execution #%d is told, and it is not there; its facts say %v", a.rec.number, a.status)
	}
	if h.counted {
		if a.counted == nil {
			a.counted = map[int32]*nodes.Seat{}
		}
		a.counted[h.attempt] = s
	}
}

// tellingTakes is long enough to tell an owner of an outcome while nothing is wrong.
const tellingTakes = 4 * time.Second

// interrupted judges a fact that says that nobody knows how an attempt ended.
func (k *several) interrupted(t *part, a *account, attempt int32, wall int64) {
	g, ok := a.gave[attempt]
	if !ok || !g.by.Alive() || !k.cluster.CalmSince(g.at) || wall-world.At(g.at).Wall < int64(tellingTakes+t.spread) {
		return
	}
	k.fail("outcomes are told", "attempt %d of execution #%d is taken for interrupted at %v; %s has known for %v that it gave %s, and goes on",
		attempt, a.rec.number, time.Unix(0, wall).UTC(), g.by.Node(), time.Duration(wall-world.At(g.at).Wall), g.outcome)
}

// transition says why a fact cannot follow what the execution is at; "" = it can.
func (a *account) transition(f *core.Fact) string {
	switch {
	case f.Kind == core.FactEnded && f.Attempt != a.attempt,
		f.Kind == core.FactStarted && (a.status != core.Queued || a.pausing || f.Attempt != a.attempt),
		f.Kind == core.FactRetried && (a.status != core.Running || f.Attempt != a.attempt+1),
		f.Kind == core.FactRequeued && (!a.pausing || f.Attempt != a.attempt):
		return fmt.Sprintf("it is %v at attempt %d, pausing %v", a.status, a.attempt, a.pausing)
	}
	return ""
}
