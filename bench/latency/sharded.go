package latency

import "sync"

// Sharded is a histogram many goroutines record into. A few shards, each
// under its own lock, keep memory bounded whatever the number of connections.
type Sharded struct {
	shards []shard
}

type shard struct {
	mu sync.Mutex
	h  Histogram
	_  [64]byte // no cache line is shared with the next
}

// NewSharded returns an empty histogram with n shards, at least one.
func NewSharded(n int) *Sharded {
	s := &Sharded{shards: make([]shard, max(1, n))}
	for i := range s.shards {
		s.shards[i].h = *NewHistogram()
	}
	return s
}

// Record adds ns nanoseconds on behalf of the given worker.
func (s *Sharded) Record(worker int, ns int64) {
	sh := &s.shards[worker%len(s.shards)]
	sh.mu.Lock()
	sh.h.Record(ns)
	sh.mu.Unlock()
}

// Merged returns a copy of everything recorded so far.
func (s *Sharded) Merged() *Histogram { return s.collect(NewHistogram(), false) }

// Drain moves everything recorded so far into into and returns it.
func (s *Sharded) Drain(into *Histogram) *Histogram { return s.collect(into, true) }

func (s *Sharded) collect(into *Histogram, reset bool) *Histogram {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		into.Merge(&sh.h)
		if reset {
			sh.h.Reset()
		}
		sh.mu.Unlock()
	}
	return into
}
