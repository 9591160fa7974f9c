package core

import (
	"encoding/binary"
	"math/bits"
)

// mixed makes one word of two: the two halves of their product, each word
// spread by a constant first.
func mixed(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xc2b2ae3d27d4eb4f)
	return hi ^ lo
}

// sum is the check after this record: of the one before, of all that the record
// has and of what was decided.
func (s *Step) sum(before uint32, decided uint64) uint32 {
	h := mixed(uint64(s.Wall), uint64(s.Mono)) +
		mixed(s.Extra, uint64(s.Domain)<<32|uint64(s.Seq))*3 +
		mixed(binary.LittleEndian.Uint64(s.ID[:8]), binary.LittleEndian.Uint64(s.ID[8:]))*5 +
		mixed(uint64(s.A)<<32|uint64(s.B), uint64(s.Kind)<<24|uint64(s.More)<<16|uint64(s.Flags))*7
	h = mixed(h, uint64(before)) + mixed(decided, uint64(before))
	return uint32(h ^ h>>32)
}

// decided folds what a step has decided and its record does not have; never 0.
// The caller holds fn.mu.
func (fn *Function) decided(fx *effects) uint64 {
	what := bit(fx.did)<<0 | bit(fx.more)<<1 | bit(fx.wake)<<2 | bit(fx.ready)<<3 | bit(fx.accepted)<<4 |
		bit(fx.resized)<<5 | bit(fx.scaled)<<6 | bit(fx.ask)<<7 | bit(fx.inHand)<<8 | bit(fx.happened)<<9 |
		bit(fn.ready)<<10 | bit(fn.deleted)<<11 | bit(fx.waiter != nil)<<12 | bit(fx.freeKey != nil)<<13 | bit(fx.breakOff != nil)<<14 |
		bit(fx.released != nil)<<15 | bit(fx.ended != nil)<<16 | bit(fx.attemptEnded != nil)<<17 | bit(fx.question.ex != nil)<<18 | bit(fx.why != nil)<<19 |
		bit(fx.expiry != nil)<<20
	what |= uint64(len(fx.joined)) << 32
	var started, ages uint64
	if ex := fx.dispatch; ex != nil {
		started = binary.LittleEndian.Uint64(ex.id[:8]) ^ binary.LittleEndian.Uint64(ex.id[8:])<<1 ^ uint64(ex.attempt)
	}
	if x := fx.expiry; x != nil {
		ages = uint64(len(x.evicted))<<32 | uint64(len(x.looks))<<16 | uint64(len(x.events))
	}
	if fx.why != nil {
		ages = hashString(hashSeed, fx.why.Code)
	}
	at, _, _ := fn.deadlines.next()
	h := mixed(what, started) + mixed(ages, uint64(at))*3 +
		mixed(uint64(uint32(fn.slots.Load()))<<32|uint64(uint32(fn.pauses.Load())), uint64(fn.syncQueued)<<32|uint64(uint32(fn.joinQueued)))*5 +
		mixed(uint64(fx.event.Pause), uint64(uint32(fx.count))<<32|uint64(fx.event.Status)<<16|uint64(fx.event.Attempt))*7
	return h | 1
}

// outcome is what came of a step, as Step.Outcome has it.
func (fx *effects) outcome() StepFlags {
	switch {
	case fx.happened:
		return StepFlags(outcomeOf(fx.event.Kind))
	case fx.why != nil:
		return StepFlags(OutcomeRefused)
	}
	return StepFlags(OutcomeNothing)
}

func bit(b bool) (n uint64) {
	if b {
		n = 1
	}
	return n
}
