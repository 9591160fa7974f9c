package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The tests below drive a whole Core with random operations and compare it
// with a model so simple that it is right by inspection: lists, no locks, no
// heap, no calendar, no sharing of work between calls.

type modelExec struct {
	id                    ID
	fn                    *modelFunc
	sync                  bool
	status                Status
	attempt               int
	err                   *ExecError
	created, finished     int64 // wall
	caller, slotUntil     int64 // elapsed; 0 = none
	timeout               int64
	holds, gone, clean    bool
	moved                 int64      // wall: accepted, dispatched or put back
	pausedUntil           int64      // elapsed; 0 = it does not pause
	failed                *ExecError // of the attempt before
	waiter                *caller
	metadata              []byte
	traceID               string
	requestLen, resultLen int
	inputLen              int  // of requestLen
	outlived              bool // its last attempt went on after its end
}

type modelFunc struct {
	name             string
	slots, queueSize int
	retries          int
	backoff          RetryBackoff
	timeout          int64
	generation       uint64
	inline           func(Task) bool // nil = the task is held
	deleted          bool
	queue            []*modelExec
	dispatched       []string
}

// modelDeletion is a function whose queue is still to be ended.
type modelDeletion struct {
	f *modelFunc
	d *Deletion
}

func (f *modelFunc) inFlight(all []*modelExec) (n int) {
	for _, ex := range all {
		if ex.fn == f && ex.holds {
			n++
		}
	}
	return n
}

type machine struct {
	*bed
	funcs   map[string]*modelFunc // registered
	every   []*modelFunc          // deleted ones included
	execs   []*modelExec
	ending  []modelDeletion
	letters map[string][]*modelExec // oldest first
	off     bool
	sweep   int64 // elapsed time of the next sweep; 0 = none
	mono    int64
	wall    int64
	limit   int
	bytes   int  // payload bound
	setBack bool // the wall clock has been
	nextID  uint64
}

const (
	modelTTL, modelCleanup, modelStale = 40 * int64(time.Millisecond), 15 * int64(time.Millisecond), 70 * int64(time.Millisecond)
	// Never at the same moment as a deadline, which are whole milliseconds:
	// what happens first would be the clock's choice.
	modelSweep = 7*int64(time.Millisecond) + 1
)

func newMachine(t *rapid.T) *machine {
	m := &machine{funcs: map[string]*modelFunc{}, letters: map[string][]*modelExec{}, wall: epoch, limit: 25}
	m.off = rapid.Bool().Draw(t, "scheduler off")
	m.bytes = rapid.SampledFrom([]int{1 << 30, 200}).Draw(t, "payload bound")
	m.bed = newBed(t, func(cfg *Config) {
		cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL = time.Duration(modelTTL), time.Duration(modelCleanup), time.Duration(modelStale)
		cfg.SweepInterval = time.Duration(modelSweep)
		cfg.Shards, cfg.MaxExecutions, cfg.SchedulerOff, cfg.MaxPayloadBytes = 2, m.limit, m.off, int64(m.bytes)
	})
	m.work.run = func(task Task) bool {
		f := m.every[slices.IndexFunc(m.every, func(f *modelFunc) bool {
			return f.name == task.Function.Name() && (!f.deleted || m.funcs[f.name] == nil)
		})]
		return f.inline != nil && f.inline(task)
	}
	for _, name := range []string{"held", "echo", "fail"} {
		m.add(t, name)
	}
	return m
}

// draw gives a function new settings and returns them as a spec.
func (m *machine) draw(t *rapid.T, f *modelFunc) *Spec {
	f.slots, f.queueSize = rapid.IntRange(1, 3).Draw(t, "slots"), rapid.IntRange(1, 4).Draw(t, "queueSize")
	f.retries = rapid.IntRange(0, 2).Draw(t, "retries")
	f.timeout = int64(rapid.IntRange(3, 30).Draw(t, "timeout")) * 1e6
	// With jitter, so that a pause ends at no other's whole millisecond.
	first := rapid.IntRange(0, 3).Draw(t, "backoff")
	f.backoff = RetryBackoff{first, 4 * first, 2, 0.3}
	return spec(m.t, f.name, slots(f.slots), queueSize(f.queueSize), retries(f.retries), timeout(time.Duration(f.timeout)), pausing(f.backoff))
}

