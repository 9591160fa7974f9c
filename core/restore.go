package core

import (
	"errors"
	"fmt"
	"time"
)

// Restorer builds the state of a Core from the facts of its journal: Apply for
// each, then Done. It is for one goroutine, and nothing else may be asked of the
// Core before Done has returned.
//
// The facts of one partition come in their order; partitions may follow one
// another in any. Since releases take effect in order, the facts of an execution
// are all there, or those that are left do not begin with FactAccepted and end with
// FactEnded: the execution is gone, and they are released. Anything else is facts
// that were durable and are lost.
type Restorer struct {
	// Grace is how long an open attempt that has not died (see Done) is waited for
	// after its time is over. It is for one whose dispatcher still runs and tells of
	// its outcome: a timeout, too, is to be heard of, and clocks differ. 0 or more.
	Grace time.Duration

	core       *Core
	functions  map[registration]*functionFacts
	latest     *functionFacts // the one asked for last
	executions map[ID]*executionFacts
	accepts    []*executionFacts // all, as their facts came
	letters    []letterFact
	config     []byte
	configAt   LSN
	newest     int64
	reached    [256]LSN          // by partition
	released   []placedFact      // facts to be released
	orphans    map[ID]orphanFact // the last one of each execution without FactAccepted

	// There may be millions: what each takes comes from blocks.
	made    slab[executionFacts]
	records slab[execution]
	logs    slab[factLog]
	bytes   slab[byte]
}

// registration is one life of a function.
type registration struct {
	name   string
	number uint64
}

type functionFacts struct {
	registration
	setAt, goneAt LSN
	generation    uint64
	data          []byte
	older         []LSN // of specs that setAt has replaced
	fn            *Function
	named         *Function         // has the name only, for executions until fn is made
	list          []*executionFacts // those of its executions that come back
}

// executionFacts is what the facts of an execution come to.
type executionFacts struct {
	ex       *execution
	of       *functionFacts
	print    Fingerprint
	queuedAt LSN // when it came to the tail of the queue last
}

type letterKind uint8

const (
	letterBuried letterKind = iota // the execution became a dead letter
	letterTaken                    // a redrive took it
	letterPurged                   // all of the name are gone
)

// letterFact is what a fact says of dead letters.
type letterFact struct {
	kind letterKind
	at   LSN
	name string
	id   ID              // of letterTaken
	of   *executionFacts // what became the letter, or what it became
}

type placedFact struct {
	partition Partition
	at        LSN
}

// orphanFact is a fact of an execution that no fact says was accepted.
type orphanFact struct {
	at       LSN
	kind     FactKind
	function string
}

// Restore begins to build the state of a new Core from its journal.
func (c *Core) Restore() *Restorer {
	return &Restorer{core: c, functions: make(map[registration]*functionFacts), executions: make(map[ID]*executionFacts), orphans: make(map[ID]orphanFact)}
}

// NewestWall is the latest time of a fact so far, wall ns: the clock must not
// begin before it. 0 = there is none.
func (r *Restorer) NewestWall() int64 { return r.newest }

// Config is what SaveConfig was given last; nil = nothing.
func (r *Restorer) Config() []byte { return r.config }

// Apply takes the fact at l. It copies what it keeps of f's bytes. The error says
// what cannot be; the journal is corrupt then.
func (r *Restorer) Apply(l LSN, f *Fact) error {
	if err := r.apply(l, f); err != nil {
		return fmt.Errorf("journal, fact %d (%v, function %q, execution %v): %w", l, f.Kind, f.Function, f.ID, err)
	}
	return nil
}

func (r *Restorer) apply(l LSN, f *Fact) error {
	p := configPartition
	if f.Kind != FactConfig {
		p = PartitionOf(f.Function)
	}
	if l <= r.reached[p] {
		return fmt.Errorf("it comes after fact %d of the same partition", r.reached[p])
	}
	r.reached[p] = l
	r.newest = max(r.newest, f.Wall)
	switch f.Kind {
	case FactFunctionSet, FactFunctionGone:
		r.ofFunction(l, f)
		return nil
	case FactConfig:
		r.release(configPartition, r.configAt)
		r.config, r.configAt = append([]byte{}, f.Data...), l
		return nil
	case FactPurged:
		r.letters = append(r.letters, letterFact{kind: letterPurged, at: l, name: f.Function})
		return nil
	case FactAccepted:
		return r.accepted(p, l, f)
	}
	e := r.executions[f.ID]
	if e == nil {
		r.release(p, l)
		r.orphans[f.ID] = orphanFact{l, f.Kind, f.Function}
		return nil
	}
	e.ex.more.facts.lsns = append(e.ex.more.facts.lsns, l)
	return r.moved(e, l, f)
}

// release has a fact released that is not needed any more; 0 is none.
func (r *Restorer) release(p Partition, l LSN) {
	if l != 0 {
		r.released = append(r.released, placedFact{p, l})
	}
}

