package core

import (
	"fmt"
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
	c, err := New(cfg, &stillClock{}, &seqIDs{}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, retries := "f", 1
	spec, err := ResolveSpec(SpecInput{Name: &name, MaxRetries: &retries})
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
	const size = int64(4 + 3 + 5 + 3 + len("BOOM"+"no"))
	c := deadLetterCore(t, Config{MaxDeadLetterBytes: 2*size + 1}, failing{})
	for i := range 4 {
		_, _ = c.Submit(&Request{Function: "f", Input: []byte("1234"), Metadata: []byte("{ }"), TraceID: "trace", IdempotencyKey: fmt.Sprintf("k%02d", i)})
	}
	page, _ := c.DeadLetters("f", 0, 100)
	if len(page.Letters) != 2 || page.Dropped != 2 || c.deadBudget.bytes.Load() != 2*size {
		t.Errorf("got %d letters, %d dropped, %d bytes; a letter has %d", len(page.Letters), page.Dropped, c.deadBudget.bytes.Load(), size)
	}
	_, _ = c.Submit(&Request{Function: "f", Input: make([]byte, 2*size)})
	page, _ = c.DeadLetters("f", 0, 100)
	// The last one is larger than the whole budget: it pushes the others out
	// and is dropped itself.
	if len(page.Letters) != 0 || page.Dropped != 5 || c.deadBudget.bytes.Load() != 0 {
		t.Errorf("got %d letters, %d dropped, %d bytes", len(page.Letters), page.Dropped, c.deadBudget.bytes.Load())
	}
}

func TestRedriveRunsALetterAgainOnce(t *testing.T) {
	d := &switchable{Dispatcher: failing{}}
	c := deadLetterCore(t, Config{}, d)
	res, err := c.Submit(&Request{Function: "f", Input: []byte(`"again"`)})
	if err != nil {
		t.Fatal(err)
	}
	d.Dispatcher = echo{}
	again, err := c.Redrive("f", res.ID)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := c.Execution(again.ID)
	if !ok || s.Status != Success || string(s.Output) != `"again"` || again.ID == res.ID {
		t.Errorf("redriven execution is %+v", s)
	}
	if _, err := c.Redrive("f", res.ID); err != ErrNotFound {
		t.Errorf("a second redrive gave %v, want %v", err, ErrNotFound)
	}
}

func TestRedriveRefusedKeepsTheLetter(t *testing.T) {
	c := deadLetterCore(t, Config{}, failing{})
	res, _ := c.Submit(&Request{Function: "f", Input: []byte("1")})
	c.Drain()
	if _, err := c.Redrive("f", res.ID); err != ErrDraining {
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
				if _, err := b.Redrive("f", ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")]); err != nil {
					t.Fatal(err)
				}
			case 2: // refused: it keeps its place
				b.draining.Store(true)
				if _, err := b.Redrive("f", ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")]); err != ErrDraining {
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
