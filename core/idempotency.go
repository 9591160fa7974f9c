package core

import (
	"errors"
	"strings"
)

// IdempotencyStore maps (function, key) to the execution that the key's first
// request started. It is sharded, bounded, and evicts expired keys in sweeps.
//
// A claim is the exclusive right to start the execution of a key. Its holder
// either publishes the execution or abandons the claim; callers that find a
// pending claim are called back then and need not poll.
type IdempotencyStore struct {
	shards   []idempotencyShard
	mask     uint64
	ttl      int64
	maxCount int64
	count    atomicInt64
	bytes    atomicInt64 // of the names and keys
	recorder Recorder    // nil = none
	again    *Step       // what is replayed; nil = it is no KeyReplay's
}

type idempotencyShard struct {
	mu      mutex
	entries map[idempotencyKey]*idempotencyEntry
	looks   *calendar[idempotencyEntry]
	tokens  uint64

	domain   uint32 // for the recorder, as of a Function
	recorded uint32
	check    uint32
	numbers  uint64 // keys held so far
	_        [64]byte
}

type idempotencyKey struct{ function, key string }

func (k *idempotencyKey) bytes() int64 { return int64(len(k.function) + len(k.key)) }

type idempotencyEntry struct {
	key      idempotencyKey
	number   uint64 // it is the n-th of its shard
	print    Fingerprint
	id       ID
	token    uint64 // 0 once published
	storedAt int64  // wall ns
	settled  []func()
}

// ClaimState is the answer to AcquireOrGet.
type ClaimState uint8

// Answers to AcquireOrGet and ClaimIfMatches.
const (
	Claimed  ClaimState = iota // the caller holds the claim: publish or abandon it
	Existing                   // the key has an execution
	Pending                    // another caller holds the claim; settled will be called
	KeysFull                   // the store is at its bound
	Reused                     // the key belongs to a request with another fingerprint
)

// ErrWrongToken is returned by Publish and Abandon for a claim that is not
// the caller's.
var ErrWrongToken = errors.New("idempotency: the claim's token does not match")

// NewIdempotencyStore returns a store of at most maxKeys keys that live for
// ttl nanoseconds of wall time; shards must be a power of two and sweepWidth
// (ns) should be the interval between sweeps.
func NewIdempotencyStore(shards int, ttl, sweepWidth int64, maxKeys int) *IdempotencyStore {
	s := &IdempotencyStore{shards: make([]idempotencyShard, shards), mask: uint64(shards - 1), ttl: ttl, maxCount: int64(maxKeys)}
	for i := range s.shards {
		s.shards[i].entries = make(map[idempotencyKey]*idempotencyEntry)
		s.shards[i].looks = newCalendar[idempotencyEntry](sweepWidth)
	}
	return s
}

// recordTo has the decisions recorded; nil = not.
func (s *IdempotencyStore) recordTo(r Recorder, numbers *Domains) {
	s.recorder = r
	for i := range s.shards {
		s.shards[i].domain = keyDomains | numbers.shards.Add(1)
	}
}

func (s *IdempotencyStore) shard(k idempotencyKey) *idempotencyShard {
	return &s.shards[hashString(hashString(hashSeed, k.function), k.key)&s.mask]
}

// live returns the key's entry unless it has expired; the caller holds sh.mu.
func (s *IdempotencyStore) live(sh *idempotencyShard, k idempotencyKey, now int64) *idempotencyEntry {
	e := sh.entries[k]
	if e == nil || (e.token == 0 && e.storedAt+s.ttl < now) {
		return nil
	}
	return e
}

