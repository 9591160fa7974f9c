package sim

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

// checker stops a run at the first thing that core must not do. It keeps a model
// of every execution from core's events, and compares it with core's gauges
// whenever virtual time is about to move. The cost is O(1) per event, amortized.
//
// It decides nothing: Options.Unchecked leaves it out and changes no event.
type checker struct {
	w     *witness
	cfg   core.Config
	jumps bool  // some clock-jump has happened
	jump  int64 // virtual time of the last one

	// What core's gauges must say.
	stored       int
	payload      int64
	syncQueued   int
	syncInFlight int

	touched []*generation // since time last moved
	failed  []int32       // records that have failed with an error of their own since then

	rate rateWindow // of all functions together

	offers, accepts, rejects, hits int64 // submissions, and their outcomes by event

	live, done, dirty ageList // not ended, by last transition; ended, by end; ended and not cleaned
	owed              int     // sync callers of ended executions, not woken yet

	answered      ageList // ended sync calls whose slot is free, not cleaned, in that order
	answeredBytes int64
	offer         world.Tag     // of the call being made; 0 = none
	brings        []byte        // its input
	with          *world.Beside // what it brings beside that
	letter        core.ID       // the dead letter that it redrives
	caller        *world.Caller

	sayings []saying // by the executions' slots
	causes  []cause  // what is being told core, innermost last
	hitLine int64    // of the log: the latest idempotent hit
	hitOf   core.ID  // what it led the call being made to; zero = none has
	refusal string   // the code with which that was refused; "" = it was not

	listAt int64 // line of the log; see checker_search.go
	lists  int

	draining   bool
	drainOf    *generation      // whose head drain-once is to start; nil = none, or it has
	drainable  bool             // it has one, and a free slot
	drained    map[core.ID]bool // executions whose attempt it has started
	drainsOver int              // attempts of drain-once that have ended and are not said to

	unknownService bool                     // some attempt has answered of which the checker knows nothing
	allCompletions completionModel          // of all functions
	replicas       map[uint32]*replicaModel // by the domain of a function's records
	unscaled       domainSet                // those of which nothing is adapted
	calling        []*replicaModel          // those that may have their provider called, since time last moved
	relieved       bool                     // payloads have made room for the call being made

	turn        int64         // number of the latest dispatch
	letterQueue []letterProbe // in order of time

	kept struct{ shown, was []core.Attempt } // of a snapshot, and what that showed then

	sweeps        time.Duration // as the scenario says; 0 = as core makes of the TTLs
	mostFunctions int

	unbroken int   // attempts that are to be broken off
	longest  int64 // timeout or pause of an execution: a timer that is set for one stays for as long

	letterBytesHeld int64
	letterBound     int64 // defaults, which no scenario reaches
	letterTTL       time.Duration

	keys   keyModel
	leaves leaveModel
	sample []core.ID // executions to compare with core.Execution
	probes [2]probes // and when: at cleanupTtl, at ttl
}

func newChecker(w *witness) *checker {
	c := &checker{w: w, with: world.Nothing, rate: rateWindow{second: -1}, leaves: leaveModel{}, drained: map[core.ID]bool{}, replicas: map[uint32]*replicaModel{}, live: newAgeList(), done: newAgeList(), dirty: newAgeList(), answered: newAgeList()}
	c.keys.fresh, c.keys.due = newAgeList(), newAgeList()
	return c
}

// configure tells the checker what core has been configured with.
func (c *checker) configure(cfg core.Config) {
	c.cfg = cfg
	def := core.DefaultConfig()
	c.letterBound, c.letterTTL = def.MaxDeadLetterBytes, def.DeadLetterTTL
	c.probes[0].limit, c.probes[1].limit = int64(cfg.CleanupTTL), int64(cfg.TTL)
	if c.sweeps == 0 { // a hundredth of the shortest TTL, within 10 ms and 1 s
		c.sweeps = min(max(min(cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL, cfg.IdempotencyTTL)/100, 10*time.Millisecond), time.Second)
	}
	if cfg.SweepInterval != c.sweeps {
		c.w.fail("settings are taken", "core sweeps every %v, expected every %v", cfg.SweepInterval, c.sweeps)
	}
}

// touch marks a function to be checked before virtual time moves.
func (c *checker) touch(f *generation) {
	f.readySince = 0
	if !f.touched {
		f.touched = true
		c.touched = append(c.touched, f)
	}
}

// offering is told before a call.
func (c *checker) offering(t world.Tag, f *function, k *world.Caller, input []byte, letter core.ID) {
	c.countErrors()
	c.offer, c.caller, c.brings, c.letter, c.hitOf, c.refusal = t, k, input, letter, core.ID{}, ""
	c.with = world.BringsWith(c.w.loads[t.Load()].Context, input)
	if i := f.letters.find(letter); i >= 0 {
		l := &f.letters.items[i]
		c.brings, c.with = l.input, again(l.with.Metadata, l.with.TraceID)
	} else if letter != (core.ID{}) { // it is not known which are left
		l, _ := c.w.core.DeadLetter(f.name, letter)
		c.brings, c.with = l.Input, again(l.Metadata, l.TraceID)
	}
}

