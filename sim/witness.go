package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/random"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// witness watches core and the world: it keeps the records, the counts, the
// log and the plot, and has the checker judge what happens. It never calls core
// but to read, and decides nothing.
//
// It implements core.Observer (Observe, FunctionAdded), core.IDSource (the
// records: an id leads to its record) and world.Witness (calls.go).
type witness struct {
	records
	loop   *loop.Loop // read only
	clock  *world.Clock
	core   *core.Core // read only
	fleets fleets

	groups    []*group
	functions []*function // by number
	byName    map[string]*function
	loads     []world.Load // by world.Tag.Load

	unended    int64 // accepted and not terminal
	slotsHeld  int64
	reportedAt int64 // virtual ns of the last report; -1 = none
	loadUntil  int64 // virtual ns when load stops
	loadOver   bool
	endedAt    int64 // virtual ns of the last end

	cancelling    core.ID // by the call that is being made
	cancellable   error   // what core must say to that; nil = it is cancelled
	cancellingAll bool

	log       *logbook
	check     *checker // nil when unchecked
	judged    bool     // by durable
	plot      *plot    // nil unless wanted
	violation *Violation

	expect    []scenario.Check
	timed     []int // indexes into expect, by time
	timedNext int
	checks    []CheckResult
}

// fleets is what the witness asks the world.
type fleets interface {
	Instances(fn int) world.Instances
	ReplicaSeconds(fn int) int64
	Callers(fn int) (again, failed int64)
}

// Violation is a broken invariant.
type Violation struct {
	Invariant string
	Detail    string
	At        time.Duration
	Tail      []string // the last lines of the event log
}

func (v *Violation) Error() string {
	return fmt.Sprintf("invariant broken at %v: %s: %s", v.At, v.Invariant, v.Detail)
}

// Headline is the invariant and the first line of the detail.
func (v *Violation) Headline() string {
	line, _, _ := strings.Cut(v.Detail, "\n")
	return v.Invariant + ": " + line
}

// fail records the first broken invariant; the run stops at it.
func (w *witness) fail(invariant, format string, args ...any) {
	if w.violation == nil && (w.check != nil || w.judged) {
		w.violation = &Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...), At: time.Duration(w.loop.Now()), Tail: w.log.tail(40)}
	}
}

// newWitness is a witness of a scenario. watch must follow.
func newWitness(sc *scenario.Scenario, opts Options, l *loop.Loop, around *world.World) *witness {
	w := &witness{
		records: records{spare: -1, idSeed: random.Mix(sc.Seed ^ 0x6964656e74696679)},
		loop:    l, clock: around.Clock(), fleets: around, loads: around.Loads(),
		log: newLogbook(), reportedAt: -1, loadUntil: int64(sc.Duration), expect: sc.Expect, checks: make([]CheckResult, len(sc.Expect)),
	}
	w.log.out, w.log.from, w.log.to = opts.Events, opts.KeepFrom, opts.KeepTo
	w.addFunctions(sc, around.Functions())
	for i := range sc.Expect {
		if c := &sc.Expect[i]; c.Gauge != "" || c.At > 0 {
			w.timed = append(w.timed, i)
		}
	}
	slices.SortStableFunc(w.timed, func(a, b int) int { return cmp.Compare(sc.Expect[a].At, sc.Expect[b].At) })
	if opts.Series {
		w.plot = newPlot(w, sc)
	}
	w.judged = (sc.Core.Journal.Enabled || sc.Nodes > 0) && !opts.Unchecked
	if !opts.Unchecked && !w.judged {
		w.check = newChecker(w)
		w.check.sweeps, w.check.mostFunctions = sc.Core.SweepInterval, cmp.Or(sc.Core.MaxFunctions, scenario.MaxFunctions)
	}
	return w
}

// watch is called with the core to watch, before anything happens in it.
func (w *witness) watch(c *core.Core) {
	w.core = c
	if w.check != nil {
		w.check.configure(c.Config())
	}
}

// quiet says that all executions have ended and all slots are free.
func (w *witness) quiet() bool { return w.unended == 0 && w.slotsHeld == 0 }

// leave is called before virtual time moves, when everything of the old time
// has happened; false when an invariant is broken.
func (w *witness) leave(to int64) bool {
	if w.check != nil {
		w.check.settled(true)
		w.check.probeUntil(to)
	}
	for w.timedNext < len(w.timed) && int64(w.expect[w.timed[w.timedNext]].At) < to {
		w.evaluate(w.timed[w.timedNext])
		w.timedNext++
	}
	if w.plot != nil {
		w.plot.sampleUntil(to)
	}
	if to > w.loadUntil && !w.loadOver {
		w.loadStops()
	}
	return w.violation == nil
}

