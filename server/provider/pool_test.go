package provider

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fake is an instance whose answers the test gives.
type fake struct {
	mu      sync.Mutex
	pending []func(Result)
	calls   int
}

func (f *fake) Call(_ Invocation, done func(Result)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, done)
	f.calls++
}

// answer ends the oldest call.
func (f *fake) answer(r Result) {
	f.mu.Lock()
	done := f.pending[0]
	f.pending = f.pending[1:]
	f.mu.Unlock()
	done(r)
}

func in(d time.Duration) Invocation { return Invocation{Deadline: time.Now().Add(d)} }

func TestLeastInFlightIsChosen(t *testing.T) {
	p := NewPool(PoolOptions{})
	fakes := []*fake{{}, {}, {}}
	for i, f := range fakes {
		p.Add(fmt.Sprint(i), "", 0, 0, f)
	}
	for range 9 {
		p.Go(in(time.Hour), func(Result) {})
	}
	for i, f := range fakes {
		if f.calls != 3 {
			t.Errorf("instance %d got %d of 9 invocations, want 3", i, f.calls)
		}
	}
	fakes[1].answer(Result{})
	fakes[1].answer(Result{})
	p.Go(in(time.Hour), func(Result) {})
	p.Go(in(time.Hour), func(Result) {})
	if fakes[1].calls != 5 {
		t.Errorf("the idlest instance got %d invocations, want both new ones", fakes[1].calls-3)
	}
}

func TestTiesSpread(t *testing.T) {
	p := NewPool(PoolOptions{})
	fakes := []*fake{{}, {}, {}, {}}
	for i, f := range fakes {
		p.Add(fmt.Sprint(i), "", 0, 0, f)
	}
	for range 40 { // one at a time: all are idle at every choice
		p.Go(in(time.Hour), func(Result) {})
		for _, f := range fakes {
			if len(f.pending) > 0 {
				f.answer(Result{})
			}
		}
	}
	for i, f := range fakes {
		if f.calls != 10 {
			t.Errorf("instance %d got %d of 40, want 10", i, f.calls)
		}
	}
}

func TestWaitingIsFIFOAndBounded(t *testing.T) {
	p := NewPool(PoolOptions{MaxWaiting: 3})
	f := &fake{}
	p.Add("a", "", 1, 0, f)
	var order []int
	var refused int
	for i := range 6 {
		p.Go(in(time.Hour), func(r Result) {
			if r.ErrorCode == CodeSaturated {
				refused++
				return
			}
			order = append(order, i)
		})
	}
	if inFlight, waiting := p.Load(); inFlight != 1 || waiting != 3 || refused != 2 {
		t.Fatalf("%d run, %d wait, %d were refused; want 1, 3, 2", inFlight, waiting, refused)
	}
	for range 4 {
		f.answer(Result{})
	}
	if !slices.Equal(order, []int{0, 1, 2, 3}) {
		t.Errorf("order %v", order)
	}
	if inFlight, waiting := p.Load(); inFlight != 0 || waiting != 0 {
		t.Errorf("%d run, %d wait at the end", inFlight, waiting)
	}
}

func TestWaitEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolOptions{})
		began := time.Now()
		var got Result
		var after time.Duration
		p.Go(in(3*time.Second), func(r Result) { got, after = r, time.Since(began) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if !got.TimedOut || got.ErrorCode != CodeTimeout || after != 3*time.Second {
			t.Errorf("%+v after %v, want a timeout after 3s", got, after)
		}
		p.Go(in(-1), func(r Result) { got = r })
		if got.ErrorCode != CodeTimeout {
			t.Errorf("deadline in the past: %+v", got)
		}
		if _, waiting := p.Load(); waiting != 0 {
			t.Errorf("%d still wait", waiting)
		}
	})
}

func TestColdStartIsMarked(t *testing.T) {
	p := NewPool(PoolOptions{})
	var results []Result
	keep := func(r Result) { results = append(results, r) }
	p.Go(in(time.Hour), keep)
	f := &fake{}
	p.Add("a", "", 0, 250*time.Millisecond, f)
	p.Go(in(time.Hour), keep)
	f.answer(Result{})
	f.answer(Result{InitDuration: time.Second}) // a leftover nobody waited for
	if r := results[0]; !r.ColdStart || r.InitDuration != 250*time.Millisecond {
		t.Errorf("waited for the start: %+v", r)
	}
	if r := results[1]; r.ColdStart || r.InitDuration != 0 {
		t.Errorf("came after it: %+v", r)
	}
}

func TestEjectionAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolOptions{EjectAfter: 2, EjectBase: time.Second, EjectMax: 4 * time.Second})
		good, bad := &fake{}, &fake{}
		p.Add("good", "", 0, 0, good)
		p.Add("bad", "", 0, 0, bad)
		// round sends work until bad gets some or it is clear that it does not.
		round := func() (reached bool) {
			calls := bad.calls
			for range 4 {
				p.Go(in(time.Hour), func(Result) {})
			}
			reached = bad.calls > calls
			for len(good.pending) > 0 {
				good.answer(Result{})
			}
			return reached
		}
		fail := func() {
			for len(bad.pending) > 0 {
				bad.answer(Failure(CodeError, "down"))
			}
		}
		round()
		fail()
		if round() {
			t.Fatal("an instance with two failures in a row still gets work")
		}
		// Each return admits one invocation; its failure doubles the absence.
		for _, absence := range []time.Duration{1, 2, 4, 4, 4} {
			time.Sleep(absence*time.Second - time.Millisecond)
			if round() {
				t.Fatalf("back before %v had passed", absence*time.Second)
			}
			time.Sleep(time.Millisecond)
			calls := bad.calls
			if !round() || bad.calls != calls+1 {
				t.Fatalf("after %v: %d invocations, want a single one", absence*time.Second, bad.calls-calls)
			}
			fail()
		}
		time.Sleep(4 * time.Second)
		round()
		bad.answer(Result{}) // recovered
		calls := bad.calls
		round()
		if bad.calls != calls+2 {
			t.Errorf("after recovery it got %d of 4, want its half", bad.calls-calls)
		}
		fail()
	})
}

