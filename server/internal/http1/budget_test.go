package http1

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// member is a share with a count of its interrupts.
func member(b *Budget) (*share, *int) {
	n := new(int)
	return &share{of: b, interrupt: func() { *n++ }}, n
}

func takes(t *testing.T, s *share, n int64) {
	t.Helper()
	if err := s.take(n, time.Now().Add(time.Minute)); err != nil {
		t.Fatalf("taking %d: %v", n, err)
	}
}

// waiting returns the result of a take that must wait.
func waiting(t *testing.T, s *share, n int64) <-chan error {
	t.Helper()
	before := queued(s.of)
	got := make(chan error, 1)
	go func() { got <- s.take(n, time.Now().Add(time.Minute)) }()
	for queued(s.of) == before {
		select {
		case err := <-got:
			t.Fatalf("taking %d did not wait: %v", n, err)
		case <-time.After(time.Millisecond):
		}
	}
	return got
}

func queued(b *Budget) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queue.Len()
}

// clock makes a budget's time stand still but for what the test adds.
func clock(b *Budget) (add func(time.Duration)) {
	var mu sync.Mutex
	now := time.Now()
	b.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	return func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
}

func TestBudgetServesWhoWaitsInOrder(t *testing.T) {
	b := NewBudget(100)
	clock(b)
	holder, _ := member(b)
	large, _ := member(b)
	small, _ := member(b)
	takes(t, holder, 90)
	first := waiting(t, large, 50)
	second := waiting(t, small, 5) // it would fit, but others were there before
	if err := b.refuse(); err != ErrBusy {
		t.Errorf("a body that is not sent yet, while others wait: %v", err)
	}
	if holder.release() {
		t.Error("the holder had to give way")
	}
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	large.release()
	small.release()
	if err := b.refuse(); err != nil {
		t.Error(err)
	}
	if n := b.Refused(); n != 1 {
		t.Errorf("%d were refused", n)
	}
	if b.Held() != 0 {
		t.Errorf("%d bytes are held by nobody", b.Held())
	}
}

// Who holds most for longest gives way, not who came first and not who waits.
func TestBudgetTakesFromWhoHoldsMuchForLong(t *testing.T) {
	b := NewBudget(100)
	add := clock(b)
	early, earlyInterrupts := member(b)
	takes(t, early, 10)
	add(time.Second)
	stalled, stalledInterrupts := member(b)
	takes(t, stalled, 80)
	add(b.turn)
	young, youngInterrupts := member(b)
	takes(t, young, 10)
	asker, _ := member(b)
	got := waiting(t, asker, 40)
	if *earlyInterrupts+*youngInterrupts != 0 || *stalledInterrupts != 1 {
		t.Fatalf("interrupts: %d, %d, %d", *earlyInterrupts, *stalledInterrupts, *youngInterrupts)
	}
	if err := stalled.take(1, time.Now()); err != ErrBusy {
		t.Errorf("who gives way got more: %v", err)
	}
	if !stalled.release() {
		t.Error("release does not say that the share had to give way")
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// A share is safe for its turn; after it the queue moves although nobody
// releases anything by itself.
func TestBudgetWaitsForATurn(t *testing.T) {
	b := NewBudget(100)
	b.turn = 20 * time.Millisecond
	add := clock(b)
	holder := &share{of: b}
	holder.interrupt = func() { go holder.release() }
	takes(t, holder, 100)
	asker, _ := member(b)
	got := waiting(t, asker, 100)
	add(b.turn)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// Bodies that wait for each other's room do not wait for ever: the largest of
// them is refused.
func TestBudgetOfWaitersOnly(t *testing.T) {
	b := NewBudget(100)
	b.turn = time.Millisecond
	var all sync.WaitGroup
	refused := make(chan error, 10)
	var shares []*share
	for range 10 {
		s, _ := member(b)
		takes(t, s, 10)
		shares = append(shares, s)
	}
	for _, s := range shares {
		all.Go(func() {
			err := s.take(20, time.Now().Add(time.Minute))
			s.release()
			refused <- err
		})
	}
	all.Wait()
	close(refused)
	done, busy := 0, 0
	for err := range refused {
		switch err {
		case nil:
			done++
		case ErrBusy:
			busy++
		default:
			t.Error(err)
		}
	}
	if done == 0 || busy == 0 {
		t.Errorf("%d done, %d refused", done, busy)
	}
}

func TestBudgetAloneFitsAlways(t *testing.T) {
	b := NewBudget(100)
	s, _ := member(b)
	takes(t, s, 64)
	takes(t, s, 64)
}

func TestBudgetIsNotWaitedForBeyondTheDeadline(t *testing.T) {
	b := NewBudget(100)
	clock(b)
	b.turn = time.Millisecond
	holder, _ := member(b)
	takes(t, holder, 100)
	asker, _ := member(b)
	if err := asker.take(1, b.now().Add(-time.Millisecond)); err != ErrBusy {
		t.Error(err)
	}
	if n := queued(b); n != 0 {
		t.Errorf("%d wait", n)
	}
}

// Whatever many do at once: no more is held than there is, and nothing stays.
func TestBudgetHoldsUnderLoad(t *testing.T) {
	const most = 1000
	b := NewBudget(most)
	b.turn = 100 * time.Microsecond
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range 100 {
				s := &share{of: b, interrupt: func() {}}
				for range 1 + rng.IntN(4) {
					if s.take(1+rng.Int64N(300), time.Now().Add(time.Minute)) != nil {
						break
					}
					if held := b.Held(); held > most && held > 4*300 {
						t.Errorf("%d bytes are held of %d", held, most)
					}
				}
				s.release()
			}
		})
	}
	all.Wait()
	if b.Held() != 0 || b.leaving != 0 || queued(b) != 0 || len(b.holders) != 0 {
		t.Errorf("at the end %d are held, %d leaving, %d wait, %d holders", b.Held(), b.leaving, queued(b), len(b.holders))
	}
}
