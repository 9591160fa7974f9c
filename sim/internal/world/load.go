package world

import (
	"time"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// Tag is the world's core.Request.Tag: which load has made the call, under which
// idempotency key, and with which input. The zero Tag is of no call.
type Tag uint64

// A tag is load+1, 32 bits; input, 4 bits; key+1, 28 bits.
const keyBits, inputBits = 28, 4

func newTag(load int32, key, input int) Tag {
	return Tag(load+1)<<32 | Tag(input)<<keyBits | Tag(key+1)
}

// Load is the number of the load, as in World.Loads; -1 of no call.
func (t Tag) Load() int { return int(t>>32) - 1 }

// Key is the number of the idempotency key among its function's; -1 = none.
func (t Tag) Key() int { return int(t&(1<<keyBits-1)) - 1 }

// Input is the number of the input, as in Input.
func (t Tag) Input() int { return int(t >> keyBits & (1<<inputBits - 1)) }

// Load is what a Tag leads to.
type Load struct {
	Function int           // its number
	Timeout  time.Duration // asked for; 0 = the function's
	Leaves   time.Duration // how long its callers wait to be asked; 0 = to the end
	Waits    bool          // its callers do
	Context  bool          // its calls bring one
	// Calls are those of an exact stream, with the sizes of their inputs.
	Calls []scenario.Call
}

// load is a stream of calls at one registered function.
type load struct {
	calls   draws.Load
	backend *backend
	sync    bool
	timeout time.Duration // 0 = the function's
	leaves  time.Duration // of a caller after its call; 0 = it stays
	forgets bool          // it takes its wait back then
}

// Caller waits for the outcome of one sync call.
type Caller struct {
	w         *World
	Execution core.ID // that it waits for, new or joined; zero until core has said so
	Told      core.ID // whose end it was told; zero = none yet
	Answered  bool    // nothing more is owed to it

	tries *tries // of a caller that tries again; else nil
}

// Wake implements core.Waiter. The process may crash before or after it.
func (c *Caller) Wake(s core.Snapshot) {
	c.w.reach(wakeBegins)
	c.w.witness.Woken(c, s)
	if c.tries != nil {
		c.w.tried(c.tries, s.Status == core.Success)
	}
	c.w.reach(wakeDone)
}

// CallerOf is the caller that a waiter of the world's is; nil for none.
func CallerOf(w core.Waiter) *Caller {
	switch w := w.(type) {
	case *Caller:
		return w
	case *leaver:
		return &w.Caller
	}
	return nil
}

// leaver waits for one call, for a while.
type leaver struct {
	Caller
	at int64 // virtual ns at which it has left
}

var _ core.Leaver = (*leaver)(nil)

// Wake implements core.Waiter.
func (l *leaver) Wake(s core.Snapshot) { l.w.witness.Woken(&l.Caller, s) }

// Gone implements core.Leaver.
func (l *leaver) Gone() bool { return l.w.loop.Now() >= l.at }

func (w *World) addLoads() {
	byName := map[string]*backend{}
	for _, b := range w.backends {
		byName[b.name] = b
	}
	for _, calls := range draws.Loads(w.sc) {
		l := calls.Decl
		w.loads = append(w.loads, load{
			calls: calls, backend: byName[calls.Function], sync: l.Mode == "invoke",
			timeout: time.Duration(l.TimeoutMillis) * time.Millisecond, leaves: l.Leaves.After, forgets: l.Leaves.Forgets,
		})
		w.keyNames = append(w.keyNames, make([]string, max(0, l.IdempotencyKeys-len(w.keyNames)))...)
	}
	w.loadsLeft = len(w.loads)
	w.addRedrives()
}

// addRedrives makes a load without arrivals for each function that is redriven.
func (w *World) addRedrives() {
	for i := range w.loads { // those that are there already
		if l := &w.loads[i]; l.calls.Decl.Mode == "redrive" {
			l.backend.redrives = int32(i)
		}
	}
	for i := range w.sc.Faults {
		if f := &w.sc.Faults[i]; f.Kind == "redrive" {
			for _, b := range w.declared(f.Function) {
				b.redrives = int32(len(w.loads))
				w.loads = append(w.loads, load{backend: b})
			}
		}
	}
}

// Beside is what a call brings beside its input and a key.
type Beside struct {
	Metadata []byte
	TraceID  string
	Trace    core.TraceContext
}

// Nothing is what most calls bring beside.
var Nothing = &Beside{}

// BringsWith is what a call brings beside its input: Nothing, unless its load has a context.
func BringsWith(context bool, input []byte) *Beside {
	if !context {
		return Nothing
	}
	with := draws.ContextOf(input)
	return &Beside{with.Metadata, with.TraceID, core.TraceContext{Parent: with.Parent, State: with.State}}
}

// Loads lists the loads by number.
func (w *World) Loads() []Load {
	all := make([]Load, len(w.loads))
	for i := range w.loads {
		l := &w.loads[i]
		all[i] = Load{Function: l.backend.number, Timeout: l.timeout, Waits: l.sync, Context: l.calls.Decl != nil && l.calls.Decl.Context, Calls: l.calls.Recorded()}
		if !l.forgets {
			all[i].Leaves = l.leaves
		}
	}
	return all
}

func (w *World) scheduleArrival(i int32) {
	if at, ok := w.loads[i].calls.Next(); ok {
		w.arrivals.At(int64(at), i)
	} else {
		w.loadsLeft--
	}
}

// arrive makes one call and schedules the load's next one.
func (w *World) arrive(i int32) {
	defer w.scheduleArrival(i) // after a crash inside the call, too
	if l := &w.loads[i]; l.calls.Decl.Calls() {
		w.submit(i)
	} else if w.remote != nil {
		w.actThere(l)
	} else if w.core != nil { // or there is nobody to ask
		w.act(l)
	}
}

func (w *World) submit(i int32) {
	l := &w.loads[i]
	input, key := l.calls.Brings()
	var again *tries
	brings := w.input(l, key, input)
	if l.calls.Decl.Callers.Retries > 0 {
		again = &tries{load: i, first: w.loop.Now(), input: brings, key: key, number: input}
	}
	w.call(i, key, input, brings, again)
}

// call makes a call of a load that brings an input, which has a number, and a key;
// again is its caller's, if that tries again.
func (w *World) call(i int32, key, input int, brings []byte, again *tries) {
	l := &w.loads[i]
	r := &w.req // the other fields stay empty
	r.Function, r.Sync, r.Input, r.Timeout = l.backend.name, l.sync, brings, l.timeout
	r.Waiter, r.IdempotencyKey, r.CallerRuns = nil, "", l.calls.Decl.CallerRuns || !l.sync && w.sc.Core.BorrowedInputs // which is nothing to who does not wait
	if r.Timeout == core.MaxTimeoutMillis*time.Millisecond {
		r.Timeout *= 2 // more than core gives anybody
	}
	with := BringsWith(l.calls.Decl.Context, brings)
	r.Metadata, r.TraceID, r.Trace = with.Metadata, with.TraceID, with.Trace
	var c *Caller
	switch {
	case l.leaves > 0 && !l.forgets:
		waits := &leaver{Caller{w: w}, w.loop.Now() + int64(l.leaves)}
		r.Waiter, c = waits, &waits.Caller
	case l.sync:
		c = &Caller{w: w, tries: again}
		r.Waiter = c
	}
	if key >= 0 {
		r.IdempotencyKey = w.keyName(key)
	}
	tag := newTag(i, key, input)
	r.Tag = uint64(tag)
	w.witness.Offering(tag, c, r.Input, core.ID{})
	if w.remote != nil {
		w.submitThere(tag, *r)
		return
	}
	if w.core == nil {
		w.witness.Offered(tag, c, &core.Result{}, ErrDown)
		return
	}
	w.lend(r)
	var err error
	w.res, err = w.core.Submit(r)
	res := &w.res
	w.takeBack(r)
	w.witness.Offered(tag, c, res, err)
	if l.forgets && err == nil && res.Waiting {
		w.forgetting = append(w.forgetting, c)
		w.forgets.In(int64(l.leaves), int32(len(w.forgetting)-1))
	}
	if err == nil && w.node.disk != nil {
		w.witness.Rests(tag, res.ID, res.LSN)
	}
	if l.backend.rival != nil && err == nil && !res.Existing {
		l.backend.rival.arrived()
	}
	if err == nil && res.Run.Attempt > 0 {
		w.Dispatch(res.Run) // the caller makes it itself, by the same backend
	}
	switch {
	case again == nil:
	case err != nil:
		w.tried(again, false)
	case l.sync && res.Existing && !res.Waiting: // its key led to an execution that had ended
		w.tried(again, res.Snapshot.Status == core.Success)
	}
}

// input is what a call brings: one of its own, unless another call with its key is
// to bring the same, or the scenario says no more than a size.
func (w *World) input(l *load, key, number int) []byte {
	took, timed := l.calls.Took()
	switch size := l.calls.Size(); {
	case timed:
		return w.timedInput(took, size)
	case size > 0:
		return w.blank(size)
	case key >= 0:
		return draws.Input(number)
	}
	return w.tokens.json(len(draws.Input(number)))
}

// blank is an input of a size. Nobody reads it: all are in the same memory.
func (w *World) blank(size int) []byte {
	if len(w.blanks) < size {
		w.blanks = make([]byte, max(size, 1<<16))
	}
	return w.blanks[:size:size]
}

// timedInput is the input of a call with a service time of its own. Core keeps it:
// each has memory of its own, of which many are taken at once.
func (w *World) timedInput(took time.Duration, size int) []byte {
	if cap(w.timed)-len(w.timed) < size {
		w.timed = make([]byte, 0, max(size, 1<<14))
	}
	from := len(w.timed)
	w.timed = draws.AppendTimed(w.timed, took, size)
	return w.timed[from:len(w.timed):len(w.timed)]
}

// keyName is the idempotency key of a number. A function's loads share them.
func (w *World) keyName(n int) string {
	if w.keyNames[n] == "" {
		w.keyNames[n] = draws.KeyName(n)
	}
	return w.keyNames[n]
}

var (
	_ core.Dispatcher = (*World)(nil)
	_ core.Canceller  = (*World)(nil)
)