func (m *machine) add(t *rapid.T, name string) {
	f := &modelFunc{name: name, generation: 1, inline: map[string]func(Task) bool{"echo": echoTask, "fail": failTask}[name]}
	if _, err := m.Register(m.draw(t, f)); err != nil {
		t.Fatal(err)
	}
	m.funcs[name] = f
	m.every = append(m.every, f)
}

func (m *machine) stored() (n int) {
	for _, ex := range m.execs {
		if !ex.gone {
			n++
		}
	}
	return n
}

// payload is how many bytes of payload are held, and how many of them are of
// answered sync calls.
func (m *machine) payload() (all, answered int) {
	for _, ex := range m.execs {
		if !ex.gone && !ex.clean {
			all += ex.requestLen + ex.resultLen
			if ex.answered() {
				answered += ex.requestLen + ex.resultLen
			}
		}
	}
	return all, answered
}

func (ex *modelExec) answered() bool {
	return ex.sync && ex.status.Terminal() && !ex.holds && !ex.clean && !ex.gone
}

// relieved checks what core has dropped to make room for size bytes, with held
// bytes of payload before that: as much as is needed, little more, and the
// oldest.
func (m *machine) relieved(t *rapid.T, held, size int) {
	excess, freed, largest := held+size-m.bytes, 0, 0
	newest := int64(-1 << 62)
	for _, ex := range m.execs {
		if stored := m.store.get(ex.id); !ex.gone && !ex.clean && stored.cleaned {
			if !ex.answered() {
				t.Fatalf("execution %d (%s, sync %v) lost its payload", ex.id[15], ex.status, ex.sync)
			}
			if !ex.outlived {
				newest = max(newest, ex.finished)
			}
			freed += ex.requestLen + ex.resultLen
			largest = max(largest, ex.requestLen+ex.resultLen)
			ex.clean = true
		}
	}
	slack := m.bytes / reliefShare
	if freed > 0 && (excess <= 0 || freed-largest >= excess+slack) || freed < excess {
		t.Fatalf("%d bytes were dropped, the largest %d, for an excess of %d", freed, largest, excess)
	}
	for _, ex := range m.execs {
		if ex.answered() && !ex.outlived && ex.finished < newest && !m.setBack {
			t.Fatalf("execution %d ended before one that has lost its payload", ex.id[15])
		}
	}
}

func (m *machine) end(ex *modelExec, s Status, err *ExecError) {
	ex.outlived = ex.holds
	ex.status, ex.err, ex.finished, ex.pausedUntil = s, err, m.wall, 0
	if !err.isCores() {
		ex.resultLen = len(err.Code) + len(err.Message)
	}
	ex.fn.queue = slices.DeleteFunc(ex.fn.queue, func(other *modelExec) bool { return other == ex })
	if s != Success && !ex.sync && err != errCancelled && err != errFunctionDeleted {
		m.letters[ex.fn.name] = append(m.letters[ex.fn.name], ex)
	}
}

// isCores says that an error, which may be none, is one of core's own.
func (e *ExecError) isCores() bool {
	return e == nil || e == errStale || e == errFunctionDeleted || e == errCancelled || e == errLeft
}

// kept is an outcome's error as it is kept: within its bounds.
func kept(o Outcome) *ExecError {
	if o.Status != Error {
		return nil
	}
	return &ExecError{Code: clip(o.Code, MaxErrorCode), Message: clip(o.Message, MaxErrorMessage)}
}

// pump serves f while it can.
func (m *machine) pump(f *modelFunc) {
	for len(f.queue) > 0 && f.inFlight(m.execs) < f.slots && !f.deleted {
		if m.off && !slices.ContainsFunc(f.queue, func(ex *modelExec) bool { return ex.sync }) {
			return
		}
		if !m.headLeaves(f) {
			m.start(f)
		}
	}
}

