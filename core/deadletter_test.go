package core

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// failing fails every attempt at once.
type failing struct{}

func (failing) Dispatch(t Task) {
	t.Complete(Outcome{Status: Error, Code: "BOOM", Message: "no"})
}

func deadLetterCore(t *testing.T, cfg Config, d Dispatcher) *Core {
	t.Helper()
	c, err := New(recordedConfig(t, cfg), &stillClock{}, &seqIDs{}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, retries := "f", 1
	spec, err := ResolveSpec(SpecInput{Name: &name, MaxRetries: &retries, RetryBackoff: &RetryBackoffInput{InitialMillis: new(int)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec); err != nil {
		t.Fatal(err)
	}
	return c
}

// stillClock stands still: nothing here depends on time.
type stillClock struct{}

func (*stillClock) Now() Instant                              { return Instant{Wall: 1, Mono: 1} }
func (*stillClock) AfterFunc(d time.Duration, f func()) Timer { return deafTimer{} }

type deafTimer struct{}

func (deafTimer) Stop() bool               { return false }
func (deafTimer) Reset(time.Duration) bool { return false }

func TestDeadLettersKeepTheNewestWithinTheirBound(t *testing.T) {
	c := deadLetterCore(t, Config{MaxDeadLetters: 3}, failing{})
	for i := range 5 {
		if _, err := c.Submit(&Request{Function: "f", Input: fmt.Appendf(nil, "%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := c.DeadLetters("f", 0, 100)
	letters := page.Letters
	if err != nil || len(letters) != 3 || page.Dropped != 2 || page.More {
		t.Fatalf("got %+v, %v; want 3 letters, 2 dropped", page, err)
	}
	for i, want := range []string{"4", "3", "2"} {
		if string(letters[i].Input) != want || letters[i].Err.Code != "BOOM" || letters[i].Attempt != 2 {
			t.Errorf("letter %d is %+v, want input %s after attempt 2", i, letters[i], want)
		}
	}
}

func TestDeadLettersBytesAreBounded(t *testing.T) {
	one := (&DeadLetter{
		Snapshot: Snapshot{Err: &ExecError{Code: "BOOM", Message: "no"}, TraceID: "trace", Idempotency: "k00"},
		Input:    []byte("1234"), Metadata: []byte("{ }"),
	}).bytes() + int64(len("BOOM"+"no")) // of the first attempt
	c := deadLetterCore(t, Config{MaxDeadLetterBytes: 2*one + 1}, failing{})
	for i := range 4 {
		_, _ = c.Submit(&Request{Function: "f", Input: []byte("1234"), Metadata: []byte("{ }"), TraceID: "trace", IdempotencyKey: fmt.Sprintf("k%02d", i)})
	}
	page, _ := c.DeadLetters("f", 0, 100)
	if len(page.Letters) != 2 || page.Dropped != 2 || c.dead.bytes != 2*one || one != 256+4+3+5+3+2*6 {
		t.Errorf("got %d letters, %d dropped, %d bytes; a letter has %d", len(page.Letters), page.Dropped, c.dead.bytes, one)
	}
	// One that is larger than the whole bound pushes nothing out.
	_, _ = c.Submit(&Request{Function: "f", Input: make([]byte, 2*one)})
	if page, _ = c.DeadLetters("f", 0, 100); len(page.Letters) != 2 || page.Dropped != 3 {
		t.Errorf("got %d letters, %d dropped", len(page.Letters), page.Dropped)
	}
}

// Each name's letters are its own: a flood of one's failures costs no other's.
func TestDeadLettersOfOthersArePushedOutByNobody(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.MaxDeadLetterBytes, cfg.MaxDeadLetters = 100_000, 1000 })
	b.work.run = failTask
	b.register("quiet", retries(0))
	b.register("loud", retries(0))
	var kept []ID
	for range 5 {
		kept = append(kept, b.enqueue("quiet"))
	}
	for range 2000 {
		b.enqueue("loud")
	}
	quiet, err := b.DeadLetters("quiet", 0, 100)
	if err != nil || len(quiet.Letters) != len(kept) || quiet.Dropped != 0 {
		t.Errorf("quiet has %d letters of %d, %d dropped, %v", len(quiet.Letters), len(kept), quiet.Dropped, err)
	}
	if loud, _ := b.DeadLetters("loud", 0, 1); loud.Dropped == 0 {
		t.Error("the bound was not reached")
	}
	if b.dead.bytes > 100_000 {
		t.Errorf("%d bytes are kept", b.dead.bytes)
	}
}

func TestDeadLettersAreOfAsyncWorkHoweverItEnds(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(0), timeout(time.Second))
	async := map[string]ID{"error": b.enqueue("f"), "outside": b.enqueue("f"), "timeout": b.enqueue("f"), "fine": b.enqueue("f"), "cancelled": b.enqueue("f")}
	b.invoke("f")
	byID := map[ID]Task{}
	for len(b.work.held) > 0 {
		task := b.work.next(t)
		byID[task.ID] = task
		switch task.ID {
		case async["outside"]:
			_ = b.Complete(task.ID, 0, failure("OUT"))
		case async["timeout"]:
		case async["fine"]:
			task.Complete(success("1"))
		case async["cancelled"]:
			_, _ = b.Cancel(task.ID)
			task.Complete(failure("BROKEN_OFF"))
		default: // the sync one as well
			task.Complete(failure("BOOM"))
		}
	}
	b.clock.advance(time.Second)
	page, _ := b.DeadLetters("f", 0, 100)
	got := map[ID]string{}
	for _, l := range page.Letters {
		got[l.ID] = ""
		if l.Err != nil {
			got[l.ID] = l.Err.Code
		}
	}
	want := map[ID]string{async["error"]: "BOOM", async["outside"]: "OUT", async["timeout"]: ""}
	if !maps.Equal(got, want) {
		t.Errorf("letters %v, want %v", got, want)
	}
}

func TestDeadLettersOutliveTheFunctionUpToTheirTTL(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.DeadLetterTTL = time.Hour })
	b.work.run = failTask
	b.register("f", retries(0))
	id := b.enqueue("f")
	if _, err := b.Delete("f"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Redrive("f", id, 0); err != ErrNotFound {
		t.Errorf("redriven into a function that does not exist: %v", err)
	}
	b.clock.advance(time.Hour)
	if page, err := b.DeadLetters("f", 0, 100); err != nil || len(page.Letters) != 1 {
		t.Fatalf("%d letters of a deleted function, %v", len(page.Letters), err)
	}
	b.work.run = echoTask
	b.register("f")
	if _, err := b.Redrive("f", id, 0); err != nil {
		t.Errorf("redrive after re-creation: %v", err)
	}
	b.work.run = failTask
	last := b.enqueue("f")
	b.work.run = nil
	_ = last
	b.clock.advance(time.Hour + 1)
	if page, _ := b.DeadLetters("f", 0, 100); len(page.Letters) != 0 {
		t.Errorf("%d letters are past their TTL", len(page.Letters))
	}
}

// A letter is there until its work is accepted, also when the queue is full, and
// of several callers one redrives it.
func TestRedriveIsOneStep(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(1), retries(0))
	id := b.enqueue("f")
	b.work.next(t).Complete(failure("BOOM"))
	b.enqueue("f")
	b.enqueue("f")
	if _, err := b.Redrive("f", id, 0); err != ErrQueueFull {
		t.Fatalf("redrive into a full queue: %v", err)
	}
	wantEqual(t, "letters", b.DeadLetterCount("f"), 1)
	b.work.next(t).Complete(success("1"))
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 8 {
		wg.Go(func() {
			if _, err := b.Redrive("f", id, 0); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	wantEqual(t, "redriven", won.Load(), 1)
	wantEqual(t, "letters", b.DeadLetterCount("f"), 0)
}

func TestRedriveRunsALetterAgainOnce(t *testing.T) {
	d := &switchable{Dispatcher: failing{}}
	c := deadLetterCore(t, Config{}, d)
	res, err := c.Submit(&Request{Function: "f", Input: []byte(`"again"`)})
	if err != nil {
		t.Fatal(err)
	}
	d.Dispatcher = echo{}
	again, err := c.Redrive("f", res.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := c.Execution(again.ID)
	if !ok || s.Status != Success || string(s.Output) != `"again"` || again.ID == res.ID {
		t.Errorf("redriven execution is %+v", s)
	}
	if _, err := c.Redrive("f", res.ID, 0); err != ErrNotFound {
		t.Errorf("a second redrive gave %v, want %v", err, ErrNotFound)
	}
}

func TestRedriveRefusedKeepsTheLetter(t *testing.T) {
	c := deadLetterCore(t, Config{}, failing{})
	res, _ := c.Submit(&Request{Function: "f", Input: []byte("1")})
	c.Drain()
	if _, err := c.Redrive("f", res.ID, 0); err != ErrDraining {
		t.Fatalf("got %v", err)
	}
	if page, _ := c.DeadLetters("f", 0, 100); len(page.Letters) != 1 || page.Letters[0].ID != res.ID {
		t.Errorf("the letter is gone: %v", page.Letters)
	}
}

type switchable struct{ Dispatcher }

// Pages of dead letters joined are the whole, newest first, although letters
// come, go, and are put back by a refused redrive in between.
func TestDeadLetterPagesAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBed(t, func(cfg *Config) { cfg.MaxDeadLetters = 30 })
		b.register("f", retries(0))
		b.work.run = failTask
		fail := func(n int) {
			for range n {
				b.enqueue("f")
			}
		}
		fail(rapid.IntRange(0, 40).Draw(t, "first"))
		kept := func() map[ID]bool {
			ids, err := b.DeadLetterIDs("f")
			if err != nil {
				t.Fatal(err)
			}
			set := map[ID]bool{}
			for _, id := range ids {
				set[id] = true
			}
			return set
		}
		stays := kept()
		limit, before := rapid.IntRange(1, 10).Draw(t, "limit"), uint64(0)
		for seen := map[ID]bool{}; ; {
			page, err := b.DeadLetters("f", before, limit)
			if err != nil || len(page.Letters) > limit || page.More && len(page.Letters) < limit {
				t.Fatalf("%d on a page of %d, more %v, %v", len(page.Letters), limit, page.More, err)
			}
			for _, l := range page.Letters {
				if seen[l.ID] || before > 0 && l.Place >= before {
					t.Fatalf("%v comes twice or out of order", l.ID)
				}
				seen[l.ID], before = true, l.Place
			}
			if !page.More {
				for id := range stays {
					if !seen[id] {
						t.Fatalf("%v was missed", id)
					}
				}
				return
			}
			switch ids, _ := b.DeadLetterIDs("f"); rapid.IntRange(0, 3).Draw(t, "between") {
			case 0:
				fail(rapid.IntRange(1, 5).Draw(t, "more"))
			case 1:
				if _, err := b.Redrive("f", ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")], 0); err != nil {
					t.Fatal(err)
				}
			case 2: // refused: it keeps its place
				b.draining.Store(true)
				if _, err := b.Redrive("f", ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")], 0); err != ErrDraining {
					t.Fatal(err)
				}
				b.draining.Store(false)
			}
			now := kept()
			for id := range stays {
				if !now[id] {
					delete(stays, id)
				}
			}
		}
	})
}

// Names for which nothing is kept must not pile up: each costs memory.
func TestNamesWithoutDeadLettersAreForgotten(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.MaxDeadLetters = -1 })
	b.work.run = failTask
	for i := range 20 {
		name := fmt.Sprint("f", i)
		b.register(name, retries(0))
		b.enqueue(name)
		if i%2 == 0 {
			if _, err := b.Delete(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Sweep()
	wantEqual(t, "names", len(b.dead.byName), 10)
	page, err := b.DeadLetters("f1", 0, 10)
	if err != nil || page.Dropped != 1 {
		t.Errorf("of a registered function: %+v, %v", page, err)
	}
}
