package core

import (
	"testing"

	"pgregory.net/rapid"
)

// TestRecordTable adds, finds and removes at random, against a plain map.
func TestRecordTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table recordTable
		model := map[uint64]*execution{}
		var held []uint64
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			for range rapid.IntRange(0, 1500).Draw(t, "adds") {
				ex := &execution{}
				place := table.add(ex)
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
