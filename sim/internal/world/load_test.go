package world

import (
	"testing"

	"pgregory.net/rapid"

	"simplane/sim/scenario"
)

// TestTag: a tag gives back what it was made of, and the zero tag is of no call.
func TestTag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := rapid.Int32Range(0, 1<<31-2).Draw(t, "load")
		key := rapid.IntRange(-1, 10_000_000).Draw(t, "key") // as many as a load may have
		input := rapid.IntRange(0, scenario.MaxInputs-1).Draw(t, "input")
		if tag := newTag(load, key, input); tag.Load() != int(load) || tag.Key() != key || tag.Input() != input {
			t.Fatalf("load %d, key %d, input %d came back as %d, %d, %d", load, key, input, tag.Load(), tag.Key(), tag.Input())
		}
	})
	if none := Tag(0); none.Load() != -1 || none.Key() != -1 || none.Input() != 0 {
		t.Errorf("the zero tag is of load %d, key %d, input %d", none.Load(), none.Key(), none.Input())
	}
}
