package world

import (
	"testing"

	"pgregory.net/rapid"
)

// TestTag: a tag gives back what it was made of, and the zero tag is of no call.
func TestTag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := rapid.Int32Range(0, 1<<31-2).Draw(t, "load")
		key := rapid.IntRange(-1, 1<<31-2).Draw(t, "key")
		if tag := newTag(load, key); tag.Load() != int(load) || tag.Key() != key {
			t.Fatalf("load %d, key %d came back as %d, %d", load, key, tag.Load(), tag.Key())
		}
	})
	if none := Tag(0); none.Load() != -1 || none.Key() != -1 {
		t.Errorf("the zero tag is of load %d, key %d", none.Load(), none.Key())
	}
}
