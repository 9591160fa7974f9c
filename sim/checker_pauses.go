package sim

import (
	"hash/fnv"
	"math"
	"time"

	"simplane/core"
)

// pause is how long an execution pauses after an outcome of its attempt: what the function's
// backoff says, moved by a jitter that the id and the attempt decide, or what the failure asks
// for where that is longer.
func (c *checker) pause(f *generation, rec *record, o *core.Outcome) time.Duration {
	b, ms := &f.spec.RetryBackoff, 0.0
	if ms = float64(b.InitialMillis); b.Multiplier > 1 {
		for n := int32(1); n < rec.attempt && ms < float64(b.MaxMillis); n++ {
			ms *= b.Multiplier
		}
	}
	pause := time.Duration(math.Min(ms, float64(b.MaxMillis)) * float64(time.Millisecond))
	if most := time.Duration(float64(pause) * b.Jitter); most > 0 {
		pause += jitter(rec.id, rec.attempt, most)
	}
	return max(pause, min(o.RetryAfter, longestAsked))
}

const longestAsked = 5 * time.Minute

// jitter is drawn evenly from -most to most, the same whenever it is asked for.
func jitter(id core.ID, attempt int32, most time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write(id[:])
	h.Write([]byte{byte(attempt >> 24), byte(attempt >> 16), byte(attempt >> 8), byte(attempt)})
	drawn := h.Sum64()
	drawn ^= drawn >> 32
	return time.Duration(drawn%uint64(2*most+1)) - most
}