// Get returns the execution published for a key at wall time now.
func (s *IdempotencyStore) Get(function, key string, now int64) (ID, bool) {
	k := idempotencyKey{function, key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := s.live(sh, k, now); e != nil && e.token == 0 {
		return e.id, true
	}
	return ID{}, false
}

// Put maps a key to an execution and the fingerprint of its request, whatever
// it was mapped to before; false when the store is at its bound. A pending claim
// on the key loses it.
func (s *IdempotencyStore) Put(function, key string, print Fingerprint, id ID, now int64) bool {
	k := idempotencyKey{function, key}
	sh := s.shard(k)
	sh.mu.Lock()
	e, ok := s.entry(sh, k, now, &keyStep{})
	var settled []func()
	if ok {
		e.print = print
		settled = s.store(sh, e, id, now)
	}
	sh.mu.Unlock()
	callAll(settled)
	return ok
}

// restore is Put of a mapping that was stored at a wall time, whatever the bound;
// a later one of the same key takes its place.
func (s *IdempotencyStore) restore(function, key string, print Fingerprint, id ID, storedAt int64) {
	k := idempotencyKey{function, key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[k]
	if e == nil {
		s.count.Add(1)
		e = s.add(sh, k)
	}
	e.print = print
	s.store(sh, e, id, storedAt)
	s.recordKey(sh, &keyStep{Step: Step{A: keyRestore, Wall: storedAt, ID: id}, entry: e})
}

// PutIfAbsent maps a key to an execution unless it has a live mapping or a
// pending claim. It returns the execution the key has afterwards (the zero ID
// while a claim is pending) and whether it was stored.
func (s *IdempotencyStore) PutIfAbsent(function, key string, print Fingerprint, id ID, now int64) (ID, bool) {
	k := idempotencyKey{function, key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := s.live(sh, k, now); e != nil {
		return e.id, false
	}
	e, ok := s.entry(sh, k, now, &keyStep{})
	if !ok {
		return ID{}, false
	}
	e.print = print
	s.store(sh, e, id, now)
	return id, true
}

// AcquireOrGet claims a key for a request with a fingerprint, or finds what it
// maps to. With Claimed it returns the claim's token, with Existing the
// execution. With Pending, settled (may be nil) is called once when the claim
// ends; call again then. A request with another fingerprint than the key's is
// told Reused and nothing else, also while the claim is pending.
func (s *IdempotencyStore) AcquireOrGet(function, key string, print Fingerprint, now int64, settled func()) (ClaimState, uint64, ID) {
	k := idempotencyKey{function, key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	step := keyStep{Step: Step{A: keyAcquire, Wall: now}}
	state, token, id := s.acquireOrGet(sh, k, print, settled, &step)
	step.Flags |= StepFlags(state)
	step.Mono, step.ID = int64(token), id
	s.recordKey(sh, &step)
	return state, token, id
}

// acquireOrGet is AcquireOrGet at step.Wall; the caller holds sh.mu.
func (s *IdempotencyStore) acquireOrGet(sh *idempotencyShard, k idempotencyKey, print Fingerprint, settled func(), step *keyStep) (ClaimState, uint64, ID) {
	if e := s.live(sh, k, step.Wall); e != nil {
		step.entry = e
		if e.print != print {
			return Reused, 0, ID{}
		}
		step.Flags |= FlagSamePrint
		if e.token == 0 {
			return Existing, 0, e.id
		}
		if settled != nil {
			e.settled = append(e.settled, settled)
		}
		return Pending, 0, ID{}
	}
	e, ok := s.entry(sh, k, step.Wall, step)
	if !ok {
		return KeysFull, 0, ID{}
	}
	e.print, step.entry = print, e
	return Claimed, s.claim(sh, e), ID{}
}

// ClaimIfMatches claims a key whose mapping is old, an execution that is gone.
// It answers Claimed with a token, or Pending with 0 when the key no longer
// maps to old: look again with AcquireOrGet.
func (s *IdempotencyStore) ClaimIfMatches(function, key string, old ID) (ClaimState, uint64) {
	k := idempotencyKey{function, key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	step := keyStep{Step: Step{A: keyTakeOver, ID: old}, entry: sh.entries[k]}
	state := Pending
	if e := step.entry; e != nil && e.token == 0 && e.id == old {
		state, step.Mono = Claimed, int64(s.claim(sh, e))
	}
	step.Flags = StepFlags(state)
	s.recordKey(sh, &step)
	return state, uint64(step.Mono)
}

// Publish ends a claim with the execution it led to.
func (s *IdempotencyStore) Publish(function, key string, token uint64, id ID, now int64) error {
	settled, err := s.publish(&claim{function: function, key: key, token: token}, id, now)
	callAll(settled)
	return err
}

// Abandon ends a claim that led to nothing: the next caller may claim the key.
func (s *IdempotencyStore) Abandon(function, key string, token uint64) error {
	settled, err := s.abandon(&claim{function: function, key: key, token: token})
	callAll(settled)
	return err
}

// claim is the right to start the execution of a key.
type claim struct {
	function, key string
	token         uint64
	print         Fingerprint
}

// publish is Publish, and leaves those who wait for the key to be called.
func (s *IdempotencyStore) publish(c *claim, id ID, now int64) (settled []func(), err error) {
	k := idempotencyKey{c.function, c.key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	step := keyStep{Step: Step{A: keyPublish, Wall: now, Mono: int64(c.token), ID: id}, entry: sh.entries[k]}
	if e := sh.claimed(k, c.token); e == nil {
		step.Flags, err = FlagWrongToken, ErrWrongToken
	} else {
		settled = s.store(sh, e, id, now)
	}
	s.recordKey(sh, &step)
	return settled, err
}

// abandon is Abandon, and leaves those who wait for the key to be called.
func (s *IdempotencyStore) abandon(c *claim) (settled []func(), err error) {
	k := idempotencyKey{c.function, c.key}
	sh := s.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	step := keyStep{Step: Step{A: keyAbandon, Mono: int64(c.token)}, entry: sh.entries[k]}
	if e := sh.claimed(k, c.token); e == nil {
		step.Flags, err = FlagWrongToken, ErrWrongToken
	} else {
		s.evict(sh, e)
		settled = e.settled
	}
	s.recordKey(sh, &step)
	return settled, err
}

// claimed is the entry that token claims, nil when there is none; the caller
// holds sh.mu.
func (sh *idempotencyShard) claimed(k idempotencyKey, token uint64) *idempotencyEntry {
	if e := sh.entries[k]; e != nil && token != 0 && e.token == token {
		return e
	}
	return nil
}

// Bytes is what the names and keys that are held take.
func (s *IdempotencyStore) Bytes() int64 { return s.bytes.Load() }

// Len is the number of keys held, including expired ones not yet swept.
func (s *IdempotencyStore) Len() int { return int(s.count.Load()) }

// sweep evicts expired keys of shard i, a batch a call, and returns how many
// and whether there may be more.
func (s *IdempotencyStore) sweep(i int, now int64) (evicted int, more bool) {
	sh := &s.shards[i]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	evicted, looked, more := s.evictDue(sh, now)
	if looked > 0 {
		s.recordKey(sh, &keyStep{Step: Step{A: keySweep, Wall: now, B: uint32(evicted)}})
	}
	return evicted, more
}

// evictDue evicts the expired of the keys that are due for a look, one bucket of
// them a call.
func (s *IdempotencyStore) evictDue(sh *idempotencyShard, now int64) (evicted, looked int, more bool) {
	due, more := sh.looks.pop(now, nil)
	for _, a := range due {
		// A pending claim does not expire, its holder settles it; and what was
		// stored again meanwhile has a later entry.
		if e := a.item; sh.entries[e.key] == e && e.token == 0 && e.storedAt+s.ttl < now {
			s.evict(sh, e)
			evicted++
		}
	}
	return evicted, len(due), more
}

// entry returns the key's entry, made when there is none; false at the bound,
// once expired neighbours have made no room.
func (s *IdempotencyStore) entry(sh *idempotencyShard, k idempotencyKey, now int64, step *keyStep) (*idempotencyEntry, bool) {
	if e := sh.entries[k]; e != nil {
		return e, true
	}
	if !s.room(sh, now, step) {
		return nil, false
	}
	return s.add(sh, k), true
}

// add is a new entry, which is counted already.
func (s *IdempotencyStore) add(sh *idempotencyShard, k idempotencyKey) *idempotencyEntry {
	// The caller's strings may be views of a request buffer.
	k = idempotencyKey{strings.Clone(k.function), strings.Clone(k.key)}
	sh.numbers++
	e := &idempotencyEntry{key: k, number: sh.numbers}
	sh.entries[k] = e
	s.bytes.Add(k.bytes())
	return e
}

func (s *IdempotencyStore) claim(sh *idempotencyShard, e *idempotencyEntry) uint64 {
	sh.tokens++
	e.token, e.id = sh.tokens, ID{}
	return e.token
}

func (s *IdempotencyStore) store(sh *idempotencyShard, e *idempotencyEntry, id ID, now int64) []func() {
	settled := e.settled
	e.id, e.token, e.storedAt, e.settled = id, 0, now, nil
	sh.looks.add(e, now+s.ttl)
	return settled
}

func (s *IdempotencyStore) evict(sh *idempotencyShard, e *idempotencyEntry) {
	delete(sh.entries, e.key)
	s.count.Add(-1)
	s.bytes.Add(-e.key.bytes())
}

func callAll(fs []func()) {
	for _, f := range fs {
		f()
	}
}

// hashSeed and hashString are FNV-1a (Fowler, Noll, Vo): a hash that is the
// same in every process, unlike hash/maphash.
const hashSeed uint64 = 14695981039346656037

func hashString(h uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
