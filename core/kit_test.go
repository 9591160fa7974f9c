package core

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// checker is what a helper needs of a *testing.T or a *rapid.T.
type checker interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Cleanup(func())
}

// testClock is a clock that moves only when told. It starts at Mono 0, which
// is a legal reading, and at a whole second of wall time.
type testClock struct {
	mu         sync.Mutex
	wall, mono int64
	timers     []*testTimer // armed
	seq        int
}

type testTimer struct {
	clock *testClock
	at    int64
	seq   int
	armed bool
	f     func()
}

const epoch = 1_700_000_000 * int64(time.Second)

func newTestClock() *testClock { return &testClock{wall: epoch} }

func (c *testClock) Now() Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Instant{Wall: c.wall, Mono: c.mono}
}

func (c *testClock) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &testTimer{clock: c, f: f}
	t.arm(d)
	return t
}

func (t *testTimer) arm(d time.Duration) {
	t.clock.seq++
	t.at, t.seq = t.clock.mono+int64(max(d, 0)), t.clock.seq
	if !t.armed {
		t.armed = true
		t.clock.timers = append(t.clock.timers, t)
	}
}

// disarm reports whether t was armed; the caller holds the clock's lock.
func (t *testTimer) disarm() bool {
	was := t.armed
	t.armed = false
	t.clock.timers = slices.DeleteFunc(t.clock.timers, func(other *testTimer) bool { return other == t })
	return was
}

func (t *testTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.disarm()
}

func (t *testTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.armed
	t.arm(d)
	return was
}

// jump moves the wall reading alone, as a clock that is set does.
func (c *testClock) jump(d time.Duration) {
	c.mu.Lock()
	c.wall += int64(d)
	c.mu.Unlock()
}

// advance lets d pass and fires what falls due on the way, in order.
func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	target := c.mono + int64(d)
	for t := c.due(target); t != nil; t = c.due(target) {
		c.moveTo(max(c.mono, t.at))
		t.disarm()
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.moveTo(target)
	c.mu.Unlock()
}

func (c *testClock) moveTo(mono int64) {
	c.wall += mono - c.mono
	c.mono = mono
}

// due is the first armed timer at or before target.
func (c *testClock) due(target int64) *testTimer {
	var first *testTimer
	for _, t := range c.timers {
		if t.at <= target && (first == nil || t.at < first.at || (t.at == first.at && t.seq < first.seq)) {
			first = t
		}
	}
	return first
}

func (c *testClock) armedTimers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// seqIDs hands out 1, 2, 3 … as ids; safe for concurrent use.
type seqIDs struct {
	mu sync.Mutex
	n  uint64
}

func (s *seqIDs) NewID() ID {
	s.mu.Lock()
	s.n++
	n := s.n
	s.mu.Unlock()
	return idOf(n)
}

func idOf(n uint64) ID {
	var id ID
	for i := range 8 {
		id[15-i] = byte(n >> (8 * i))
	}
	return id
}

// script is a Dispatcher that does what its test says: it holds every task
// until the test finishes it, unless run takes it.
type script struct {
	mu   sync.Mutex
	held []Task
	log  []string        // "function/id#attempt" in order of dispatch
	run  func(Task) bool // reports whether it has taken the task
}

func (s *script) Dispatch(t Task) {
	s.mu.Lock()
	s.log = append(s.log, fmt.Sprintf("%s/%d#%d", t.Function.Name(), t.ID[15], t.Attempt))
	run := s.run
	s.mu.Unlock()
	if run != nil && run(t) {
		return
	}
	s.mu.Lock()
	s.held = append(s.held, t)
	s.mu.Unlock()
}

// next takes the oldest held task.
func (s *script) next(t checker) Task {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == 0 {
		t.Fatal("no task was dispatched")
	}
	task := s.held[0]
	s.held = s.held[1:]
	return task
}

func (s *script) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

func (s *script) dispatched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// echoTask answers a task with its input.
func echoTask(t Task) bool {
	t.Complete(Outcome{Status: Success, Output: t.Input})
	return true
}

func failTask(t Task) bool {
	t.Complete(Outcome{Status: Error, Code: "BOOM", Message: "it broke"})
	return true
}

// echo is the fastest dispatcher there is.
type echo struct{}

func (echo) Dispatch(t Task) { t.Complete(Outcome{Status: Success, Output: t.Input}) }

// recorder is an Observer that keeps every event.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) FunctionAdded(fn *Function) any { return "handle of " + fn.Name() }

func (r *recorder) Observe(e Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
}

func (r *recorder) of(kind EventKind) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Event
	for _, e := range r.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// wakes counts and keeps what a waiter is told.
type wakes struct {
	mu   sync.Mutex
	got  []Snapshot
	wake chan struct{} // when set, receives one value a wake
}

func (w *wakes) Wake(s Snapshot) {
	w.mu.Lock()
	w.got = append(w.got, s)
	w.mu.Unlock()
	if w.wake != nil {
		w.wake <- struct{}{}
	}
}

func (w *wakes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

// only returns the one snapshot the waiter was told.
func (w *wakes) only(t checker) Snapshot {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.got) != 1 {
		t.Fatalf("woken %d times, want once", len(w.got))
	}
	return w.got[0]
}

// bed is a Core on a test clock with a scripted dispatcher.
type bed struct {
	t     checker
	clock *testClock
	work  *script
	seen  *recorder
	*Core
}