// function is the one that a fact names. Its spec may come later: an execution
// outlives changes.
func (r *Restorer) function(f *Fact) *functionFacts {
	key := registration{f.Function, f.Registration}
	if r.latest != nil && r.latest.registration == key {
		return r.latest
	}
	g := r.functions[key]
	if g == nil {
		g = &functionFacts{registration: key, named: &Function{name: key.name}}
		r.functions[key] = g
	}
	r.latest = g
	return g
}

func (r *Restorer) ofFunction(l LSN, f *Fact) {
	g := r.function(f)
	if f.Kind == FactFunctionGone {
		g.goneAt = l
		return
	}
	if g.setAt != 0 {
		g.older = append(g.older, g.setAt)
	}
	g.setAt, g.generation, g.data = l, f.Generation, append([]byte{}, f.Data...)
}

func (r *Restorer) accepted(p Partition, l LSN, f *Fact) error {
	g, ex := r.function(f), &r.records.take(1)[0]
	*ex = execution{
		id: f.ID, fn: g.named, created: f.Wall, input: keep(&r.bytes, f.Input), timeout: f.Timeout,
		attempt: 1, heapIndex: -1, initMs: -1, startedMono: -1,
		more: &executionExtras{
			metadata: keep(&r.bytes, f.Metadata), traceID: f.TraceID, idempotencyKey: f.Key,
			trace: TraceContext{Parent: f.TraceParent, State: f.TraceState},
			facts: r.logs.take(1)[0].begin(p),
		},
	}
	ex.more.facts.lsns = append(ex.more.facts.lsns, l)
	e := &r.made.take(1)[0]
	*e = executionFacts{ex: ex, of: g, print: f.Print, queuedAt: l}
	known := len(r.executions)
	if r.executions[f.ID] = e; len(r.executions) == known { // one access, not two: it is among millions
		return errors.New("the execution has been accepted before")
	}
	r.accepts = append(r.accepts, e)
	if f.Letter != (ID{}) {
		r.letters = append(r.letters, letterFact{kind: letterTaken, at: l, name: f.Function, id: f.Letter, of: e})
	}
	return nil
}

// complete says that no facts of an execution are missing of which others are there.
func (r *Restorer) complete() error {
	var first *orphanFact
	var id ID
	for of, o := range r.orphans {
		if o.kind != FactEnded && (first == nil || o.at < first.at) {
			first, id = &o, of
		}
	}
	if first == nil {
		return nil
	}
	return fmt.Errorf("journal, fact %d (%v, function %q, execution %v): no fact says that the execution was accepted, and none that it ended: facts are lost", first.at, first.kind, first.function, id)
}

// moved applies a transition of an execution.
func (r *Restorer) moved(e *executionFacts, l LSN, f *Fact) error {
	ex, at := e.ex, Instant{Wall: f.Wall}
	switch {
	case ex.status.Terminal():
		return fmt.Errorf("the execution had ended in %v", ex.status)
	case f.Kind == FactEnded && f.Attempt != ex.attempt,
		f.Kind == FactStarted && (ex.status != Queued || ex.pausing || f.Attempt != ex.attempt),
		f.Kind == FactRetried && (ex.status != Running || f.Attempt != ex.attempt+1),
		f.Kind == FactRequeued && (!ex.pausing || f.Attempt != ex.attempt):
		return fmt.Errorf("attempt %d, while attempt %d of the execution was %v", f.Attempt, ex.attempt, ex.status)
	}
	switch f.Kind {
	case FactStarted:
		ex.markRunning(at)
	case FactRetried:
		ex.requeue(at, &ExecError{Code: f.Code, Message: f.Message})
		ex.pausing, ex.more.retryAt.Wall = f.RetryAt != 0, f.RetryAt
		e.queuedAt = l
	case FactRequeued:
		ex.pausing, ex.more.retryAt.Wall = false, 0
		ex.more.moved = f.Wall
		e.queuedAt = l
	case FactEnded:
		r.ended(e, l, f)
	}
	return nil
}

func (r *Restorer) ended(e *executionFacts, l LSN, f *Fact) {
	ex, output := e.ex, keep(&r.bytes, f.Output)
	if f.Echo {
		output = ex.input
	}
	var failed *ExecError
	if f.Code != "" || f.Message != "" {
		failed = &ExecError{Code: f.Code, Message: f.Message, shared: f.SharedError}
	}
	ex.markEnded(f.Status, output, failed, Instant{Wall: f.Wall})
	ex.coldStart, ex.initMs, ex.pausing = f.Cold, f.InitMillis, false
	ex.more.retryAt = Instant{}
	if f.Status != Success && !f.Unwanted {
		r.letters = append(r.letters, letterFact{kind: letterBuried, at: l, name: f.Function, of: e})
	}
	if f.Unwanted && ex.started == 0 {
		ex.dropInput()
	}
}
