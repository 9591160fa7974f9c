package latency

import (
	"sync"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Sharded is a histogram many goroutines record into. A few shards, each
// under its own lock, keep memory bounded whatever the number of connections.
type Sharded struct {
	shards []shard
}

type shard struct {
	mu sync.Mutex
	h  *hdr.Histogram
	_  [40]byte // its own cache line
}

// NewSharded returns an empty histogram with n shards, at least one.
func NewSharded(n int) *Sharded {
	s := &Sharded{shards: make([]shard, max(1, n))}
	for i := range s.shards {
		s.shards[i].h = NewHistogram()
	}
	return s
}

// Record adds ns nanoseconds on behalf of the given worker.
func (s *Sharded) Record(worker int, ns int64) {
	sh := &s.shards[worker%len(s.shards)]
	sh.mu.Lock()
	Record(sh.h, ns)
	sh.mu.Unlock()
}

// Merged returns a copy of everything recorded so far.
func (s *Sharded) Merged() *hdr.Histogram { return s.collect(NewHistogram(), false) }

// Drain moves everything recorded so far into into and returns it.
func (s *Sharded) Drain(into *hdr.Histogram) *hdr.Histogram { return s.collect(into, true) }

func (s *Sharded) collect(into *hdr.Histogram, reset bool) *hdr.Histogram {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		if sh.h.TotalCount() > 0 {
			into.Merge(sh.h)
			if reset {
				sh.h.Reset()
			}
		}
		sh.mu.Unlock()
	}
	return into
}
