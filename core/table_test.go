package core

import (
	"testing"

	"pgregory.net/rapid"
)

// TestRecordTable adds, finds and removes at random, against a plain map.
func TestRecordTable(t *testing.T) {
	alone(t)
	rapid.Check(t, func(t *rapid.T) {
		var table recordTable
		model := map[uint64]*execution{}
		var held []uint64
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			for range rapid.IntRange(0, 1500).Draw(t, "adds") {
				ex := &execution{}
				place := table.add(ex, 0)
				if model[place] != nil {
					t.Fatalf("place %d was given twice", place)
				}
				model[place] = ex
				held = append(held, place)
			}
			newestFirst := rapid.Bool().Draw(t, "newest first")
			for range rapid.IntRange(0, len(held)).Draw(t, "removals") {
				i := 0
				if newestFirst {
					i = len(held) - 1
				}
				table.remove(held[i])
				if table.get(held[i]) != nil {
					t.Fatalf("place %d is still there", held[i])
				}
				delete(model, held[i])
				held = append(held[:i], held[i+1:]...)
			}
			for _, place := range held {
				if table.get(place) != model[place] {
					t.Fatalf("place %d holds another execution", place)
				}
			}
			if table.get(table.next) != nil {
				t.Fatal("a place not yet given is held")
			}
		}
		for _, place := range held {
			table.remove(place)
		}
		if live := len(table.segments); live > 1 {
			t.Fatalf("%d segments are kept for nothing", live)
		}
	})
}

// TestIDPlace reads places back, around the wrap at 40 bits too.
func TestIDPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var id ID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		next := rapid.OneOf(rapid.Uint64Range(1, 1<<20), rapid.Uint64Range(1<<40-1000, 1<<40+1000), rapid.Uint64Range(1<<41, 1<<60)).Draw(t, "next")
		back := rapid.Uint64Range(1, min(next, 1<<40)).Draw(t, "back")
		placed := id.withPlace(next - back)
		if got := placed.place(next); got != next-back {
			t.Fatalf("place %d read as %d", next-back, got)
		}
		if placed[6] != id[6] || placed[8] != id[8] || placed[14] != id[14] || placed[15] != id[15] {
			t.Fatal("version, variant or shard bytes were changed")
		}
	})
}

// A walk backwards meets every candidate once, begins at no less than those it
// is to begin at, and never has a later one before it than it says. Creations
// are nearly in order, and now and then far from it.
func TestRecordTableWalksBackwards(t *testing.T) {
	alone(t)
	rapid.Check(t, func(t *rapid.T) {
		var table recordTable
		now := int64(1000)
		var held []uint64
		failed := map[uint64]bool{}
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			now += rapid.SampledFrom([]int64{0, 1, 5000, -3000}).Draw(t, "jump")
			spread := rapid.SampledFrom([]int64{1, 1, 50, 4000}).Draw(t, "spread")
			noise := rapid.Uint64().Draw(t, "noise")
			failedOf := rapid.SampledFrom([]int{2, 64, 500}).Draw(t, "failed of")
			for range rapid.SampledFrom([]int{1, 60, 1500}).Draw(t, "adds") {
				noise = noise*6364136223846793005 + 1442695040888963407
				now += int64(noise >> 62)
				place := table.add(&execution{created: now - int64(noise>>33)%spread}, uint8(noise>>40)%3)
				held = append(held, place)
				if int(noise>>50)%failedOf == 0 {
					table.markFailed(place)
					failed[place] = true
				}
			}
			drop := rapid.SampledFrom([]uint64{0, 2, 100}).Draw(t, "drop one of")
			kept := held[:0]
			for _, place := range held {
				if drop > 0 && (place+noise)%drop == 0 {
					table.remove(place)
					continue
				}
				kept = append(kept, place)
			}
			held = kept
		}
		want := candidates{failed: rapid.Bool().Draw(t, "failed"), tagged: rapid.Bool().Draw(t, "tagged"), tag: 1}
		from := now + rapid.SampledFrom([]int64{1 << 40, 0, -100, -2000, -10_000}).Draw(t, "from")
		atOnce := rapid.IntRange(1, 300).Draw(t, "at once")

		left := map[*execution]uint64{} // candidates not met yet, with their places
		for _, place := range held {
			tag := table.segment(place).tags[place%segmentSize]
			if (!want.failed || failed[place]) && (!want.tagged || tag == want.tag) {
				left[table.get(place)] = place
			}
		}
		w := table.backFrom(from)
		for ex, place := range left {
			if place >= w.at && ex.created <= from {
				t.Fatalf("%d, created at %d, is left out of a walk from %d", place, ex.created, from)
			} else if place >= w.at {
				delete(left, ex)
			}
		}
		for !w.ended {
			for _, ex := range table.back(&w, want, atOnce, nil) {
				if _, ok := left[ex]; !ok {
					t.Fatalf("one created at %d comes twice, or is no candidate", ex.created)
				}
				delete(left, ex)
			}
			for ex, place := range left {
				if !w.ended && ex.created > w.bound {
					t.Fatalf("%d is left, created at %d, after %d", place, ex.created, w.bound)
				}
			}
		}
		if len(left) > 0 {
			t.Fatalf("%d were not met", len(left))
		}
	})
}