func TestAllEjectedIsBetterThanNone(t *testing.T) {
	p := NewPool(PoolOptions{EjectAfter: 1})
	f := &fake{}
	p.Add("only", "", 0, 0, f)
	p.Go(in(time.Hour), func(Result) {})
	f.answer(Failure(CodeCrashed, ""))
	if e := p.Endpoints(); !e[0].Ejected {
		t.Fatalf("endpoints %+v, want it ejected", e)
	}
	p.Go(in(time.Hour), func(Result) {})
	if f.calls != 2 {
		t.Error("the only instance gets no work")
	}
}

func TestFunctionErrorsDoNotEject(t *testing.T) {
	p := NewPool(PoolOptions{EjectAfter: 1})
	f := &fake{}
	p.Add("a", "", 0, 0, f)
	for _, code := range []string{CodeFailed, CodeBadOutput, "NO_FUNDS"} {
		p.Go(in(time.Hour), func(Result) {})
		f.answer(Failure(code, ""))
		if p.Endpoints()[0].Ejected {
			t.Errorf("%s ejected the instance", code)
		}
	}
}

func TestRemoveWaitsForRunningWork(t *testing.T) {
	p := NewPool(PoolOptions{})
	f := &fake{}
	p.Add("a", "", 0, 0, f)
	p.Go(in(time.Hour), func(Result) {})
	drained := p.Remove("a")
	select {
	case <-drained:
		t.Fatal("drained with an invocation running")
	default:
	}
	p.Go(in(time.Hour), func(Result) {})
	if f.calls != 1 {
		t.Error("a removed instance gets work")
	}
	f.answer(Result{})
	<-drained
	<-p.Remove("a") // unknown by now
}

func TestCloseEndsWaitingAndLaterWork(t *testing.T) {
	p := NewPool(PoolOptions{})
	var codes []string
	for range 2 {
		p.Go(in(time.Hour), func(r Result) { codes = append(codes, r.ErrorCode) })
	}
	p.Close(&Error{CodeDeleted, "gone"})
	p.Go(in(time.Hour), func(r Result) { codes = append(codes, r.ErrorCode) })
	if !slices.Equal(codes, []string{CodeDeleted, CodeDeleted, CodeDeleted}) {
		t.Errorf("codes %v", codes)
	}
}

// limited checks its own limit while it answers from other goroutines.
type limited struct {
	limit, now int32
	over       *atomic.Bool
}

func (l *limited) Call(inv Invocation, done func(Result)) {
	if atomic.AddInt32(&l.now, 1) > l.limit {
		l.over.Store(true)
	}
	go func() {
		time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
		atomic.AddInt32(&l.now, -1)
		if rand.IntN(5) == 0 {
			done(Failure(CodeError, ""))
			return
		}
		done(Result{})
	}()
}

func TestManyInvocationsWhileInstancesComeAndGo(t *testing.T) {
	p := NewPool(PoolOptions{MaxWaiting: 10_000, EjectAfter: 2, EjectBase: time.Millisecond, EjectMax: 5 * time.Millisecond})
	var over atomic.Bool
	add := func(i int) {
		limit := 1 + i%3
		p.Add(fmt.Sprint(i), "", limit, 0, &limited{limit: int32(limit), over: &over})
	}
	for i := range 4 {
		add(i)
	}
	const each, senders = 300, 16
	var answers atomic.Int64
	var all sync.WaitGroup
	all.Add(each * senders)
	var senderGroup sync.WaitGroup
	for range senders {
		senderGroup.Go(func() {
			for range each {
				p.Go(in(time.Hour), func(Result) { answers.Add(1); all.Done() })
			}
		})
	}
	for i := 4; i < 40; i++ {
		add(i)
		<-p.Remove(fmt.Sprint(i - 4))
	}
	senderGroup.Wait()
	all.Wait()
	if n := answers.Load(); n != each*senders {
		t.Errorf("%d answers to %d invocations", n, each*senders)
	}
	if over.Load() {
		t.Error("an instance ran more invocations at a time than its limit")
	}
	if inFlight, waiting := p.Load(); inFlight != 0 || waiting != 0 {
		t.Errorf("%d in flight, %d waiting at the end", inFlight, waiting)
	}
}

func BenchmarkPool(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			p := NewPool(PoolOptions{})
			for i := range n {
				p.Add(fmt.Sprint(i), "", 0, 0, instant{})
			}
			inv := in(time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				p.Go(inv, func(Result) {})
			}
		})
	}
}

type instant struct{}

func (instant) Call(_ Invocation, done func(Result)) { done(Result{}) }