// headLeaves ends the head of the queue when its caller has left.
func (m *machine) headLeaves(f *modelFunc) bool {
	head := f.queue[0]
	if head.waiter == nil || !head.waiter.gone.Load() {
		return false
	}
	m.end(head, Error, errLeft)
	head.forgetInput()
	return true
}

func (m *machine) start(f *modelFunc) {
	ex := f.queue[0]
	f.queue = f.queue[1:]
	ex.status, ex.holds, ex.slotUntil, ex.moved = Running, true, m.mono+ex.timeout, m.wall
	f.dispatched = append(f.dispatched, fmt.Sprintf("%s/%d#%d", f.name, ex.id[15], ex.attempt))
	switch f.name {
	case "echo":
		m.answer(ex, Outcome{Status: Success}) // its output is its input, held once
	case "fail":
		m.answer(ex, failure("BOOM"))
	}
}

// answer is what a dispatch's first answer to the running attempt does.
func (m *machine) answer(ex *modelExec, o Outcome) {
	f := ex.fn
	ex.holds = false
	if ex.status.Terminal() {
		return
	}
	pause := int64(f.backoff.Pause(ex.id, int32(ex.attempt), 0))
	failed := kept(o)
	switch {
	case o.Status != Error || ex.attempt > f.retries || f.deleted || (pause > 0 && ex.sync && m.mono+pause >= ex.caller):
		ex.resultLen = len(o.Output)
		m.end(ex, o.Status, failed)
	case pause > 0:
		ex.remember(failed)
		ex.status, ex.pausedUntil, ex.moved = Queued, m.mono+pause, m.wall
		ex.attempt++
	case len(f.queue) >= f.queueSize:
		m.end(ex, Error, noRoom(f, ex.attempt, failed))
	default:
		ex.remember(failed)
		ex.attempt++
		m.queue(ex)
	}
}

// endUnstarted is what the deletion of its function does to one that waits.
func (m *machine) endUnstarted(ex *modelExec) {
	m.end(ex, Error, errFunctionDeleted)
	ex.forgetInput()
}

// forgetInput: nobody wants it any more.
func (ex *modelExec) forgetInput() {
	ex.requestLen -= ex.inputLen
	ex.inputLen = 0
}

// resume is what the end of a pause does.
func (m *machine) resume(ex *modelExec) {
	if ex.fn.deleted {
		m.endUnstarted(ex)
		return
	}
	if len(ex.fn.queue) >= ex.fn.queueSize {
		m.end(ex, Error, noRoom(ex.fn, ex.attempt-1, ex.failed))
		return
	}
	m.queue(ex)
}

func (m *machine) queue(ex *modelExec) {
	ex.status, ex.pausedUntil, ex.moved = Queued, 0, m.wall
	ex.fn.queue = append(ex.fn.queue, ex)
}

// remember keeps the error of an attempt that will be followed by another.
func (ex *modelExec) remember(failed *ExecError) {
	ex.failed = &ExecError{Code: failed.Code, Message: clip(failed.Message, attemptMessage)}
	ex.requestLen += len(ex.failed.Code) + len(ex.failed.Message)
}

func noRoom(f *modelFunc, attempt int, failed *ExecError) *ExecError {
	return kept(Outcome{Status: Error, Code: CodeQueueFull, Message: fmt.Sprintf(
		"retry %d of %d refused: the function's queue is full; the attempt failed with %s: %s", attempt, f.retries, failed.Code, failed.Message)})
}

func (m *machine) submit(t *rapid.T) {
	f := m.funcs[rapid.SampledFrom([]string{"held", "held", "echo", "fail"}).Draw(t, "function")]
	r := &Request{Function: "nobody", Sync: rapid.Bool().Draw(t, "sync"), Input: []byte(`12345`)}
	if rapid.Bool().Draw(t, "more than an input") {
		r.Metadata, r.TraceID = []byte(`{"a":"b"}`), "trace"
		r.Trace = TraceContext{Parent: "parent", State: "state"}
	}
	if f != nil {
		r.Function = f.name
	}
	if r.Sync {
		r.Waiter = &caller{}
	}
	m.offer(t, f, r, func() (Result, error) { return m.Submit(r) })
}

