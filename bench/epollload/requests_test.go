package epollload

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen are the paths and keys a server was asked with, in order.
type seen struct {
	mu          sync.Mutex
	paths, keys []string
}

func (s *seen) handler(_ http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths, s.keys = append(s.paths, r.URL.Path), append(s.keys, r.Header.Get("Idempotency-Key"))
}

// take returns what has been seen and begins anew. The lock is for the race
// detector too, which does not see that this client got its answers.
func (s *seen) take() (paths, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths, keys, s.paths, s.keys = s.paths, s.keys, nil, nil
	return paths, keys
}

func different(texts []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(texts))))
}

// Both loops send one sequence, that of the seed.
func TestSameSeedSamePaths(t *testing.T) {
	load := func(seed uint64, rate float64) []string {
		var s seen
		o := options(serve(t, s.handler) + "/{n}")
		var err error
		if o.Targets[0], err = o.Targets[0].Spread(100, ""); err != nil {
			t.Fatal(err)
		}
		// With one connection the server sees them in the order they were sent.
		o.Seed, o.Rate, o.Connections = seed, rate, 1
		if r := mustRun(t, o); r.Failed != 0 {
			t.Errorf("failures %v", r.Failures)
		}
		paths, _ := s.take()
		return paths
	}
	first := load(1, 0)
	for _, other := range [][]string{load(1, 0), load(1, 500)} {
		if n := min(len(first), len(other)); n < 20 || !slices.Equal(first[:n], other[:n]) {
			t.Errorf("%d requests in common:\n%q\n%q", n, first[:n], other[:n])
		}
	}
	if n := different(first[:20]); n < 10 {
		t.Errorf("%d different paths in %q", n, first[:20])
	}
	if other := load(2, 0); slices.Equal(first[:20], other[:20]) {
		t.Errorf("two seeds gave %q", first[:20])
	}
}

func TestKeysAreFreshOrOfAPool(t *testing.T) {
	var s seen
	o := options(serve(t, s.handler))
	o.Idempotency = -1
	r := mustRun(t, o)
	if _, keys := s.take(); int64(different(keys)) != r.OK || r.OK < 10 || !strings.HasPrefix(keys[0], keyPrefix) {
		t.Errorf("%d different keys of %d requests, such as %q", different(keys), r.OK, keys[0])
	}
	o.Idempotency, o.Rate, o.Duration = 3, 1000, 200*time.Millisecond
	mustRun(t, o)
	if _, keys := s.take(); len(keys) != 200 || different(keys) != 3 {
		t.Errorf("%d different keys of %d requests, want 3 of 200", different(keys), len(keys))
	}
}
