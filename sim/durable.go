package sim

import (
	"fmt"
	"strconv"

	"simplane/core"
	"simplane/sim/internal/nodes"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// durable is the witness of a run with a journal. It counts and logs what core
// observes of itself, as witness does, and judges it by the facts that have become
// durable: it folds them on its own, whatever is released, and compares the result
// with what core shows at every commit, and with all that a new process has after
// a crash.
type durable struct {
	*witness
	core    *core.Core // read only: the one that is judged
	disk    facts
	seat    *nodes.Seat // with several nodes: whose events are observed
	nodes   bool
	timeout int64 // of answers that wait

	accounts map[core.ID]*account
	byPlace  map[core.LSN]*account
	letters  map[string][]core.ID   // dead letters by name, oldest first
	specs    map[string]core.Fact   // functions
	touched  []*account             // since the last commit was told
	rests    []promise              // answers that wait
	promised map[string][]core.Spec // specs in force that were acknowledged, oldest first
	keys     map[string]*account
	losses   losses
	settings settingsModel

	made         made
	calling      brought          // by the call that is being made
	holding      map[core.ID]bool // executions that have a slot in this process
	offScheduler bool             // nothing is served at once
	drainsOnce   bool             // work is started by hand
	endings      []*account       // durable, since answers were looked at last

	completing core.ID // from outside, by the call that is being made
	drains     int     // attempts of drain-once in this process that are not over
	leaving    bool    // the process drains; with several nodes: it hands the partition over
}

// facts is what keeps them.
type facts interface {
	Room() bool
	Durable() core.LSN
	Since(core.LSN) int64
	Has(core.LSN) bool
	Each(func(core.LSN, *core.Fact))
}

// account is what is known of one execution.
type account struct {
	rec       record // for log lines
	name      string
	isDurable bool

	// What its facts come to.
	there        bool // the first is durable
	facts        int  // durable and not released
	registration uint64
	status       core.Status
	attempt      int32
	pausing      bool
	inSlot       bool // its next attempt follows an interrupted one
	tail         core.LSN
	created      int64
	endKept      int64 // wall ns of when its end became durable
	finished     int64
	outcome      string
	input        string
	letter       bool

	made         int   // attempts dispatched, over all processes
	allowed      int   // so many, when the last retry was decided on; 0 = there was none
	open         bool  // one is, in this process
	slot         bool  // it holds one, in this process
	over         bool  // it has ended, as core observes it
	dispatchedAt int64 // elapsed ns of that
	newest       int32 // attempt that was dispatched
	breakOff     int32 // attempt that is to be broken off; 0 = none
	running      bool  // it is, and the execution has not ended
	joins        int   // callers who have waited for it in this process
	waiting      int   // those that have not taken that back
	byHand       bool  // nobody has waited for it, and drain-once has started it

	pause pausesModel

	call brought       // nil input = it is not known
	was  *core.Details // shown when its facts were durable; nil = not yet

	by        *nodes.Seat // with several nodes: that accepted it
	brought   string      // with several nodes: the end that a completion from outside has brought about
	broughtBy int         // with several nodes: the attempt that this completion named
	settled   bool        // with several nodes: who was to end it has been told that it has ended
	settledAt int64       // virtual ns of that
	attempts
}

// promise is an answer that a caller gets once a fact is durable.
type promise struct {
	on     core.LSN
	since  int64 // virtual ns: when that began to be waited for
	cancel bool
	of     *account
	key    string
	at     int64 // wall ns of the call
}

func newDurable(w *witness, sc *scenario.Scenario, disk facts) *durable {
	return &durable{
		witness: w, disk: disk, timeout: int64(sc.Core.Journal.Timeout), accounts: map[core.ID]*account{}, byPlace: map[core.LSN]*account{},
		letters: map[string][]core.ID{}, specs: map[string]core.Fact{}, promised: map[string][]core.Spec{}, keys: map[string]*account{},
		losses: newLosses(w.expect), made: newMade(), holding: map[core.ID]bool{},
		offScheduler: sc.Core.SchedulerOff || sc.Core.Backlog == scenario.Backlogs[1],
		settings:     settingsModel{first: coreConfig(sc, nil), rates: map[string]*secondly{}},
	}
}

// quiet says that all executions have ended, as far as anybody may know.
func (d *durable) quiet() bool {
	queued, inFlight := d.core.Unfinished()
	return queued+inFlight == 0 && d.core.Gauges().Held == 0
}

// FunctionAdded implements core.Observer.
func (d *durable) FunctionAdded(fn *core.Function) any {
	named := d.byName[fn.Name()]
	f := &generation{core: fn, function: named, group: named.group, name: named.name, changedAt: d.loop.Now(), spec: *fn.Spec(), slots: fn.EffectiveConcurrency()}
	named.current = f
	named.generations = append(named.generations, f)
	return f
}

// counted are the counters of events that need no more than being counted.
var counted = map[core.EventKind]struct {
	counter counter
	says    verb
}{
	core.EventIdempotentHit:   {cIdempotentHits, saysHit},
	core.EventLateResult:      {cLate, saysLate},
	core.EventDuplicateResult: {cDuplicate, saysDuplicate},
	core.EventCleaned:         {cCleaned, saysClean},
	core.EventEvicted:         {cEvicted, saysEvict},
}

// Observe implements core.Observer.
func (d *durable) Observe(ev core.Event) {
	if d.violation != nil {
		return
	}
	var f *generation
	var g *group
	if ev.Function != nil {
		f = ev.Function.Handle().(*generation)
		g = f.group
		defer d.follow(f)
	} else if called := d.caller(world.Tag(ev.Tag)); called != nil {
		g = called.group
	}
	a := d.accounts[ev.ID]
	if ev.Kind == core.EventIdempotentHit && !d.nodes {
		d.acquired(&ev, f)
		if ev.Sync && a != nil {
			a.joined()
		}
	}
	if c, ok := counted[ev.Kind]; ok {
		g.counts[c.counter]++
		d.say(&ev, f, a, c.says)
	}
	d.slotOf(&ev)
	d.sameKey(&ev)
	d.paused(&ev, a)
	if ev.Kind == core.EventEnded && a != nil && a.isDurable {
		d.endings = append(d.endings, a)
	}
	switch ev.Kind {
	case core.EventAccepted:
		d.number++
		if !d.nodes {
			d.acquired(&ev, f)
		}
		a = &account{name: f.name, isDurable: !ev.Sync && g.decl.Durability == string(core.DurabilityDisk), created: ev.At.Wall, call: d.calling}
		a.rec.id, a.rec.number, a.rec.sync, a.by = ev.ID, d.number, ev.Sync, d.seat
		d.accounts[ev.ID] = a
		if a.isDurable && !d.disk.Room() {
			d.fail("new durable work needs room", "execution #%d is accepted, and the journal has no room", a.rec.number)
		}
		g.counts[cAccepted]++
		d.writeAccepted(&ev, f, &a.rec)
	case core.EventRejected:
		if g != nil {
			g.counts[rejectionCounter(ev.Code)]++
		}
		if ev.Code == core.CodeNoJournal {
			d.fail("work is refused for a reason", "%s, and there is one", ev.Code)
		}
		if ev.Code == core.CodeJournalFull && d.disk.Room() {
			d.fail("work is refused for a reason", "%s, and the journal has room", ev.Code)
		}
		d.writeRejected(&ev)
	case core.EventDispatched:
		g.latency[seriesQueueWait].Record(int64(ev.QueueWait))
		d.say(&ev, f, a, saysStart)
		if a != nil {
			a.running, a.slot, a.newest, a.dispatchedAt = true, true, ev.Attempt, ev.At.Mono
		}
		d.dispatched(&ev, f, a)
		d.waited(&ev, a)
	case core.EventRetried:
		g.counts.addRetry(&ev)
		d.say(&ev, f, a, saysRetry)
		if a != nil {
			a.running = false
		}
	case core.EventRequeued:
		d.say(&ev, f, a, saysQueue)
	case core.EventEnded:
		d.over(&ev, a)
		d.endsAsItMay(&ev, f, a)
		d.ended(&ev, f, a)
	case core.EventSlotReleased:
		d.say(&ev, f, a, saysFree)
		if a != nil {
			a.open, a.slot = false, false
		}
	case core.EventFunctionAdded:
		d.writeFunction(f, "add")
	case core.EventFunctionDeleted:
		d.writeFunction(f, "delete")
	case core.EventReconfigured:
		d.writeFunction(f, "reconfigure")
	}
	if ev.Kind == core.EventEvicted {
		d.evicted(&ev, a)
	}
}

func (d *durable) say(ev *core.Event, f *generation, a *account, v verb) {
	var rec *record
	if a != nil {
		rec = &a.rec
	}
	d.write(ev, f, rec, v)
}

func (d *durable) ended(ev *core.Event, f *generation, a *account) {
	g := f.group
	g.addEnd(ev)
	if d.plot != nil {
		d.plot.ended(ev)
	}
	var rec *record
	if a != nil {
		if rec = &a.rec; a.running {
			g.latency[seriesService].Record(int64(ev.Service))
		}
		a.running = false
	}
	d.writeEnded(ev, f, rec)
}

// follow brings a function's sizes up to those of core: after a crash nothing else
// says them.
func (d *durable) follow(f *generation) {
	d.sizes(f, f.core.QueueDepth(), f.core.Pausing(), f.core.InFlight())
}

func (d *durable) sizes(f *generation, queued, pausing, inFlight int) {
	f.elapse(d.loop.Now())
	f.group.queued += queued - f.queued
	f.group.pausing += pausing - f.pausing
	f.group.inFlight += inFlight - f.inFlight
	f.queued, f.pausing, f.inFlight = queued, pausing, inFlight
}

// Offered implements world.Witness.
func (d *durable) Offered(world.Tag, *world.Caller, *core.Result, error) {}

// Rests implements world.Witness.
func (d *durable) Rests(t world.Tag, id core.ID, on core.LSN) {
	p := promise{on: on, since: d.disk.Since(on), of: d.accounts[id], at: d.clock.Wall(), cancel: t == 0}
	if p.of == nil || !p.of.isDurable {
		return
	}
	if t != 0 {
		d.acceptedOn(p.of, on)
	}
	if key := t.Key(); key >= 0 {
		p.key = d.caller(t).name + " " + strconv.Itoa(key)
	}
	d.rests = append(d.rests, p)
	d.keep()
}

// Woken implements world.Witness.
func (d *durable) Woken(_ *world.Caller, s core.Snapshot) {
	a := d.accounts[s.ID]
	if a == nil || !a.isDurable {
		return
	}
	if got := outcomeOf(&s); !a.status.Terminal() || a.outcome != got && !s.CleanedUp { // which may come before the end is durable
		d.fail("an end is told once it is durable", "a caller of execution #%d is told %s; its facts say %v %s", a.rec.number, got, a.status, a.outcome)
	}
}

func outcomeOf(s *core.Snapshot) string {
	code := ""
	if s.Err != nil {
		code = s.Err.Code
	}
	return fmt.Sprintf("%v %s %s", s.Status, code, s.Output)
}
