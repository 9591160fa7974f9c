package loop

import (
	"math"
	"slices"
	"strings"
	"testing"

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