// redrive submits a dead letter again: it is gone once its work is accepted, and
// stays otherwise.
func (m *machine) redrive(t *rapid.T) {
	name := rapid.SampledFrom([]string{"held", "echo", "fail"}).Draw(t, "function")
	letters := m.letters[name]
	if len(letters) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(letters)-1).Draw(t, "letter")
	l := letters[i]
	r := &Request{Function: name, Input: []byte(`12345`), Metadata: l.metadata, TraceID: l.traceID}
	m.offer(t, m.funcs[name], r, func() (Result, error) {
		res, err := m.Redrive(name, l.id, 0)
		if err == nil { // and its work may leave another one
			m.letters[name] = slices.Delete(letters, i, i+1)
		}
		return res, err
	})
}

// offer submits a request to a function, nil when there is none of its name.
func (m *machine) offer(t *rapid.T, f *modelFunc, r *Request, submit func() (Result, error)) {
	var ex *modelExec
	var want error
	size := len(r.Input) + len(r.Metadata) + len(r.TraceID) + len(r.Trace.Parent) + len(r.Trace.State)
	held, answered := m.payload()
	switch {
	case f == nil:
		want = ErrNotFound
	case len(f.queue) >= f.queueSize:
		want = ErrQueueFull
	case m.stored() >= m.limit, held-answered+size > m.bytes:
		want = ErrStoreFull
	default:
		m.nextID++
		ex = &modelExec{id: idOf(m.nextID), fn: f, sync: r.Sync, attempt: 1, created: m.wall, moved: m.wall, timeout: f.timeout}
		ex.inputLen = len(r.Input) + len(r.Metadata)
		ex.requestLen, ex.metadata, ex.traceID = size, r.Metadata, r.TraceID
		if r.Sync {
			ex.caller = m.mono + ex.timeout
			ex.waiter = r.Waiter.(*caller)
		}
	}
	res, err := submit()
	if (want == nil) != (err == nil) || (want != nil && err != want) {
		t.Fatalf("submit: %v, want %v", err, want)
	}
	if want == nil {
		m.relieved(t, held, size)
	} else {
		m.relieved(t, 0, 0)
	}
	if ex == nil {
		return
	}
	if res.ID[15] != ex.id[15] {
		t.Fatalf("submit: id %d, want %d", res.ID[15], ex.id[15])
	}
	ex.id = res.ID // the store has written the place into it
	m.execs = append(m.execs, ex)
	f.queue = append(f.queue, ex)
	m.pump(f)
	if m.sweep == 0 {
		m.sweep = m.mono + modelSweep
	}
}

// due is when something next falls due in the model.
func (m *machine) due() int64 {
	at := m.sweep
	earlier := func(t int64) {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	for _, ex := range m.execs {
		if !ex.status.Terminal() {
			earlier(ex.caller)
		}
		if ex.holds {
			earlier(ex.slotUntil)
		}
		earlier(ex.pausedUntil)
	}
	return at
}

func (m *machine) pass(d int64) {
	target := m.mono + d
	for at := m.due(); at > 0 && at <= target; at = m.due() {
		m.wall += at - m.mono
		m.mono = at
		if at == m.sweep {
			m.sweepOnce()
			m.sweep = 0
			if m.stored() > 0 {
				m.sweep = m.mono + modelSweep
			}
			continue
		}
		for _, ex := range m.execs {
			if ex.pausedUntil > 0 && ex.pausedUntil <= m.mono {
				m.resume(ex)
			}
			if !ex.status.Terminal() && ex.caller > 0 && ex.caller <= m.mono {
				m.end(ex, Timeout, nil)
			}
			if ex.holds && ex.slotUntil <= m.mono {
				ex.holds = false
				if !ex.status.Terminal() {
					m.end(ex, Timeout, nil)
				}
			}
		}
		for _, f := range m.every {
			m.pump(f)
		}
	}
	m.wall += target - m.mono
	m.mono = target
}

func (m *machine) endQueued(t *rapid.T) {
	if len(m.ending) == 0 {
		t.Skip()
	}
	e := m.ending[0]
	m.ending = m.ending[1:]
	for _, ex := range m.execs {
		if ex.fn == e.f && ex.status == Queued {
			m.endUnstarted(ex)
		}
	}
	if e.d.Next() {
		t.Fatal("a queue within one batch has more")
	}
}

func (m *machine) sweepOnce() {
	for _, ex := range m.execs {
		switch {
		case ex.gone:
		case !ex.status.Terminal():
			if m.wall-ex.moved > modelStale {
				ex.holds = false
				m.end(ex, Timeout, errStale)
			}
		case m.wall-ex.finished > modelTTL:
			ex.gone = true
		case m.wall-ex.finished > modelCleanup:
			ex.clean = true
		}
	}
	for _, f := range m.every {
		m.pump(f)
	}
}

func (m *machine) held(t *rapid.T) Task {
	if len(m.work.held) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.work.held)-1).Draw(t, "held")
	return m.work.held[i]
}

