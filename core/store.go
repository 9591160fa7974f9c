package core

import "time"

// executionStore holds every accepted execution until its TTL, in shards
// picked by id. Shard locks are held for one table operation or one short batch
// of expiry, never for a scan. A function's lock may be held when a shard's is
// taken, never the other way round.
type executionStore struct {
	shards   []storeShard
	mask     uint64
	maxCount int64
	maxBytes int64
	used     usage
	ttl      retention
	// detached says that nothing is stored: a Replay knows its executions itself.
	detached bool
}

// retention is how long executions are kept.
type retention struct {
	ttl, cleanup, stale int64 // ns
}

type storeShard struct {
	mu      mutex // read and write: held for a few loads, and cheaper than a RWMutex
	records recordTable
	// restored has the places of the executions of an earlier process: their ids
	// say where they were then. nil without any.
	restored map[ID]uint64
	looks    *calendar[execution]
	_        [64]byte // keep neighbours' locks off one cache line
}

func newExecutionStore(cfg Config) *executionStore {
	s := &executionStore{
		shards:   make([]storeShard, cfg.Shards),
		mask:     uint64(cfg.Shards - 1),
		maxCount: int64(cfg.MaxExecutions),
		maxBytes: cfg.MaxPayloadBytes,
		used:     usage{budget: cfg.Budget},
		ttl:      retention{ttl: int64(cfg.TTL), cleanup: int64(cfg.CleanupTTL), stale: int64(cfg.StaleTTL)},
	}
	for i := range s.shards {
		s.shards[i].looks = newCalendar[execution](int64(cfg.SweepInterval))
	}
	return s
}

func (s *executionStore) shard(id ID) *storeShard { return &s.shards[s.shardIndex(id)] }

func (s *executionStore) shardIndex(id ID) int {
	return int((uint64(id[15]) | uint64(id[14])<<8) & s.mask)
}

// room is the answer to reserve.
type room uint8

const (
	reserved room = iota
	noCount       // as many executions are stored as may be
	noBytes       // there is no room for the payload
)

// reserve claims room for one execution of n payload bytes. What is kept beside
// it counts against the bound, too.
func (s *executionStore) reserve(n, beside int64) room {
	if s.used.addCount(1) > s.maxCount {
		s.used.addCount(-1)
		return noCount
	}
	if s.used.addBytes(n)+beside > s.maxBytes {
		s.used.addBytes(-n)
		s.used.addCount(-1)
		return noBytes
	}
	return reserved
}

// release gives back what reserve has claimed.
func (s *executionStore) release(n int64) {
	s.used.addCount(-1)
	s.used.addBytes(-n)
}

// put adds a reserved execution and completes its id; the first look at it is at ex.lookAt.
func (s *executionStore) put(ex *execution) {
	if s.detached {
		return
	}
	sh := s.shard(ex.id)
	sh.mu.Lock()
	ex.id = ex.id.withPlace(sh.records.add(ex, ex.fn.tag))
	sh.looks.add(ex, ex.lookAt)
	sh.mu.Unlock()
}

// expect makes room for n executions of an earlier process; their ids spread them
// over the shards about evenly.
func (s *executionStore) expect(n int) {
	if n == 0 {
		return
	}
	for i := range s.shards {
		s.shards[i].restored = make(map[ID]uint64, n/len(s.shards)*9/8)
	}
}

// putBack adds an execution of an earlier process, which keeps its id. What is
// stored already is never refused.
func (s *executionStore) putBack(ex *execution) {
	s.used.addCount(1)
	s.used.addBytes(ex.payloadBytes())
	ex.restored = true
	sh := s.shard(ex.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	place := sh.records.add(ex, ex.fn.tag)
	sh.restored[ex.id] = place
	if ex.status.Terminal() && ex.status != Success {
		sh.records.markFailed(place)
	}
	sh.looks.add(ex, ex.lookAt)
}

// place is where ex, which is held, is in the table; the caller holds mu.
func (sh *storeShard) place(ex *execution) uint64 {
	if ex.restored {
		return sh.restored[ex.id]
	}
	return ex.id.place(sh.records.next)
}

// get finds an execution by id; nil when there is none.
func (s *executionStore) get(id ID) *execution {
	sh := s.shard(id)
	sh.mu.Lock()
	ex := sh.records.get(id.place(sh.records.next))
	if sh.restored != nil && (ex == nil || ex.id != id) {
		if place, ok := sh.restored[id]; ok {
			ex = sh.records.get(place)
		}
	}
	sh.mu.Unlock()
	if ex == nil || ex.id != id {
		return nil
	}
	return ex
}

// markFailed has searches for failures find ex, which is in the store. The
// caller holds the function's lock.
func (s *executionStore) markFailed(ex *execution) {
	if s.detached {
		return
	}
	sh := s.shard(ex.id)
	sh.mu.Lock()
	sh.records.markFailed(sh.place(ex))
	sh.mu.Unlock()
}

// lookAt has a sweep look at ex once the clock reads later than due. The
// caller holds the function's lock.
func (s *executionStore) lookAt(ex *execution, due int64) {
	ex.lookAt = due
	if s.detached {
		return
	}
	sh := s.shard(ex.id)
	sh.mu.Lock()
	sh.looks.add(ex, due)
	sh.mu.Unlock()
}

// lookInTime has a sweep look at ex no later than due, after a transition. The
// look that is set already is later only when the wall clock was set back
// meanwhile. The caller holds the function's lock.
func (s *executionStore) lookInTime(ex *execution, due int64) {
	if due < ex.lookAt {
		s.lookAt(ex, due)
	}
}

// moved is lookInTime after a transition that was not an end.
func (s *executionStore) moved(ex *execution, now Instant) {
	s.lookInTime(ex, s.ttl.nextLook(ex.lastMoved(), now.Wall))
}

// remove takes ex out for good.
func (s *executionStore) remove(ex *execution) {
	s.settle([]*execution{ex}, nil)
}

// settle removes executions and has a sweep look at others; all are of one
// shard. Each look's ex.lookAt is set already.
func (s *executionStore) settle(remove []*execution, looks []appointment[execution]) {
	var sh *storeShard
	switch {
	case len(remove) > 0:
		sh = s.shard(remove[0].id)
	case len(looks) > 0:
		sh = s.shard(looks[0].item.id)
	default:
		return
	}
	sh.mu.Lock()
	for _, ex := range remove {
		sh.records.remove(sh.place(ex))
		if ex.restored {
			delete(sh.restored, ex.id)
		}
	}
	for _, a := range looks {
		sh.looks.add(a.item, a.due)
	}
	sh.mu.Unlock()
	s.used.addCount(-int64(len(remove)))
}

// popDue takes the executions that are due for a look out of shard i's
// calendar, one bucket a call; more says that there may be others.
func (s *executionStore) popDue(i int, now int64, out []appointment[execution]) (_ []appointment[execution], more bool) {
	sh := &s.shards[i]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.looks.pop(now, out)
}

// nextLook is when an execution that has not ended at wall time at needs a
// look. It is no later than its first expiry step, should it end right then,
// so that ending one need not touch the store.
func (r retention) nextLook(created, at int64) int64 {
	return min(at+min(r.cleanup, r.ttl), created+r.stale)
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
