package core

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// submitBytes submits a request with a payload of n bytes.
func (b *bed) submitBytes(name string, sync bool, n int) (ID, error) {
	r := &Request{Function: name, Sync: sync, Input: make([]byte, n)}
	if sync {
		r.Waiter = &wakes{}
	}
	res, err := b.Submit(r)
	return res.ID, err
}

func (b *bed) must(id ID, err error) ID {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// cleaned are those of some executions whose payloads are gone.
func (b *bed) cleaned(ids []ID) (gone []int) {
	for i, id := range ids {
		if b.state(id).CleanedUp {
			gone = append(gone, i)
		}
	}
	return gone
}

func payloadBound(n int64) func(*Config) { return func(cfg *Config) { cfg.MaxPayloadBytes = n } }

// At the bound, payloads of answered sync calls go, the oldest first over all
// functions, and new work is taken as long as that is enough.
func TestAnsweredCallsMakeRoom(t *testing.T) {
	b := newBed(t, shortLives, payloadBound(1000))
	b.work.run = echoTask
	var ids []ID
	for i := range 10 {
		name := fmt.Sprint("f", i%3)
		if i < 3 {
			b.register(name)
		}
		ids = append(ids, b.must(b.submitBytes(name, true, 100)))
		b.clock.advance(time.Millisecond)
	}
	wantEqual(t, "held", b.Gauges().PayloadBytes, 1000)
	wantEqual(t, "may go", b.AnsweredBytes(), 1000)
	b.must(b.submitBytes("f0", false, 250))
	// 250 are needed and 15 more are freed at least, see reliefShare.
	if got := b.cleaned(ids); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("the payloads of %v went", got)
	}
	s := b.state(ids[0])
	wantEqual(t, "status stays readable", s.Status, Success)
	wantEqual(t, "output", len(s.Output), 0)
	wantEqual(t, "held", b.Gauges().PayloadBytes, 950)
	wantEqual(t, "seen", len(b.seen.of(EventCleaned)), 3)

	// What has not been answered, and async work, stays.
	b.work.run = nil
	b.must(b.submitBytes("f0", true, 700))
	if got := b.cleaned(ids); len(got) != 10 {
		t.Errorf("the payloads of %v went", got)
	}
	wantEqual(t, "may go", b.AnsweredBytes(), 0)
	_, err := b.submitBytes("f1", true, 100)
	wantEqual(t, "when all is of unfinished or async work", err, error(ErrStoreFull))
	b.work.next(t).Complete(success(`1`))
	b.must(b.submitBytes("f1", true, 100))

	b.clock.advance(35 * time.Second)
	wantEqual(t, "cleaned once each", len(b.seen.of(EventCleaned)), 12)
	wantEqual(t, "evicted", len(b.seen.of(EventEvicted)), 12)
}

// Nothing is given up for a request that has no room in any case.
func TestNothingGoesForWhatHasNoRoom(t *testing.T) {
	b := newBed(t, payloadBound(1000))
	b.register("f")
	b.work.run = echoTask
	b.must(b.submitBytes("f", false, 300))
	var ids []ID
	for range 7 {
		ids = append(ids, b.must(b.submitBytes("f", true, 100)))
	}
	_, err := b.submitBytes("f", true, 701)
	wantEqual(t, "701 bytes beside 300 of async work", err, error(ErrStoreFull))
	wantEqual(t, "payloads gone", len(b.cleaned(ids)), 0)
	b.must(b.submitBytes("f", true, 700))
	wantEqual(t, "payloads gone", len(b.cleaned(ids)), 7)
}

// Keys take of the same bound, and payloads make room for them, too.
func TestAnsweredCallsMakeRoomBesideKeys(t *testing.T) {
	b := newBed(t, payloadBound(1000))
	b.register("f")
	b.work.run = echoTask
	for i := range 100 {
		r := &Request{Function: "f", Sync: true, Waiter: &wakes{}, Input: make([]byte, 50), IdempotencyKey: fmt.Sprintf("%9d", i)}
		if _, err := b.Submit(r); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if g := b.Gauges(); g.PayloadBytes+g.KeyBytes > 1000 {
			t.Fatalf("call %d: %+v", i, g)
		}
		if i == 80 {
			return // of the bound, 810 are keys now
		}
	}
}

// An attempt that outlives its caller still has the input.
func TestPayloadOfAnAttemptThatRunsStays(t *testing.T) {
	b := newBed(t, payloadBound(1000))
	b.register("f", timeout(time.Second), slots(5))
	first := b.must(b.submitBytes("f", true, 600))
	if _, err := b.Cancel(first); err != nil {
		t.Fatal(err)
	}
	_, err := b.submitBytes("f", true, 600)
	wantEqual(t, "while the attempt runs", err, error(ErrStoreFull))
	b.work.next(t).Complete(success(`"late"`))
	b.must(b.submitBytes("f", true, 600))
	wantEqual(t, "cleaned", b.state(first).CleanedUp, true)
}

// Those of deleted functions go as well.
func TestAnsweredCallsOfDeletedFunctionsMakeRoom(t *testing.T) {
	b := newBed(t, payloadBound(1000))
	b.work.run = echoTask
	var ids []ID
	for i := range 50 { // leaving is looked through now and then
		name := fmt.Sprint("f", i)
		b.register(name)
		ids = append(ids, b.must(b.submitBytes(name, true, 20)))
		if _, err := b.Delete(name); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, "may go", b.AnsweredBytes(), 1000)
	b.register("f")
	b.must(b.submitBytes("f", false, 1000))
	wantEqual(t, "payloads gone", len(b.cleaned(ids)), 50)
}

// Submitters that make room at once, while functions are deleted and swept,
// refuse nothing and lose no byte of the account.
func TestRoomIsMadeUnderConcurrency(t *testing.T) {
	const callers, calls, size, bound = 8, 400, 1000, 64_000
	c, err := New(recordedConfig(t, Config{MaxPayloadBytes: bound}), newTestClock(), &seqIDs{}, echo{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := range calls {
				name := fmt.Sprintf("f%d-%d", i, n/50)
				if n%50 == 0 {
					if _, err := c.Register(spec(t, name)); err != nil {
						t.Error(err)
						return
					}
				}
				if _, err := c.Submit(&Request{Function: name, Sync: true, Waiter: &wakes{}, Input: make([]byte, size)}); err != nil {
					t.Errorf("call %d of %s: %v", n, name, err)
					return
				}
				if n%50 == 49 && i%2 == 0 {
					if _, err := c.Delete(name); err != nil {
						t.Error(err)
					}
				}
				if n%100 == 0 {
					c.Sweep()
				}
			}
		})
	}
	all.Wait()
	if held, answered := c.Gauges().PayloadBytes, c.AnsweredBytes(); held > bound || held != answered {
		t.Errorf("%d bytes are held of %d, %d of them may go", held, bound, answered)
	}
}
