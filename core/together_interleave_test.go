//go:build interleave

package core

import (
	"fmt"
	"testing"

	"simplane/core/concurrent"
)

// together has n callers call at once, as the seed decides.
func together(t *testing.T, seed uint64, n int, call func(caller int)) {
	t.Helper()
	s := concurrent.NewScheduler(concurrent.Options{Seed: seed, Depth: int(seed % 4), Points: 300})
	for caller := range n {
		s.Go(fmt.Sprint("caller ", caller), func() { call(caller) })
	}
	if err := s.Run(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
}
