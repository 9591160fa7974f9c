package core

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// realClock is the machine's clock, for benchmarks and concurrency tests.
type realClock struct{ start time.Time }

func newRealClock() realClock { return realClock{time.Now()} }

func (c realClock) Now() Instant {
	d := time.Since(c.start)
	return Instant{Wall: c.start.UnixNano() + int64(d), Mono: int64(d)}
}

func (c realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// randomIDs is an id source without anything that cores share, as the server's
// is, so that a benchmark measures core and not its ids.
type randomIDs struct{}

func (randomIDs) NewID() ID {
	var id ID
	binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// shortRetention keeps the store of a benchmark at the size of a second's work.
func shortRetention() Config {
	return Config{TTL: time.Second, CleanupTTL: time.Second}
}

func newBenchCore(b *testing.B, cfg Config, work Dispatcher, seen Observer, functions int) *Core {
	b.Helper()
	c, err := New(cfg, newRealClock(), randomIDs{}, work, seen)
	if err != nil {
		b.Fatal(err)
	}
	for i := range functions {
		if _, err := c.Register(spec(b, fmt.Sprint("f", i), slots(64))); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

type nopWaiter struct{}

func (nopWaiter) Wake(Snapshot) {}

// reportCPU adds the processor time an operation took, the garbage collector's
// share included: on a busy machine it is steadier than the time that passed.
func reportCPU(b *testing.B) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	b.Cleanup(func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") })
}

// Submission to completion in one call: the least a request costs.
func BenchmarkFullCycle(b *testing.B) {
	for _, bm := range []struct {
		name string
		sync bool
		seen Observer
	}{{"async", false, nil}, {"sync", true, nil}, {"observed", false, &counts{}}} {
		b.Run(bm.name, func(b *testing.B) {
			c := newBenchCore(b, shortRetention(), echo{}, bm.seen, 1)
			r := &Request{Function: "f0", Input: []byte(`{"a":1}`), Sync: bm.sync}
			if bm.sync {
				r.Waiter = nopWaiter{}
			}
			b.ReportAllocs()
			reportCPU(b)
			for b.Loop() {
				if _, err := c.Submit(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Calls spread over all of 10,000 functions, against calls of one of them: what
// is between the two is the memory of functions that is not in the caches.
func BenchmarkSpread(b *testing.B) {
	const functions = 10_000
	for _, called := range []int{1, functions} {
		b.Run(fmt.Sprint("called=", called), func(b *testing.B) {
			c := newBenchCore(b, shortRetention(), echo{}, &counts{}, functions)
			names := make([]string, called)
			for i, f := range rand.Perm(functions)[:called] {
				names[i] = fmt.Sprint("f", f)
			}
			input := []byte(`{"message":"hello","n":42}`)
			submit := func(i int) {
				r := Request{Function: names[i%called], Input: input, Borrowed: true, Sync: true, Waiter: nopWaiter{}}
				if _, err := c.Submit(&r); err != nil {
					b.Fatal(err)
				}
			}
			for i := range 10 * functions { // the first blocks of a slab are small
				submit(i)
			}
			b.ReportAllocs()
			reportCPU(b)
			for i := 0; b.Loop(); i++ {
				submit(i)
			}
		})
	}
}

// Each worker has a function of its own or all share one. With engines apart the
// workers share nothing but the machine's memory and the garbage collector: no
// engine can do better than that on so many cores.
func BenchmarkFullCycleParallel(b *testing.B) {
	for _, bm := range []struct {
		name               string
		functions, engines int
	}{{"functions=16", 16, 1}, {"functions=1", 1, 1}, {"engines=apart", 16, 16}} {
		b.Run(bm.name, func(b *testing.B) {
			engines := make([]*Core, bm.engines)
			for i := range engines {
				engines[i] = newBenchCore(b, shortRetention(), echo{}, nil, bm.functions)
			}
			var worker atomic.Int64
			b.ReportAllocs()
			reportCPU(b)
			b.RunParallel(func(pb *testing.PB) {
				i := int(worker.Add(1))
				c := engines[i%len(engines)]
				r := &Request{Input: []byte(`{"a":1}`)}
				r.Function = fmt.Sprint("f", i%bm.functions)
				for pb.Next() {
					if _, err := c.Submit(r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// holder keeps the last task: the cycle with an answer from outside Dispatch.
type holder struct{ task Task }

func (h *holder) Dispatch(t Task) { h.task = t }

func BenchmarkFullCycleAnsweredLater(b *testing.B) {
	h := &holder{}
	c := newBenchCore(b, shortRetention(), h, nil, 1)
	r := &Request{Function: "f0", Input: []byte(`{"a":1}`), Sync: true, Waiter: nopWaiter{}}
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		if _, err := c.Submit(r); err != nil {
			b.Fatal(err)
		}
		h.task.Complete(Outcome{Status: Success, Output: h.task.Input})
	}
}

func BenchmarkRejected(b *testing.B) {
	c := newBenchCore(b, Config{}, &holder{}, nil, 1)
	for range 64 + 100 {
		if _, err := c.Submit(&Request{Function: "f0"}); err != nil {
			b.Fatal(err)
		}
	}
	r := &Request{Function: "f0", Input: []byte(`{"a":1}`)}
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		if _, err := c.Submit(r); err != error(ErrQueueFull) {
			b.Fatal(err)
		}
	}
}

func BenchmarkRateLimiter(b *testing.B) {
	l := NewRateLimiter(MaxRatePerSecond)
	clock := newRealClock()
	now := clock.Now()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		reportCPU(b)
		for b.Loop() {
			l.Acquire(now.Wall)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Acquire(now.Wall)
			}
		})
	})
}

func BenchmarkQueueOfferPoll(b *testing.B) {
	var r ring
	ex := &execution{}
	for range 50 {
		r.push(&execution{})
	}
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		r.push(ex)
		r.pop()
	}
}

func benchStore(n int) (*executionStore, []ID) {
	cfg := DefaultConfig()
	cfg.SweepInterval = time.Second
	s, ids := newExecutionStore(cfg), randomIDs{}
	all := make([]ID, n)
	for i := range all {
		ex := &execution{fn: &Function{}, id: ids.NewID(), created: int64(i)}
		s.put(ex)
		all[i] = ex.id // completed by the store
	}
	return s, all
}

func BenchmarkStoreGet(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		s, ids := benchStore(n)
		// In the order of arrival caches help; with a stride each look-up waits
		// for memory, for the id it asks for as well.
		for order, step := range map[string]int{"arrival": 1, "stride": 611_953} {
			b.Run(fmt.Sprintf("records=%d/order=%s", n, order), func(b *testing.B) {
				b.ReportAllocs()
				reportCPU(b)
				i := 0
				for b.Loop() {
					i = (i + step) % n
					// Reading the record is part of it: nobody asks for a pointer alone.
					if ex := s.get(ids[i]); ex == nil || ex.id != ids[i] {
						b.Fatal("lost")
					}
				}
			})
		}
		b.Run(fmt.Sprint("parallel/records=", n), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i = (i + 611_953) % n {
					if s.get(ids[i]) == nil {
						b.Fail()
					}
				}
			})
		})
	}
}

func BenchmarkStorePutRemove(b *testing.B) {
	s, _ := benchStore(1000)
	ex := &execution{fn: &Function{}, id: idOf(1)}
	var due []appointment[execution]
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		s.reserve(10, 0)
		s.put(ex)
		s.remove(ex)
		s.used.addBytes(-10)
		if ex.lookAt++; ex.lookAt%1024 == 0 { // the calendar is emptied by sweeps
			due, _ = s.popDue(1, ex.lookAt, due[:0])
		}
	}
}

func BenchmarkIdempotencyClaimPublish(b *testing.B) {
	s := NewIdempotencyStore(64, int64(time.Hour), int64(time.Second), 1<<30)
	b.ReportAllocs()
	for b.Loop() {
		_, token, _ := s.AcquireOrGet("f", "key", Fingerprint{}, 0, nil)
		if err := s.Publish("f", "key", token, ID{}, 0); err != nil {
			b.Fatal(err)
		}
		if _, token = s.ClaimIfMatches("f", "key", ID{}); token == 0 || s.Abandon("f", "key", token) != nil {
			b.Fatal("not abandoned")
		}
	}
}

func TestRejectedSubmitAllocatesNothing(t *testing.T) {
	for name, change := range map[string]func(*Config, *Request){
		"queue full":         func(*Config, *Request) {},
		"unknown function":   func(_ *Config, r *Request) { r.Function = "nobody" },
		"store full":         func(cfg *Config, r *Request) { cfg.MaxExecutions = 1 },
		"rate limited":       func(cfg *Config, r *Request) { cfg.RateMaxPerSecond = 2 },
		"depth of sync work": func(cfg *Config, r *Request) { admitting(1, 1)(cfg); r.Sync = true },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{}
			r := &Request{Function: "f", Input: []byte(`{"a":1}`), Borrowed: true}
			change(&cfg, r)
			c, err := New(cfg, newTestClock(), randomIDs{}, &script{}, &counts{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Register(spec(t, "f", slots(1), queueSize(1))); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, _ = c.Submit(r)
			}
			allocs := testing.AllocsPerRun(1000, func() {
				if _, err := c.Submit(r); err == nil {
					t.Fatal("admitted")
				}
			})
			if allocs != 0 {
				t.Fatalf("%v allocations", allocs)
			}
		})
	}
}

// A cycle allocates its record and nothing else (maps that grow aside).
func TestFullCycleAllocations(t *testing.T) {
	cfg := shortRetention()
	c, err := New(cfg, newTestClock(), randomIDs{}, echo{}, &counts{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f")); err != nil {
		t.Fatal(err)
	}
	r := &Request{Function: "f", Input: []byte(`{"a":1}`), Sync: true, Waiter: nopWaiter{}}
	allocs := testing.AllocsPerRun(20_000, func() { _, _ = c.Submit(r) })
	if allocs > 2 {
		t.Fatalf("%v allocations a cycle", allocs)
	}
}

// What an ended execution costs while its status is kept, payload apart.
func TestMemoryOfRetainedExecution(t *testing.T) {
	alone(t)
	const n = 50_000
	c, err := New(Config{}, newTestClock(), randomIDs{}, echo{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f")); err != nil {
		t.Fatal(err)
	}
	r := &Request{Function: "f"}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		if _, err := c.Submit(r); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes each", each)
	if each >= 400 {
		t.Fatalf("%d bytes each, want less than 400", each)
	}
	runtime.KeepAlive(c)
}

// benchRing keeps the latest records, as a flight recorder does.
type benchRing struct {
	mu    sync.Mutex
	steps [16384]Step
	at    uint64
}

func (r *benchRing) Step(s Step) {
	r.mu.Lock()
	r.steps[r.at%uint64(len(r.steps))] = s
	r.at++
	r.mu.Unlock()
}

func (*benchRing) Base(*Base) {}

// What recording adds to the cycle: run with -count, the two come in turns.
func BenchmarkFullCycleRecorded(b *testing.B) {
	for _, waits := range []bool{false, true} {
		for _, recorded := range []bool{false, true} {
			b.Run(fmt.Sprintf("sync=%v/recorded=%v", waits, recorded), func(b *testing.B) {
				cfg := shortRetention()
				if recorded {
					cfg.Recorder = &benchRing{}
				}
				c := newBenchCore(b, cfg, echo{}, &counts{}, 1)
				r := &Request{Function: "f0", Input: []byte(`{"a":1}`), Sync: waits}
				if waits {
					r.Waiter = nopWaiter{}
				}
				b.ReportAllocs()
				reportCPU(b)
				for b.Loop() {
					if _, err := c.Submit(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