func (m *machine) find(id ID) *modelExec {
	return m.execs[slices.IndexFunc(m.execs, func(ex *modelExec) bool { return ex.id == id })]
}

func (m *machine) check(t *rapid.T) {
	bytes, stored := int64(0), 0
	for _, ex := range m.execs {
		s, ok := m.Execution(ex.id)
		visible := !ex.gone && (!ex.status.Terminal() || m.wall-ex.finished <= modelTTL)
		if ok != visible {
			t.Fatalf("execution %d: visible %v, want %v", ex.id[15], ok, visible)
		}
		if !ex.gone {
			stored++
			if !ex.clean {
				bytes += int64(ex.requestLen + ex.resultLen)
			}
		}
		if ok {
			cleaned := ex.clean || (ex.status.Terminal() && m.wall-ex.finished > modelCleanup)
			want := ex.err
			if cleaned && !want.isCores() {
				want = nil
			}
			if s.Status != ex.status || int(s.Attempt) != ex.attempt || s.CleanedUp != cleaned || (s.Err == nil) != (want == nil) ||
				(want != nil && (s.Err.Code != want.Code || s.Err.Message != want.Message)) {
				t.Fatalf("execution %d is %s attempt %d error %v cleaned %v; want %s %d %v %v",
					ex.id[15], s.Status, s.Attempt, s.Err, s.CleanedUp, ex.status, ex.attempt, want, cleaned)
			}
		}
		if ex.waiter != nil {
			want := 0
			if ex.status.Terminal() {
				want = 1
			}
			if n := ex.waiter.count(); n != want {
				t.Fatalf("execution %d (%s): woken %d times", ex.id[15], ex.status, n)
			}
		}
	}
	g := m.Gauges()
	if g.StoredExecutions != stored || g.PayloadBytes != bytes {
		t.Fatalf("store holds %d executions and %d bytes, want %d and %d", g.StoredExecutions, g.PayloadBytes, stored, bytes)
	}
	depth, inFlight, pauses := 0, 0, map[*modelFunc]int{}
	for _, ex := range m.execs {
		if ex.sync && ex.status == Queued && ex.pausedUntil == 0 {
			depth++
		}
		if ex.pausedUntil > 0 {
			pauses[ex.fn]++
		}
		if ex.sync && ex.holds {
			inFlight++
		}
	}
	if g.SyncQueueDepth != depth || g.SyncInFlight != inFlight {
		t.Fatalf("sync gauges %d and %d, want %d and %d", g.SyncQueueDepth, g.SyncInFlight, depth, inFlight)
	}
	for name, f := range m.funcs {
		fn := m.Function(name)
		if fn.Pausing() != pauses[f] {
			t.Fatalf("%s: %d pause, want %d", name, fn.Pausing(), pauses[f])
		}
		if fn.QueueDepth() != len(f.queue) || fn.InFlight() != f.inFlight(m.execs) {
			t.Fatalf("%s: %d queued, %d in flight; want %d and %d", name, fn.QueueDepth(), fn.InFlight(), len(f.queue), f.inFlight(m.execs))
		}
		if fn.runnable() || fn.ready {
			t.Fatalf("%s was left runnable", name)
		}
	}
	// Each function's dispatches in order; between functions there is none.
	got := map[string][]string{}
	for _, l := range m.work.log {
		got[l[:4]] = append(got[l[:4]], l)
	}
	want := map[string][]string{}
	for _, f := range m.every {
		want[f.name] = append(want[f.name], f.dispatched...)
	}
	for name := range want {
		if !slices.Equal(got[name], want[name]) {
			t.Fatalf("%s was dispatched %v, want %v", name, got[name], want[name])
		}
	}
	for _, name := range []string{"held", "echo", "fail"} {
		page, err := m.DeadLetters(name, 0, 1000)
		letters := m.letters[name]
		if err != nil && (m.funcs[name] != nil || len(letters) > 0) || len(page.Letters) != len(letters) {
			t.Fatalf("%s has %d dead letters, %v; want %d", name, len(page.Letters), err, len(letters))
		}
		for _, l := range letters { // in the order of their ends, which is the clock's choice at one instant
			i := slices.IndexFunc(page.Letters, func(got DeadLetter) bool { return got.ID == l.id })
			if i < 0 || string(page.Letters[i].Input) != `12345` || string(page.Letters[i].Metadata) != string(l.metadata) {
				t.Fatalf("%s: no letter of execution %d, or with another input", name, l.id[15])
			}
		}
	}
	ended := map[ID]int{}
	for _, e := range m.seen.events {
		if e.Kind == EventEnded {
			ended[e.ID]++
		}
	}
	for _, ex := range m.execs {
		if want := ex.status.Terminal(); (ended[ex.id] == 1) != want || ended[ex.id] > 1 {
			t.Fatalf("execution %d (%s) ended %d times", ex.id[15], ex.status, ended[ex.id])
		}
	}
}

func TestCoreModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		name := rapid.SampledFrom([]string{"held", "echo", "fail"})
		long := Outcome{Status: Error, Code: strings.Repeat("C", MaxErrorCode+1), Message: strings.Repeat("ü", MaxErrorMessage)}
		outcome := func(t *rapid.T) Outcome {
			return rapid.SampledFrom([]Outcome{success(`"out"`), success(`"out"`), failure("OWN"), long, {Status: Timeout}}).Draw(t, "outcome")
		}
		apply := func(ex *modelExec, o Outcome, external bool) {
			if external {
				if !ex.status.Terminal() {
					ex.holds = false
					ex.resultLen = len(o.Output)
					m.end(ex, o.Status, kept(o))
				}
			} else {
				m.answer(ex, o)
			}
			m.pump(ex.fn)
		}
		t.Repeat(map[string]func(*rapid.T){
			"submit":  m.submit,
			"submit2": m.submit, // more often than other things
			"answer a task": func(t *rapid.T) {
				task, o := m.held(t), outcome(t)
				ex := m.find(task.ID)
				first := task.Attempt == ex.attempt && ex.holds // else late, or for an attempt that is over
				if first {
					apply(ex, o, false)
				}
				task.Complete(o)
				if rapid.Bool().Draw(t, "keep it") {
					return // and answer again some time
				}
				m.work.held = slices.DeleteFunc(m.work.held, func(other Task) bool { return other.ID == task.ID && other.Attempt == task.Attempt })
			},
			"complete from outside": func(t *rapid.T) {
				if len(m.execs) == 0 {
					t.Skip()
				}
				ex, o := rapid.SampledFrom(m.execs).Draw(t, "execution"), outcome(t)
				known := !ex.gone && (!ex.status.Terminal() || m.wall-ex.finished <= modelTTL)
				if known {
					apply(ex, o, true)
				}
				if err := m.Complete(ex.id, 0, o); (err == nil) != known {
					t.Fatalf("complete: %v, known %v", err, known)
				}
			},
			"cancel": func(t *rapid.T) {
				if len(m.execs) == 0 {
					t.Skip()
				}
				ex := rapid.SampledFrom(m.execs).Draw(t, "execution")
				var want error
				switch {
				case ex.gone || (ex.status.Terminal() && m.wall-ex.finished > modelTTL):
					want = ErrExecutionGone
				case ex.status.Terminal():
					want = ErrAlreadyEnded
				default: // a slot that it holds stays with its attempt
					waited := ex.status == Queued
					m.end(ex, Error, errCancelled)
					if waited {
						ex.forgetInput()
					}
				}
				s, err := m.Cancel(ex.id)
				if err != want || (want == nil && (s.ID != ex.id || s.Err.Code != CodeCancelled)) {
					t.Fatalf("cancel: %+v %v, want %v", s, err, want)
				}
			},
			"pass time": func(t *rapid.T) {
				d := int64(rapid.IntRange(1, 20).Draw(t, "ms")) * 1e6
				m.pass(d)
				m.clock.advance(time.Duration(d))
			},
			"set the wall clock": func(t *rapid.T) {
				d := int64(rapid.IntRange(-80, 80).Draw(t, "ms")) * 1e6
				m.wall += d
				m.setBack = m.setBack || d < 0
				m.clock.jump(time.Duration(d))
			},
			"sweep": func(t *rapid.T) {
				m.sweepOnce()
				m.Sweep()
			},
			"drain once": func(t *rapid.T) {
				f := m.funcs[name.Draw(t, "function")]
				if f == nil {
					t.Skip()
				}
				for len(f.queue) > 0 && f.inFlight(m.execs) < f.slots && m.headLeaves(f) {
				}
				want := len(f.queue) > 0 && f.inFlight(m.execs) < f.slots
				if want {
					m.start(f)
					m.pump(f)
				}
				done := 0
				ok, err := m.DrainOnce(f.name, func() { done++ })
				if err != nil || ok != want {
					t.Fatalf("drain once: %v %v, want %v", ok, err, want)
				}
				if f.inline != nil && want != (done == 1) {
					t.Fatalf("done %d times", done)
				}
			},
			"delete": func(t *rapid.T) {
				n := name.Draw(t, "function")
				f := m.funcs[n]
				if f == nil {
					if _, err := m.Delete(n); err != error(ErrNotFound) {
						t.Fatal(err)
					}
					m.add(t, n)
					return
				}
				f.deleted = true
				delete(m.funcs, n)
				d, err := m.Retire(n)
				if err != nil {
					t.Fatal(err)
				}
				m.ending = append(m.ending, modelDeletion{f, d})
			},
			"redrive": m.redrive,
			"leave": func(t *rapid.T) {
				if len(m.execs) == 0 {
					t.Skip()
				}
				if ex := rapid.SampledFrom(m.execs).Draw(t, "execution"); ex.waiter != nil {
					ex.waiter.gone.Store(true)
				}
			},
			"end what was queued at a deletion": m.endQueued,
			"update": func(t *rapid.T) {
				f := m.funcs[name.Draw(t, "function")]
				if f == nil {
					if _, err := m.Update(spec(t, "nobody"), 0); err != error(ErrNotFound) {
						t.Fatal(err)
					}
					return
				}
				seen := rapid.Uint64Range(f.generation-1, f.generation+1).Draw(t, "seen") // 0 is any
				if seen != 0 && seen != f.generation {
					before := *f
					_, err := m.Update(m.draw(t, f), seen)
					if *f = before; err != error(ErrGenerationConflict) {
						t.Fatalf("update of generation %d at %d: %v", seen, f.generation, err)
					}
					return
				}
				changed := m.draw(t, f)
				f.generation++
				m.pump(f)
				got, err := m.Update(changed, seen)
				if err != nil || got.Generation != f.generation || m.Function(f.name).Spec() != got {
					t.Fatalf("update: %+v %v, want generation %d", got, err, f.generation)
				}
			},
			"": m.check,
		})
		// In the end everything ends and nothing is left.
		for len(m.ending) > 0 {
			m.endQueued(t)
		}
		for range 30 {
			m.pass(7e6)
			m.clock.advance(7 * time.Millisecond)
		}
		m.check(t)
		if m.wall < epoch { // records of a later wall time live on until it comes
			return
		}
		for range 2 { // what is stale by then ends, and is kept for its TTL
			m.clock.jump(time.Hour)
			m.wall += int64(time.Hour)
			m.sweepOnce()
			m.Sweep()
		}
		if g := m.Gauges(); g != (Gauges{}) {
			t.Fatalf("left: %+v", g)
		}
	})
}
