package core

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A replay begins with deadlines in order of time, and a deletion looks at them in the order of
// the heap: they are put where they were, equal ones in the order in which they were set.
func TestDeadlinesAreArrangedAsTheyWere(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	other := 0
	for range 200 {
		var was deadlines
		all := make([]*execution, 40)
		for i := range all {
			all[i] = &execution{heapIndex: -1}
		}
		for range 100 {
			ex := all[random.IntN(len(all))]
			if random.IntN(3) == 0 {
				was.drop(ex)
			} else {
				was.set(ex, 1+random.Int64N(20))
			}
		}
		sorted := slices.Clone(was.items)
		slices.SortFunc(sorted, func(a, b deadlineItem) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		var is deadlines
		var places []int
		for _, it := range sorted {
			places = append(places, int(it.ex.heapIndex))
		}
		for i, it := range sorted {
			if places[i] != i {
				other++
			}
			it.ex.heapIndex = -1
			is.set(it.ex, it.at)
		}
		if !is.arrange(places) {
			t.Fatal("a heap is refused")
		}
		for i, it := range is.items {
			if it.ex != was.items[i].ex || it.at != was.items[i].at || int(it.ex.heapIndex) != i {
				t.Fatalf("place %d has another deadline", i)
			}
		}
		for len(is.items) > 0 {
			_, ex, _ := is.next()
			if ex != sorted[0].ex {
				t.Fatal("the deadlines come in another order")
			}
			is.drop(ex)
			sorted = sorted[1:]
		}
	}
	if other == 0 {
		t.Error("every heap was in order: nothing was tried")
	}
}

func TestDeadlinesAreNotArrangedWrongly(t *testing.T) {
	for name, places := range map[string][]int{
		"no heap": {2, 1, 0}, "a place twice": {0, 1, 1}, "a place too far": {0, 1, 3}, "a place before the first": {0, 1, -1}, "too few": {0, 1},
	} {
		var d deadlines
		for at := range int64(3) {
			d.set(&execution{heapIndex: -1}, 1+at)
		}
		if d.arrange(places) {
			t.Errorf("%s: taken for a heap", name)
		}
	}
}
