//go:build interleave

package concurrent

import (
	"reflect"
	"strings"
	"testing"
)

// lost adds without a lock: a value is read, and written later.
func lost(opts Options) (left int64, s *Scheduler, err error) {
	var n Int64
	s = NewScheduler(opts)
	for range 3 {
		s.Go("adds", func() { n.Store(n.Load() + 1) })
	}
	err = s.Run()
	return n.real.Load(), s, err
}

// TestFindsALostUpdate: some seeds show it, some do not, and each shows the same again,
// by its seed and by its switches.
func TestFindsALostUpdate(t *testing.T) {
	for _, depth := range []int{0, 1, 2, 3} {
		seen := map[int64]int{}
		for seed := range uint64(200) {
			opts := Options{Seed: seed, Depth: depth, Points: 6}
			left, s, err := lost(opts)
			if err != nil {
				t.Fatal(err)
			}
			seen[left]++
			again, other, _ := lost(opts)
			follows, followed, _ := lost(Options{Follow: append([]Switch{}, s.Made()...)})
			if again != left || follows != left || other.History() != s.History() || followed.History() != s.History() {
				t.Fatalf("seed %d: %d at first, %d again, %d by its switches", seed, left, again, follows)
			}
			if !reflect.DeepEqual(s.Made(), other.Made()) {
				t.Fatalf("seed %d: %v, and then %v", seed, s.Made(), other.Made())
			}
		}
		t.Logf("depth %d: %v", depth, seen)
		if depth == 1 && len(seen) != 1 || depth != 1 && seen[3] > 0 && seen[1]+seen[2] == 0 {
			t.Errorf("depth %d: %v", depth, seen)
		}
	}
}

func TestMutexExcludes(t *testing.T) {
	for seed := range uint64(200) {
		var mu Mutex
		inside, n := 0, 0
		s := NewScheduler(Options{Seed: seed, Depth: int(seed % 4)})
		for range 4 {
			s.Go("locks", func() {
				mu.Lock()
				defer mu.Unlock()
				if inside++; inside != 1 {
					t.Errorf("seed %d: %d inside", seed, inside)
				}
				s.Point()
				inside--
				n++
			})
		}
		if err := s.Run(); err != nil || n != 4 {
			t.Fatalf("seed %d: %d of 4, %v", seed, n, err)
		}
	}
}

// TestTellsWhoIsStuck: two locks taken in both orders.
func TestTellsWhoIsStuck(t *testing.T) {
	stuck := 0
	for seed := range uint64(100) {
		var a, b Mutex
		s := NewScheduler(Options{Seed: seed, Depth: 2, Points: 8})
		both := func(first, second *Mutex) func() {
			return func() {
				first.Lock()
				defer first.Unlock()
				second.Lock()
				defer second.Unlock()
			}
		}
		s.Go("ab", both(&a, &b))
		s.Go("ba", both(&b, &a))
		if err := s.Run(); err != nil {
			stuck++
			if !strings.Contains(err.Error(), "task 1 (ba) waits for a lock") {
				t.Fatal(err)
			}
		}
	}
	if stuck == 0 || stuck == 100 {
		t.Errorf("stuck with %d of 100 seeds", stuck)
	}
}

// TestFailures: a panic and a run without an end are errors of the run.
func TestFailures(t *testing.T) {
	s := NewScheduler(Options{})
	s.Go("waits", func() { s.Until("the end of the world", func() bool { return false }) })
	s.Go("panics", func() { panic("broken") })
	if err := s.Run(); err == nil || !strings.Contains(err.Error(), "task 1 (panics) panics: broken") {
		t.Error(err)
	}
	s = NewScheduler(Options{Limit: 100})
	s.Go("spins", func() {
		for {
			s.Point()
		}
	})
	if err := s.Run(); err == nil || !strings.Contains(err.Error(), "no end after 101 points") {
		t.Error(err)
	}
}

// TestOutsideOfARun: the types are those of sync then.
func TestOutsideOfARun(t *testing.T) {
	var mu Mutex
	done := make(chan bool)
	mu.Lock()
	go func() {
		mu.Lock()
		done <- true
	}()
	mu.Unlock()
	<-done
	if mu.TryLock() {
		t.Error("taken twice")
	}
}