// loadStops notes how busy all functions have been while there was load.
func (w *witness) loadStops() {
	w.loadOver = true
	for _, f := range w.functions {
		for _, fn := range f.generations {
			fn.elapse(w.loadUntil)
			fn.busy, fn.had = fn.runningArea, fn.slotArea
		}
	}
}

// finish checks what must hold at the end of a run that became quiet at a
// virtual time.
func (w *witness) finish(quietAt int64) {
	for ; w.timedNext < len(w.timed); w.timedNext++ {
		w.evaluate(w.timed[w.timedNext])
	}
	if w.check != nil {
		w.check.settled(true)
		w.check.baseline(w.loop.Now() - max(quietAt, w.endedAt)) // what was redriven may have ended at once
	}
}

// Observe implements core.Observer. The checker looks at each event first.
func (w *witness) Observe(ev core.Event) {
	if w.violation != nil {
		return // what a broken core does next says nothing more
	}
	var f *generation
	var g *group
	if ev.Function != nil {
		f = ev.Function.Handle().(*generation)
		g = f.group
	} else if called := w.caller(world.Tag(ev.Tag)); called != nil {
		g = called.group // the name is unknown to core
	}
	switch ev.Kind {
	case core.EventAccepted:
		w.accepted(&ev, f)
	case core.EventRejected:
		if w.check != nil {
			w.check.rejected(&ev, f)
		}
		if g != nil {
			g.counts[rejectionCounter(ev.Code)]++
		}
		w.writeRejected(&ev)
	case core.EventIdempotentHit:
		rec, slot := w.find(ev.ID)
		if w.check != nil {
			w.check.joined(&ev, f, rec, slot)
		}
		g.counts[cIdempotentHits]++
		w.write(&ev, f, rec, saysHit)
	case core.EventDispatched:
		w.dispatched(&ev, f)
	case core.EventRetried:
		w.retried(&ev, f)
	case core.EventRequeued:
		w.requeued(&ev, f)
	case core.EventEnded:
		w.ended(&ev, f)
	case core.EventSlotReleased:
		rec, slot := w.find(ev.ID)
		if w.check != nil {
			w.check.released(&ev, f, rec, slot)
		}
		if rec != nil {
			rec.holdsSlot = false
		}
		f.elapse(w.loop.Now())
		f.inFlight--
		f.group.inFlight--
		w.slotsHeld--
		w.write(&ev, f, rec, saysFree)
	case core.EventLateResult:
		rec, _ := w.find(ev.ID)
		if w.check != nil {
			w.check.dropped(&ev, f, rec)
		}
		g.counts[cLate]++
		w.write(&ev, f, rec, saysLate)
	case core.EventDuplicateResult:
		rec, _ := w.find(ev.ID)
		if w.check != nil {
			w.check.dropped(&ev, f, rec)
		}
		g.counts[cDuplicate]++
		w.write(&ev, f, rec, saysDuplicate)
	case core.EventCleaned:
		rec, slot := w.find(ev.ID)
		if w.check != nil {
			w.check.cleaned(&ev, rec, slot)
		}
		if rec != nil {
			rec.cleaned = true
		}
		g.counts[cCleaned]++
		w.write(&ev, f, rec, saysClean)
	case core.EventEvicted:
		rec, slot := w.find(ev.ID)
		if w.check != nil {
			w.check.evicted(&ev, rec, slot)
		}
		g.counts[cEvicted]++
		w.write(&ev, f, rec, saysEvict)
		if rec != nil {
			w.release(slot)
		}
	case core.EventKeysEvicted:
		if w.check != nil {
			w.check.keysEvicted(ev.Count)
		}
		line := append(w.log.begin(w.loop.Now()), "evict-keys "...)
		w.log.end(strconv.AppendInt(line, int64(ev.Count), 10))
	case core.EventFunctionAdded:
		w.writeFunction(f, "add")
	case core.EventFunctionDeleted:
		f.elapse(w.loop.Now())
		f.deleted = true
		if w.check != nil {
			w.check.touch(f)
		}
		w.writeFunction(f, "delete")
	case core.EventReconfigured:
		w.updated(f)
	case core.EventScaled:
		if w.check != nil {
			w.check.wantsReplicas(f, ev.Count)
		}
		w.scaled(f, ev.Count)
	case core.EventReplicasReady:
		w.replicasReady(f, ev.Count)
	case core.EventConcurrencyChanged:
		w.concurrencyChanged(f, ev.Count)
	}
}

