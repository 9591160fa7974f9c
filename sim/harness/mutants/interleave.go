package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// interleaveMutants are bugs that show only when several goroutines call core at once.
// sim/interleave is to notice them, within interleaveSeeds schedules.
var interleaveMutants = []mutant{
	{"interleave: whether the dispatching loop serves is asked too early", "c.carryOut(&fx)\n\tif fx.did && !in.ex.completedInside(fx.attempt) {", "inside := fx.did && in.ex.completedInside(fx.attempt)\n\tc.carryOut(&fx)\n\tif fx.did && !inside {"},
	{"interleave: the handoff word is read and then written", "return !ex.handoff.CompareAndSwap(handoffWord(attempt, handoffDispatching), handoffWord(attempt, handoffReturned))", "inside := ex.handoff.Load() != handoffWord(attempt, handoffDispatching)\n\tex.handoff.Store(handoffWord(attempt, handoffReturned))\n\treturn inside"},
	{"interleave: an abandoned claim wakes nobody", "s.evict(sh, e)\n\t\tsettled = e.settled", "s.evict(sh, e)"},
	{"interleave: a published claim wakes nobody", "settled := e.settled\n", "var settled []func()\n"},
	{"interleave: keys are claimed without the lock", "sh.mu.Lock()\n\tdefer sh.mu.Unlock()\n\tstep := keyStep{Step: Step{A: keyAcquire, Wall: now}}", "step := keyStep{Step: Step{A: keyAcquire, Wall: now}}"},
	{"interleave: a refused step keeps its reservation", "c.store.release(ex.payloadBytes())\n\t\tr.decided", "r.decided"},
	{"interleave: a full store keeps the count", "s.used.addCount(-1)\n\t\treturn noCount", "return noCount"},
	{"interleave: the store's count is read and then written", "own := u.count.Add(n)", "own := u.count.Load() + n\n\tu.count.Store(own)"},
	{"interleave: places in the rate are read and then written", "if l.state.CompareAndSwap(old, next) {\n\t\t\treturn uint32(next)", "if l.state.Load() == old {\n\t\t\tl.state.Store(next)\n\t\t\treturn uint32(next)"},
	{"interleave: one record for two executions", "if end := int(b.next.Add(int64(n))); end <= len(b.items) {", "end := int(b.next.Load()) + n\n\t\t\tif b.next.Store(int64(end)); end <= len(b.items) {"},
	{"interleave: the ready list is unlocked before its count is written", "l.len++\n\tl.count.Store(int64(l.len))\n\tl.mu.Unlock()", "l.len++\n\tn := l.len\n\tl.mu.Unlock()\n\tl.count.Store(int64(n))"},
	{"interleave: decided before the lock is taken", "fn.mu.Lock()\n\tfx.gone = fn.core.cfg.Journal != nil && fn.core.cfg.Journal.Gone()\n\tfn.decide(in, fx)", "fn.decide(in, fx)\n\tfn.mu.Lock()"},
	{"interleave: a function may be deleted before the step", "case fn.deleted: // between look-up and here\n\t\tfx.why = ErrNotFound\n\t\treturn\n\tcase !direct", "case !direct"},
	{"interleave: the queue's bound is looked at before the step only", "case !direct && fn.queue.live >= fn.QueueSize():", "case false:"},
	{"interleave: whether to sweep again is asked before the timer is given up", "c.sweepArmed.Store(false)\n\t\tif c.store.used.count.Load() > 0 || c.keys.Len() > 0 {", "more := c.store.used.count.Load() > 0 || c.keys.Len() > 0\n\t\tc.sweepArmed.Store(false)\n\t\tif more {"},
	{"interleave: what was durable before it was held waits for ever", "\tif q.reached(h.lsn) {\n\t\tq.count.Add(-1)\n\t\treturn false\n\t}\n\tq.items = append", "\tq.items = append"},
	{"interleave: what is held is counted after the look", "\tif q.reached(h.lsn) {\n\t\tq.count.Add(-1)\n\t\treturn false\n\t}\n\tq.items = append(q.items, *h)", "\tq.count.Add(-1)\n\tif q.reached(h.lsn) {\n\t\treturn false\n\t}\n\tq.items = append(q.items, *h)\n\tdefer q.count.Add(1)"},
	{"interleave: a commit that is told late takes one back", "if uint64(to) <= old || q.durable.CompareAndSwap(old, uint64(to)) {", "q.durable.Store(uint64(to))\n\t\tif uint64(to) <= old || true {"},
	{"interleave: two redrive one dead letter", "letter, there = c.takeLetter(fn, in, fx.now); !there {", "letter, there = c.takeLetter(fn, in, fx.now); !there && in.letterGone {"},
	{"interleave: who joins while others are asked is not there", "return in.nobody && ex.everJoined() == in.asked.joins", "return in.nobody"},
	{"interleave: two calls of the provider at a time", "if !a.due || a.asking || fn.deleted {", "if !a.due || fn.deleted {"},
	{"interleave: what becomes due while the provider is asked is forgotten", "fn.auto.Load().asking = false\n\t\tfn.askIfDue(fx)", "fn.auto.Load().asking = false"},
	{"interleave: nobody looks when the first call seems to be over", "\tif fx.wake {\n\t\tc.take(fx.fn, &input{kind: StepLook", "\tif fx.wake && (fx.fn.QueueDepth()+fx.fn.InFlight() > 0 || fx.event.Kind != EventAccepted) {\n\t\tc.take(fx.fn, &input{kind: StepLook"},
	{"interleave: a cancel stops the timer that was set meanwhile", "\tc.carryOut(&fx)\n\tfx.told.LSN = fx.restsOn\n", "\t_, _, due := ex.fn.deadlines.next()\n\tc.carryOut(&fx)\n\tif !due && ex.fn.timer != nil {\n\t\tex.fn.timer.Stop()\n\t\tex.fn.armedAt = 0\n\t}\n\tfx.told.LSN = fx.restsOn\n"},
	{"interleave: held attempts are let go before their facts", "if c.held.push(&h) {", "if h.attempt == 0 && c.held.push(&h) {"},
}

// interleaved says that interleavings are to notice the bug.
func (m *mutant) interleaved() bool { return strings.HasPrefix(m.name, "interleave: ") }

// interleaveSeeds is how many schedules a bug has to be noticed in.
const interleaveSeeds = "100000"

var brokenRule = regexp.MustCompile(`RULE (.*)\t(after \d+ schedules)`)

// checkInterleavings is check by sim/interleave.
func checkInterleavings(dir string, limit time.Duration) (v verdict, took time.Duration, err error) {
	binary, err := build(dir, "interleave.bin", "test", "-c", "-vet=off", "-tags", "interleave", "./sim/interleave")
	if err != nil {
		return v, 0, err
	}
	t := try(limit, "", nil, binary, "-test.run", "^TestInterleavings$", "-seeds", interleaveSeeds)
	switch found := brokenRule.FindSubmatch(t.said()); {
	case t.err == nil:
		return v, t.took, nil
	case t.endless:
		return endless, t.took, nil
	case found != nil:
		return verdict{"invariant", string(found[1]), string(found[2])}, t.took, nil
	}
	return v, t.took, fmt.Errorf("interleavings failed: %w: %s", t.err, t.said())
}