func newBed(t checker, change ...func(*Config)) *bed {
	t.Helper()
	cfg := DefaultConfig()
	cfg.RateMaxPerSecond = 0
	for _, f := range change {
		f(&cfg)
	}
	if cfg.Recorder == nil {
		recorded(t, &cfg)
	}
	b := &bed{t: t, clock: newTestClock(), work: &script{}, seen: &recorder{}}
	c, err := New(cfg, b.clock, &seqIDs{}, b.work, b.seen)
	if err != nil {
		t.Fatal(err)
	}
	b.Core = c
	return b
}

// Complete is Core's, for tests that do not ask what it rests on.
func (b *bed) Complete(id ID, attempt int, o Outcome) error {
	_, err := b.Core.Complete(id, attempt, o)
	return err
}

// PurgeDeadLetters is Core's, likewise.
func (b *bed) PurgeDeadLetters(name string) (int, error) {
	n, _, err := b.Core.PurgeDeadLetters(name)
	return n, err
}

// spec returns a resolved spec of a function; change may alter its input.
func spec(t checker, name string, change ...func(*SpecInput)) *Spec {
	t.Helper()
	in := SpecInput{Name: ptr(name)}
	pausing(RetryBackoff{0, 0, 1, 0})(&in) // most tests look at what comes after a pause
	for _, f := range change {
		f(&in)
	}
	s, err := ResolveSpec(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// alone leaves a long test out of -short, as which the tests run again with other
// numbers of processors: they make no difference to one goroutine with a clock of
// its own.
func alone(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one goroutine: long, and the same on any number of processors")
	}
}

func slots(n int) func(*SpecInput)     { return func(in *SpecInput) { in.Concurrency = &n } }
func queueSize(n int) func(*SpecInput) { return func(in *SpecInput) { in.QueueSize = &n } }
func retries(n int) func(*SpecInput)   { return func(in *SpecInput) { in.MaxRetries = &n } }
func pausing(b RetryBackoff) func(*SpecInput) {
	return func(in *SpecInput) {
		in.RetryBackoff = &RetryBackoffInput{&b.InitialMillis, &b.MaxMillis, &b.Multiplier, &b.Jitter}
	}
}
func timeout(d time.Duration) func(*SpecInput) {
	return func(in *SpecInput) { in.TimeoutMillis = ptr(int(d.Milliseconds())) }
}

func (b *bed) register(name string, change ...func(*SpecInput)) *Function {
	b.t.Helper()
	fn, err := b.Register(spec(b.t, name, change...))
	if err != nil {
		b.t.Fatal(err)
	}
	return fn
}

// update changes a registered function and fails the test when it is refused.
func (b *bed) update(name string, change ...func(*SpecInput)) *Spec {
	b.t.Helper()
	s, err := b.Update(spec(b.t, name, change...), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// enqueue submits async work and fails the test when it is refused.
func (b *bed) enqueue(name string) ID {
	b.t.Helper()
	res, err := b.Submit(&Request{Function: name, Input: []byte(`{"n":1}`)})
	if err != nil {
		b.t.Fatalf("enqueue %s: %v", name, err)
	}
	return res.ID
}

// invoke submits a sync call and fails the test when it is refused.
func (b *bed) invoke(name string, change ...func(*Request)) (ID, *wakes) {
	b.t.Helper()
	w := &wakes{}
	r := &Request{Function: name, Sync: true, Input: []byte(`{"n":1}`), Waiter: w}
	for _, f := range change {
		f(r)
	}
	res, err := b.Submit(r)
	if err != nil {
		b.t.Fatalf("invoke %s: %v", name, err)
	}
	return res.ID, w
}

func (b *bed) state(id ID) Snapshot {
	b.t.Helper()
	s, ok := b.Execution(id)
	if !ok {
		b.t.Fatalf("execution %s is gone", id)
	}
	return s
}

func (b *bed) wantStatus(id ID, want Status) {
	b.t.Helper()
	if got := b.state(id).Status; got != want {
		b.t.Fatalf("execution %d is %s, want %s", id[15], got, want)
	}
}

func (b *bed) wantGone(id ID) {
	b.t.Helper()
	if s, ok := b.Execution(id); ok {
		b.t.Fatalf("execution %d is still there: %s", id[15], s.Status)
	}
}

// wantStale checks that an execution was force-ended and can still be read.
func (b *bed) wantStale(id ID) {
	b.t.Helper()
	if s := b.state(id); s.Status != Timeout || s.Err == nil || s.Err.Code != CodeStale {
		b.t.Fatalf("execution %d is %s, %v; want it ended as stale", id[15], s.Status, s.Err)
	}
}

// wantLoad checks a function's queue depth and slots in use.
func (b *bed) wantLoad(name string, queued, inFlight int) {
	b.t.Helper()
	fn := b.Function(name)
	if fn.QueueDepth() != queued || fn.InFlight() != inFlight {
		b.t.Fatalf("%s: %d queued, %d in flight; want %d and %d", name, fn.QueueDepth(), fn.InFlight(), queued, inFlight)
	}
}

func wantEqual[T comparable](t checker, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func success(out string) Outcome { return Outcome{Status: Success, Output: []byte(out)} }

func failure(code string) Outcome { return Outcome{Status: Error, Code: code, Message: "it broke"} }
