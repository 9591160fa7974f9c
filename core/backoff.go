package core

import (
	"encoding/binary"
	"hash/fnv"
	"time"
)

// RetryBackoff is how long an execution pauses between a failed attempt and
// the next one.
type RetryBackoff struct {
	InitialMillis int     `json:"initialMs"`  // before the second attempt; 0 = none before any
	MaxMillis     int     `json:"maxMs"`      // the longest, before jitter; >= initialMs
	Multiplier    float64 `json:"multiplier"` // from one pause to the next; >= 1
	Jitter        float64 `json:"jitter"`     // share by which a pause moves either way; 0 to 1
}

// maxRetryAfter is the longest pause that an Outcome can ask for.
const maxRetryAfter = 5 * time.Minute

// Pause is the time between the failure of an attempt and the next one:
// initialMs x multiplier^(attempt-1), at most maxMs, moved by the jitter, and
// at least what the failure asked for. The jitter is drawn from a hash of the
// execution's id and attempt, so that a replay pauses as long; there is no sum
// of products, which some processors round in another way. attempt is the one that
// has failed, from 1.
func (b RetryBackoff) Pause(id ID, attempt int32, asked time.Duration) time.Duration {
	ms, most := float64(b.InitialMillis), float64(b.MaxMillis)
	for n := int32(1); n < attempt && ms < most && b.Multiplier > 1; n++ {
		ms *= b.Multiplier
	}
	pause := int64(min(ms, most) * float64(time.Millisecond))
	if spread := int64(float64(pause) * b.Jitter); spread > 0 {
		pause += int64(jitterHash(id, attempt)%uint64(2*spread+1)) - spread
	}
	return max(time.Duration(pause), min(asked, maxRetryAfter))
}

func jitterHash(id ID, attempt int32) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint32(id[:], uint32(attempt)))
	sum := h.Sum64()
	return sum ^ sum>>32 // FNV's high half is the better mixed one
}

// resolveBackoff fills in the defaults and adds what is wrong.
func resolveBackoff(in *RetryBackoffInput, v *violations) RetryBackoff {
	l := &Limits
	if in == nil {
		in = &RetryBackoffInput{}
	}
	b := RetryBackoff{
		InitialMillis: or(in.InitialMillis, int(l.BackoffInitial.Default)),
		Multiplier:    or(in.Multiplier, l.BackoffMultiplier.Default),
		Jitter:        or(in.Jitter, l.BackoffJitter.Default),
	}
	b.MaxMillis = or(in.MaxMillis, max(int(l.BackoffMax.Default), b.InitialMillis))
	const field = "retryBackoff."
	v.count(field, b.InitialMillis, l.BackoffInitial)
	v.count(field, b.MaxMillis, l.BackoffMax)
	inRange(v, field+l.BackoffMultiplier.Name, b.Multiplier, l.BackoffMultiplier)
	inRange(v, field+l.BackoffJitter.Name, b.Jitter, l.BackoffJitter)
	if b.MaxMillis < b.InitialMillis {
		v.add(field+l.BackoffMax.Name, "must not be below initialMs")
	}
	return b
}
