package core

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// KeyReplay takes the recorded decisions of one shard of idempotency keys again.
// It is for one goroutine. It must begin with the shard's first one: what comes of
// a recording that does not is ReplayUnverified.
type KeyReplay struct {
	s     *IdempotencyStore
	gaps  bool
	again records
}

// NewKeyReplay is the replay of a domain that is a shard, see KeyDomain. The error
// says what is wrong with the configuration.
func NewKeyReplay(cfg ReplayConfig, domain uint32) (*KeyReplay, error) {
	if _, ok := KeyDomain(domain); !ok {
		return nil, fmt.Errorf("replay: domain %d is no shard of keys", domain)
	}
	if cfg.IdempotencyTTL <= 0 || cfg.SweepInterval <= 0 {
		return nil, errors.New("replay: the recording does not say how long keys are remembered")
	}
	r := &KeyReplay{s: NewIdempotencyStore(1, int64(cfg.IdempotencyTTL), int64(cfg.SweepInterval), math.MaxInt)}
	r.s.recorder, r.s.shards[0].domain = &r.again, domain
	return r, nil
}

// Next takes a decision again.
func (r *KeyReplay) Next(recorded *Step) Verdict {
	sh := &r.s.shards[0]
	switch {
	case recorded.Kind != StepKey || recorded.Domain != sh.domain:
		return Verdict{Result: ReplayUnusable, Why: fmt.Sprintf("record %d is %v of domain %d instead of a key's of %d", recorded.Seq, recorded.Kind, recorded.Domain, sh.domain)}
	case sh.recorded == 0 && recorded.Seq != 1:
		r.gaps = true
	}
	if r.gaps {
		return Verdict{Result: ReplayUnverified, Why: "what the shard held before is not known"}
	}
	if recorded.Seq != sh.recorded+1 {
		return Verdict{Result: ReplayUnusable, Why: fmt.Sprintf("record %d comes where %d is to come", recorded.Seq, sh.recorded+1)}
	}
	r.again = r.again[:0]
	if err := r.ask(recorded); err != nil {
		return Verdict{Result: ReplayUnusable, Why: err.Error()}
	}
	return compared([]Step{*recorded}, r.again)
}

// ask asks what was asked.
func (r *KeyReplay) ask(s *Step) error {
	sh, name := &r.s.shards[0], strconv.FormatUint(s.Extra, 10)
	r.s.again = s
	switch token := uint64(s.Mono); s.A {
	case keyAcquire:
		print := Fingerprint{}
		if e := sh.entries[idempotencyKey{key: name}]; e != nil {
			if print = e.print; s.Flags&FlagSamePrint == 0 {
				print[0]++
			}
		}
		r.s.AcquireOrGet("", name, print, s.Wall, nil)
	case keyTakeOver:
		r.s.ClaimIfMatches("", name, s.ID)
	case keyPublish:
		_, _ = r.s.publish(&claim{key: name, token: token}, s.ID, s.Wall)
	case keyAbandon:
		_, _ = r.s.abandon(&claim{key: name, token: token})
	case keySweep:
		r.s.sweep(0, s.Wall)
	case keyRestore:
		r.s.restore("", name, Fingerprint{}, s.ID, s.Wall)
	default:
		return fmt.Errorf("record %d asks a shard of keys for %d", s.Seq, s.A)
	}
	return nil
}
