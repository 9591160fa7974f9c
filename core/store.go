package core

import (
	"sync"
	"sync/atomic"
	"time"
)

// executionStore holds every accepted execution until its TTL, in shards
// picked by id. Shard locks are held for one map operation or one short batch
// of expiry, never for a scan. A function's lock may be held when a shard's is
// taken, never the other way round.
type executionStore struct {
	shards   []storeShard
	mask     uint64
	maxCount int64
	maxBytes int64
	count    atomic.Int64
	bytes    atomic.Int64
	ttl      retention
}

// retention is how long executions are kept.
type retention struct {
	ttl, cleanup, stale int64 // ns
}

type storeShard struct {
	mu      sync.RWMutex
	records map[ID]*execution
	queue   *expiryQueue[execution, *execution]
	_       [64]byte // keep neighbours' locks off one cache line
}

func newExecutionStore(cfg Config) *executionStore {
	s := &executionStore{
		shards:   make([]storeShard, cfg.Shards),
		mask:     uint64(cfg.Shards - 1),
		maxCount: int64(cfg.MaxExecutions),
		maxBytes: cfg.MaxPayloadBytes,
		ttl:      retention{ttl: int64(cfg.TTL), cleanup: int64(cfg.CleanupTTL), stale: int64(cfg.StaleTTL)},
	}
	for i := range s.shards {
		s.shards[i].records = make(map[ID]*execution)
		s.shards[i].queue = newExpiryQueue[execution](int64(cfg.SweepInterval))
	}
	return s
}

func (s *executionStore) shard(id ID) *storeShard {
	// Bytes 8..15 of a version-4 UUID are random but for two bits of byte 8.
	h := uint64(id[15]) | uint64(id[14])<<8
	return &s.shards[h&s.mask]
}

// reserve claims room for one execution of n payload bytes; false when the
// store is at its bound.
func (s *executionStore) reserve(n int64) bool {
	if s.count.Add(1) > s.maxCount {
		s.count.Add(-1)
		return false
	}
	if s.bytes.Add(n) > s.maxBytes {
		s.bytes.Add(-n)
		s.count.Add(-1)
		return false
	}
	return true
}

// release gives back what reserve has claimed.
func (s *executionStore) release(n int64) {
	s.count.Add(-1)
	s.bytes.Add(-n)
}

// put adds a reserved execution and starts its stale clock.
func (s *executionStore) put(ex *execution) {
	sh := s.shard(ex.id)
	sh.mu.Lock()
	sh.records[ex.id] = ex
	sh.queue.set(ex, ex.created+s.ttl.stale)
	sh.mu.Unlock()
}

// get finds an execution by id; nil when there is none.
func (s *executionStore) get(id ID) *execution {
	sh := s.shard(id)
	sh.mu.RLock()
	ex := sh.records[id]
	sh.mu.RUnlock()
	return ex
}

// expireAt moves ex to its next expiry step.
func (s *executionStore) expireAt(ex *execution, due int64) {
	sh := s.shard(ex.id)
	sh.mu.Lock()
	if !ex.evicted {
		sh.queue.set(ex, due)
	}
	sh.mu.Unlock()
}

// remove takes ex out for good and reports whether it was there.
func (s *executionStore) remove(ex *execution) bool {
	sh := s.shard(ex.id)
	sh.mu.Lock()
	was := !ex.evicted
	if was {
		ex.evicted = true
		sh.queue.drop(ex)
		delete(sh.records, ex.id)
	}
	sh.mu.Unlock()
	if was {
		s.count.Add(-1)
	}
	return was
}

// popDue takes up to limit executions whose next expiry step is due out of
// shard i's calendar (they stay in the store).
func (s *executionStore) popDue(i int, now int64, limit int, out []*execution) []*execution {
	sh := &s.shards[i]
	sh.mu.Lock()
	out = sh.queue.popDue(now, limit, out)
	sh.mu.Unlock()
	return out
}

// firstStep is the due time of the first expiry step after finishing.
func (r retention) firstStep(finished int64) int64 {
	return finished + min(r.cleanup, r.ttl)
}

// evictable says that a terminal record's age is past its TTL. An age exactly
// equal to a limit is still kept; so too for the payload.
func (r retention) evictable(finished, now int64) bool { return now-finished > r.ttl }

func (r retention) cleanable(finished, now int64) bool { return now-finished > r.cleanup }

func (r retention) isStale(created, now int64) bool { return now-created > r.stale }

// defaultSweep is one hundredth of the shortest retention, within 10 ms and 1 s.
func defaultSweep(ttls ...time.Duration) time.Duration {
	shortest := ttls[0]
	for _, d := range ttls {
		shortest = min(shortest, d)
	}
	return min(max(shortest/100, 10*time.Millisecond), time.Second)
}