// submitted checks that Submit's answer is what its event said.
func (c *checker) submitted(f *function, caller *world.Caller, res *core.Result, err error) {
	if c.letter != (core.ID{}) && c.refusal == "" && errors.Is(err, core.ErrNotFound) {
		// No letter is there any more, so no call was made: redriven judges that.
		c.offer, c.brings, c.letter = 0, nil, core.ID{}
		return
	}
	c.offers++
	c.offer, c.caller, c.brings, c.letter, c.relieved = 0, nil, nil, core.ID{}, false
	switch {
	case err != nil:
		if why := (*core.Rejection)(nil); !errors.As(err, &why) || why.Code != c.refusal {
			c.w.fail("submissions are accepted or rejected", "%s: core says %v, and observed the rejection %q", f.name, err, c.refusal)
		}
	case res.ID == core.ID{}:
		c.w.fail("submissions are accepted or rejected", "%s: accepted without an id", f.name)
	}
	c.told(f, caller, res, err)
	if c.offers != c.accepts+c.hits+c.rejects {
		c.w.fail("conservation", "offered %d is not accepted %d + idempotent hits %d + rejected %d", c.offers, c.accepts, c.hits, c.rejects)
	}
}

// lettersSeldom is how often a function's dead letters are compared that has some more:
// listing them costs more than all else.
const lettersSeldom = 15

// settled checks, before virtual time moves, what must hold once everything of
// the old time has happened. When the instant is not over the rest of it may yet
// end the queue of a deleted function: that is looked at later.
func (c *checker) settled(over bool) {
	w := c.w
	touched := c.touched
	c.touched = c.touched[:0]
	for _, f := range touched {
		if f.deleted && !over {
			c.touched = append(c.touched, f)
			continue
		}
		f.touched = false
		switch {
		case f.core.QueueDepth() != f.queued:
			w.fail("conservation", "%s: core has %d queued, its events add up to %d", f.name, f.core.QueueDepth(), f.queued)
		case f.core.InFlight() != f.inFlight:
			w.fail("conservation", "%s: core has %d in flight, its events add up to %d", f.name, f.core.InFlight(), f.inFlight)
		case f.core.QueueSize() != f.spec.QueueSize || (!f.perPod() && f.core.EffectiveConcurrency() != f.spec.Concurrency):
			w.fail("updates", "%s: core has queue size %d and concurrency %d in use, its spec says %d and %d", f.name, f.core.QueueSize(), f.core.EffectiveConcurrency(), f.spec.QueueSize, f.spec.Concurrency)
		case f.perPod() && f.core.EffectiveConcurrency() != f.slots:
			w.fail("slots", "%s: core has %d, its events say %d", f.name, f.core.EffectiveConcurrency(), f.slots)
		case f.queued > 0 && f.inFlight < f.slots && c.driven(f):
			w.fail("work conserving", "%s: %d queued and %d of %d slots in use while virtual time passes", f.name, f.queued, f.inFlight, f.slots)
		case f.deleted && f.function.current == f:
			w.fail("delete-function", "%s: deleted, and nobody has asked for it", f.name)
		case f.deleted && f.queued > 0:
			w.fail("conservation", "%s: deleted with %d still queued", f.name, f.queued)
		case f.deleted && f.core.Pausing() > 0:
			w.fail("conservation", "%s: deleted with %d that still pause", f.name, f.core.Pausing())
		}
		if !f.deleted {
			c.served(f)
		}
		if f.function.letters.changed && w.log.lines&lettersSeldom == 0 {
			c.letters(f.function)
		}
	}
	c.called()
	c.countErrors()
	g := w.core.Gauges()
	switch {
	case g.StoredExecutions != c.stored:
		w.fail("conservation", "core stores %d executions, accepted - evicted is %d", g.StoredExecutions, c.stored)
	case g.PayloadBytes != c.payload:
		w.fail("payload bytes", "core counts %d, what it holds is %d", g.PayloadBytes, c.payload)
	case g.SyncQueueDepth != c.syncQueued:
		w.fail("sync queue depth", "core says %d, its events add up to %d", g.SyncQueueDepth, c.syncQueued)
	case g.SyncInFlight != c.syncInFlight:
		w.fail("sync in flight", "core says %d, its events add up to %d", g.SyncInFlight, c.syncInFlight)
	case c.drainsOver != 0:
		w.fail("drain once", "%d attempts have ended and are not said to", c.drainsOver)
	case c.unbroken != 0:
		w.fail("attempts are broken off", "%d attempts of executions that were cancelled go on", c.unbroken)
	case c.owed != 0:
		w.fail("callers are answered", "%d sync callers of ended executions were not woken", c.owed)
	}
	c.retained()
	c.keysRetained(g.StoredKeys)
	for _, id := range c.sample {
		c.compare(id)
	}
	if over {
		c.list()
	}
	c.sample = c.sample[:0]
}

