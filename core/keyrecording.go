package core

// Each shard of idempotency keys records what it decides, as functions do. A key
// is its number there: it is the n-th that the shard has held.
//
//	key  A what was asked (keyAcquire …); Extra the key's number, 0 = none; Wall now;
//	     Mono the claim's token; ID the execution; B keys evicted; flags

// What is asked of a shard.
const (
	keyAcquire uint32 = iota + 1
	keyTakeOver
	keyPublish
	keyAbandon
	keySweep
	keyRestore
)

// Flags of StepKey. The lowest three bits are the ClaimState of an answer.
const (
	FlagSamePrint  StepFlags = 1 << (iota + 3) // the request has the key's fingerprint
	FlagCrowded                                // the store was at its bound
	FlagFull                                   // and there was no room
	FlagWrongToken                             // the claim was not the caller's
)

// keyDomains is the bit of a domain that is a shard of keys.
const keyDomains = 1 << 31

// KeyDomain is the shard, from 0, that a domain is; false for a function.
func KeyDomain(domain uint32) (shard int, ok bool) {
	return int(domain&^keyDomains) - 1, domain&keyDomains != 0
}

// keyStep is a decision about a key while it is made.
type keyStep struct {
	Step
	entry *idempotencyEntry
}

// recordKey tells the recorder of a decision; the caller holds sh.mu.
func (s *IdempotencyStore) recordKey(sh *idempotencyShard, k *keyStep) {
	if s.recorder == nil {
		return
	}
	if k.entry != nil {
		k.Extra = k.entry.number
	}
	sh.recorded++
	k.Kind, k.Seq, k.Domain = StepKey, sh.recorded, sh.domain
	sh.check = k.sum(sh.check, uint64(len(sh.entries)))
	k.Check = sh.check
	s.recorder.Step(k.Step)
}

// room reports whether a key more may be held, once expired neighbours have made
// room, and counts it then.
func (s *IdempotencyStore) room(sh *idempotencyShard, now int64, k *keyStep) bool {
	if s.crowded(k) {
		for more := true; more; {
			var n int
			n, _, more = s.evictDue(sh, now)
			k.B += uint32(n)
		}
	}
	if s.count.Add(1) > s.maxCount || s.again.full() {
		s.count.Add(-1)
		k.Flags |= FlagFull
		return false
	}
	return true
}

// crowded reports whether the store is at its bound, which is over all shards.
func (s *IdempotencyStore) crowded(k *keyStep) bool {
	if s.count.Load() >= s.maxCount || s.again != nil && s.again.Flags&FlagCrowded != 0 {
		k.Flags |= FlagCrowded
		return true
	}
	return false
}

// full says that the step is replayed, and found no room.
func (s *Step) full() bool { return s != nil && s.Flags&FlagFull != 0 }
