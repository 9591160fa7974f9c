package core

import (
	"testing"

	"pgregory.net/rapid"
)

// TestKnownTable compares the table with a map while executions come and go. Few ids
// are drawn from, so that they are found, meet in one place, and leave from its midst.
func TestKnownTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table knownTable
		model := map[ID]*execution{}
		ids := make([]ID, rapid.IntRange(1, 60).Draw(t, "ids"))
		for i := range ids {
			ids[i] = ID{byte(i), 15: byte(i * 7)}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			switch has := model[id] != nil; {
			case rapid.Bool().Draw(t, "remove"):
				table.remove(id)
				delete(model, id)
			case !has:
				model[id] = &execution{id: id}
				table.add(model[id])
			}
			for _, id := range ids {
				if got := table.find(id); got != model[id] {
					t.Fatalf("found %p of %v, want %p", got, id, model[id])
				}
			}
			if table.count != len(model) {
				t.Fatalf("%d are counted of %d", table.count, len(model))
			}
		}
	})
}