func (w *witness) accepted(ev *core.Event, f *generation) {
	rec, slot := w.adopt(ev.ID)
	if rec == nil {
		w.fail("ids are the source's", "an execution was accepted under id %s, which the id source has not just handed out", ev.ID)
		return
	}
	rec.fn, rec.sync, rec.attempt, rec.state = f, ev.Sync, 1, stQueued
	rec.created, rec.createdMono, rec.queuedMono = ev.At.Wall, ev.At.Mono, ev.At.Mono
	rec.moved = ev.At.Wall
	if called := world.Tag(ev.Tag).Load(); called >= 0 && called < len(w.loads) {
		rec.timeout = int64(w.loads[called].Timeout)
	}
	if rec.timeout == 0 {
		rec.timeout = int64(f.spec.TimeoutMillis) * 1e6
	}
	if w.check != nil {
		w.check.accepted(ev, f, rec, slot)
	}
	f.elapse(w.loop.Now())
	f.queued++
	f.group.queued++
	w.append(f, rec, slot)
	w.unended++
	f.group.counts[cAccepted]++
	w.writeAccepted(ev, f, rec)
}

func (w *witness) dispatched(ev *core.Event, f *generation) {
	rec, slot := w.find(ev.ID)
	if w.check != nil {
		if w.check.dispatched(ev, f, rec, slot); w.violation != nil {
			return
		}
	}
	f.elapse(w.loop.Now())
	f.queued--
	f.group.queued--
	f.inFlight++
	f.group.inFlight++
	w.slotsHeld++
	if rec != nil {
		w.unlink(f, rec)
		rec.state, rec.holdsSlot, rec.startedMono, rec.moved = stRunning, true, ev.At.Mono, ev.At.Wall
	}
	f.group.latency[seriesQueueWait].Record(int64(ev.QueueWait))
	w.write(ev, f, rec, saysStart)
}

func (w *witness) retried(ev *core.Event, f *generation) {
	rec, slot := w.find(ev.ID)
	if w.check != nil {
		if w.check.retried(ev, f, rec, slot); w.violation != nil {
			return
		}
	}
	if rec != nil {
		rec.attempt, rec.startedMono, rec.passed, rec.moved = ev.Attempt, 0, false, ev.At.Wall
		rec.queuedMono = ev.At.Mono + int64(ev.Pause)
		rec.state = stPausing
	}
	f.group.pausing++
	if ev.Pause == 0 {
		w.requeue(ev, f, rec, slot)
	}
	f.group.counts.addRetry(ev)
	w.write(ev, f, rec, saysRetry)
}

// requeue puts a record whose pause is over, or that had none, at the tail.
func (w *witness) requeue(ev *core.Event, f *generation, rec *record, slot int32) {
	f.elapse(w.loop.Now())
	f.group.pausing--
	f.queued++
	f.group.queued++
	if rec != nil {
		rec.state, rec.moved = stQueued, ev.At.Wall
		w.append(f, rec, slot)
	}
}

func (w *witness) requeued(ev *core.Event, f *generation) {
	rec, slot := w.find(ev.ID)
	if w.check != nil {
		if w.check.requeued(ev, f, rec, slot); w.violation != nil {
			return
		}
	}
	w.requeue(ev, f, rec, slot)
	w.write(ev, f, rec, saysQueue)
}

func (w *witness) ended(ev *core.Event, f *generation) {
	rec, slot := w.find(ev.ID)
	if w.check != nil {
		if w.check.ended(ev, f, rec, slot); w.violation != nil {
			return
		}
	}
	g := f.group
	if rec != nil {
		switch rec.state {
		case stQueued:
			f.elapse(w.loop.Now())
			f.queued--
			g.queued--
			w.unlink(f, rec)
		case stPausing:
			g.pausing--
		case stRunning:
			g.latency[seriesService].Record(int64(ev.Service))
		}
		rec.state, rec.finished = stEnded, ev.At.Wall
		rec.success = ev.Status == core.Success
	}
	w.unended--
	w.endedAt = w.loop.Now()
	g.addEnd(ev)
	if w.plot != nil {
		w.plot.ended(ev)
	}
	w.writeEnded(ev, f, rec)
}

// append puts a record at the tail of its lane of its function's queue.
func (w *witness) append(f *generation, rec *record, slot int32) {
	head, tail := f.lane(rec)
	rec.queue = link{prev: *tail, next: -1}
	if *tail >= 0 {
		w.all[*tail].queue.next = slot
	} else {
		*head = slot
	}
	*tail = slot
}

// unlink takes a record out of its function's queue.
func (w *witness) unlink(f *generation, rec *record) {
	head, tail := f.lane(rec)
	if rec.queue.prev >= 0 {
		w.all[rec.queue.prev].queue.next = rec.queue.next
	} else {
		*head = rec.queue.next
	}
	if rec.queue.next >= 0 {
		w.all[rec.queue.next].queue.prev = rec.queue.prev
	} else {
		*tail = rec.queue.prev
	}
	rec.queue = link{-1, -1}
}

// lane is the part of the queue that a record is in.
func (f *generation) lane(rec *record) (head, tail *int32) {
	if rec.passed {
		return &f.lateHead, &f.lateTail
	}
	return &f.head, &f.tail
}
