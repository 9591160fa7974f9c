package loop

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestHeapOrder pops random events in order of (time, tie-break).
func TestHeapOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h eventHeap
		var model []event
		for i, at := range rapid.SliceOf(rapid.Int64Range(0, 20)).Draw(t, "times") {
			e := event{at: at, order: rapid.Uint64().Draw(t, "order"), index: int32(i)}
			h.push(e)
			model = append(model, e)
			if len(model) > 0 && rapid.IntRange(0, 3).Draw(t, "pop") == 0 {
				model = popModel(t, &h, model)
			}
		}
		for len(model) > 0 {
			model = popModel(t, &h, model)
		}
	})
}

func popModel(t *rapid.T, h *eventHeap, model []event) []event {
	least := 0
	for i := range model {
		if model[i].before(&model[least]) {
			least = i
		}
	}
	if got := h.pop(); got.at != model[least].at || got.order != model[least].order {
		t.Fatalf("popped %+v, want %+v", got, model[least])
	}
	return slices.Delete(model, least, least+1)
}

// TestTimers: a stopped timer does not fire, a reset one only at its new time.
func TestTimers(t *testing.T) {
	l := New(1, nil)
	var fired []string
	note := func(s string) func() { return func() { fired = append(fired, s) } }
	a := l.AfterFunc(10, note("a"))
	b := l.AfterFunc(20, note("b"))
	later := l.AfterFunc(30, note("c"))
	l.AfterFunc(-5, note("now"))
	if !a.Stop() || a.Stop() {
		t.Error("Stop must report once that there was a pending call")
	}
	if !later.Reset(5) {
		t.Error("Reset of a pending timer must say so")
	}
	for l.Step(math.MaxInt64) {
	}
	if got := strings.Join(fired, " "); got != "now c b" || l.Timers() != 0 {
		t.Errorf("fired %q, %d live", got, l.Timers())
	}
	if b.Reset(1) {
		t.Error("Reset of a timer that has fired must say so")
	}
}

// handled is what a loop with two sources and a timer for each of the times
// does, in order. extra events of the second source come on top.
func handled(seed uint64, times []int64, extra int) (first, all []int32) {
	l := New(seed, nil)
	note := func(to *[]int32) func(int32) {
		return func(i int32) {
			*to = append(*to, i)
			if to != &all {
				all = append(all, i)
			}
		}
	}
	a, b := l.Source(1, note(&first)), l.Source(2, note(&all))
	for range extra {
		b.At(times[0], -1)
	}
	for i, at := range times {
		a.At(at, int32(i))
		b.At(at, int32(1000+i))
		l.AfterFunc(time.Duration(at), func() { all = append(all, int32(2000+i)) })
	}
	for l.Step(math.MaxInt64) {
	}
	return first, all
}

// TestOrderOfTies: time decides first; of equal times the seed decides, always
// in the same way, and events of one source move none of another.
func TestOrderOfTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		times := rapid.SliceOfN(rapid.Int64Range(0, 5), 1, 40).Draw(t, "times")
		first, all := handled(seed, times, 0)
		if len(all) != 3*len(times) || len(first) != len(times) {
			t.Fatalf("%d events of %d were handled", len(all), 3*len(times))
		}
		for i := 1; i < len(all); i++ {
			if times[all[i]%1000] < times[all[i-1]%1000] {
				t.Fatalf("at %d after %d", times[all[i]%1000], times[all[i-1]%1000])
			}
		}
		if _, again := handled(seed, times, 0); !slices.Equal(all, again) {
			t.Fatal("one seed, two orders")
		}
		if more, _ := handled(seed, times, rapid.IntRange(1, 5).Draw(t, "extra")); !slices.Equal(first, more) {
			t.Fatal("events of one source have moved those of another")
		}
	})
}

// TestEveryOrderOfTies: some seed tries each order of events of one time, from
// one source and from several.
func TestEveryOrderOfTies(t *testing.T) {
	seen := map[[3]int32]bool{}
	one := map[[3]int32]bool{}
	for seed := range uint64(200) {
		_, all := handled(seed, []int64{7}, 0)
		seen[[3]int32(all)] = true
		first, _ := handled(seed, []int64{7, 7, 7}, 0)
		one[[3]int32(first)] = true
	}
	if len(seen) != 6 || len(one) != 6 {
		t.Errorf("%d orders over sources and %d within one, of 6", len(seen), len(one))
	}
}

// TestLeave is asked once before time moves, with everything of the old time
// done, and can end the run.
func TestLeave(t *testing.T) {
	var log []string
	var l *Loop
	l = New(1, func(to int64) bool {
		log = append(log, fmt.Sprintf("%d to %d", l.Now(), to))
		return to < 30
	})
	s := l.Source(1, func(i int32) { log = append(log, fmt.Sprintf("event at %d", l.Now())) })
	for _, at := range []int64{0, 10, 10, 30} {
		s.At(at, 0)
	}
	for l.Step(math.MaxInt64) {
	}
	want := []string{"event at 0", "0 to 10", "event at 10", "event at 10", "10 to 30"}
	if !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
	if all, now := l.Handled(); all != 3 || now != 0 {
		t.Errorf("%d events handled, %d now", all, now)
	}
}

// TestStepStopsAtItsLimit, and a stopped timer moves no time.
func TestStepStopsAtItsLimit(t *testing.T) {
	l := New(1, nil)
	ran := 0
	l.AfterFunc(5, func() { ran++ }).Stop()
	l.AfterFunc(20, func() { ran++ })
	if l.Step(19) || ran != 0 || l.Now() != 0 {
		t.Errorf("an event after the limit: %d ran, now %d", ran, l.Now())
	}
	if !l.Step(20) || ran != 1 || l.Now() != 20 {
		t.Errorf("no event at the limit: %d ran, now %d", ran, l.Now())
	}
}
