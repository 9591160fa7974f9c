package core

import (
	"fmt"
	"testing"
	"time"
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
	letters, dropped, err := c.DeadLetters("f")
	if err != nil || len(letters) != 3 || dropped != 2 {
		t.Fatalf("got %d letters, %d dropped, %v; want 3, 2", len(letters), dropped, err)
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
	letters, dropped, _ := c.DeadLetters("f")
	if len(letters) != 2 || dropped != 2 || c.deadBudget.bytes.Load() != 2*size {
		t.Errorf("got %d letters, %d dropped, %d bytes; a letter has %d", len(letters), dropped, c.deadBudget.bytes.Load(), size)
	}
	_, _ = c.Submit(&Request{Function: "f", Input: make([]byte, 2*size)})
	letters, dropped, _ = c.DeadLetters("f")
	// The last one is larger than the whole budget: it pushes the others out
	// and is dropped itself.
	if len(letters) != 0 || dropped != 5 || c.deadBudget.bytes.Load() != 0 {
		t.Errorf("got %d letters, %d dropped, %d bytes", len(letters), dropped, c.deadBudget.bytes.Load())
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
	if letters, _, _ := c.DeadLetters("f"); len(letters) != 1 || letters[0].ID != res.ID {
		t.Errorf("the letter is gone: %v", letters)
	}
}

type switchable struct{ Dispatcher }

func TestRecentListsNewestFirst(t *testing.T) {
	c := deadLetterCore(t, Config{}, echo{})
	var last ID
	for range 300 {
		res, err := c.Submit(&Request{Function: "f", Input: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		last = res.ID
	}
	got, truncated, err := c.Recent("f", 1000, func(*Snapshot) bool { return true })
	if err != nil || len(got) != recentPerFunction || !truncated || got[0].ID != last {
		t.Errorf("got %d, truncated %v, %v", len(got), truncated, err)
	}
	got, truncated, _ = c.Recent("", 2, func(s *Snapshot) bool { return s.Status == Success })
	if len(got) != 2 || !truncated || got[0].ID != last {
		t.Errorf("got %d, truncated %v", len(got), truncated)
	}
}