// countErrors counts the errors with which executions have ended, and attempts
// have failed, since time last moved. Their events have no messages: the public
// view has.
func (c *checker) countErrors() {
	w := c.w
	for _, slot := range c.failed {
		rec := &w.all[slot]
		s, ok := w.core.Execution(rec.id)
		switch {
		case !ok || (rec.failed && s.Err == nil):
			w.fail("consistent snapshots", "execution #%d has just failed: found %v, error %v", rec.number, ok, s.Err)
			return
		case rec.failed && (len(s.Err.Code) > core.MaxErrorCode || len(s.Err.Message) > core.MaxErrorMessage):
			w.fail("errors are bounded", "execution #%d keeps a code of %d bytes and a message of %d", rec.number, len(s.Err.Code), len(s.Err.Message))
			return
		case len(s.Attempts) != min(int(rec.attempt)-1, attemptsKept):
			w.fail("consistent snapshots", "execution #%d is at attempt %d and remembers %d failed ones", rec.number, rec.attempt, len(s.Attempts))
			return
		case len(s.Attempts) > 0 && !c.remembers(rec, slot, &s.Attempts[len(s.Attempts)-1]):
			w.fail("consistent snapshots", "execution #%d at attempt %d remembers %+v, the failure's message was %q", rec.number, rec.attempt, s.Attempts[len(s.Attempts)-1], c.sayings[slot].failures().failed)
			return
		}
		before, attempts := rec.result+rec.attempts, 0
		for _, a := range s.Attempts {
			attempts += len(a.Err.Code) + len(a.Err.Message)
		}
		rec.attempts = int32(attempts)
		if rec.failed {
			rec.result = int32(len(s.Err.Code) + len(s.Err.Message))
		}
		more := int64(rec.result + rec.attempts - before)
		c.payload += more
		if c.answered.has(slot) {
			c.answeredBytes += more
		}
	}
	c.failed = c.failed[:0]
}

// attemptsKept is how many failed attempts core remembers of an execution.
const attemptsKept = 8

// baseline checks that nothing is left once settle has outlasted every TTL.
func (c *checker) baseline(settled int64) {
	w, cfg := c.w, &c.cfg
	if settled <= int64(max(cfg.TTL, cfg.IdempotencyTTL)+2*cfg.SweepInterval) || c.jumps {
		return // lateness has been checked record by record all along
	}
	for _, f := range w.functions {
		c.letters(f)
	}
	g := w.core.Gauges()
	if g != (core.Gauges{}) {
		w.fail("memory returns to the baseline", "after settling core still holds %+v", g)
	}
	if w.loop.Timers() > 0 && settled > max(int64(cfg.StaleTTL), c.longest) && !c.mayScale(settled) {
		w.fail("memory returns to the baseline", "after settling %d timers are still pending", w.loop.Timers())
	}
}

// compare holds core's public view of an execution against the record.
func (c *checker) compare(id core.ID) {
	w := c.w
	rec, slot := w.find(id)
	full, ok := w.core.Details(id)
	s := full.Snapshot
	wall := w.clock.Wall()
	gone := rec == nil || (rec.state == stEnded && wall-rec.finished > int64(c.cfg.TTL))
	switch {
	case ok == gone:
		w.fail("executions are found until their TTL", "execution %s: core says found %v, expected %v", id, ok, !gone)
		return
	case gone:
		return
	}
	c.shows(rec, slot, &s, "a look-up")
	if say := &c.sayings[slot]; s.CleanedUp && full.Input != nil || !s.CleanedUp && !say.unwanted && !bytes.Equal(full.Input, say.input) {
		w.fail("consistent snapshots", "execution #%d: cleaned up %v, its input is %q, its call brought %q", rec.number, s.CleanedUp, full.Input, say.input)
	}
	c.showsWith(rec, &c.sayings[slot], &full)
	if len(s.Attempts) > 0 || c.kept.shown != nil {
		c.keepsSaying(s.Attempts)
	}
}

// keepsSaying checks that an earlier snapshot still shows what it showed, and keeps another.
func (c *checker) keepsSaying(next []core.Attempt) {
	if !slices.Equal(c.kept.shown, c.kept.was) {
		c.w.fail("consistent snapshots", "one that showed the attempts %+v shows %+v later", c.kept.was, c.kept.shown)
	}
	c.kept.shown, c.kept.was = next, append(c.kept.was[:0], next...)
}

// look samples an execution for compare: every one of the first hundred, then
// one in sixteen.
func (c *checker) look(rec *record) bool {
	if rec.number > 100 && rec.number&15 != 0 {
		return false
	}
	c.sample = append(c.sample, rec.id)
	return true
}
