//go:build !interleave

package core

import (
	"sync"
	"testing"
)

// together has n callers call at once. With the build tag interleave a seed decides who
// goes on.
func together(_ *testing.T, _ uint64, n int, call func(caller int)) {
	var wg sync.WaitGroup
	for caller := range n {
		wg.Go(func() { call(caller) })
	}
	wg.Wait()
}
