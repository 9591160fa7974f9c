// Package history keeps what functions have done in the last hour, at intervals of five
// seconds, in a bounded amount of memory, and marks of what was done to them. An
// interval in which nothing happens to a function takes none.
package history

import (
	"sync"
	"time"
)

// Interval is the time between two samples.
const Interval = 5 * time.Second

// Kept is how many intervals are shown: an hour.
const Kept = 720

// DefaultBytes bounds the samples of all functions together: 360,000 of them, of 500
// functions that are never at rest for an hour.
const DefaultBytes = 16 << 20

// Reading is what is known of a function at one time. Counters are since it was
// registered.
type Reading struct {
	Name                           string
	Accepted, OK, Failed, Rejected int64
	Queued, InFlight, Slots, Ready int
	// Latency reads how many executions ended within the classic bounds (Bounds),
	// each bucket's own count and the one without a bound last. It is asked for only if
	// executions have ended.
	Latency func() []uint64
}

// sample is one interval of a function. It has no pointers.
type sample struct {
	tick                           uint32 // intervals since 1970
	back                           uint32 // so many samples before this one is the function's one before; 0 = none
	accepted, ok, failed, rejected float32
	queued, inFlight, slots, ready uint32
	p50, p99                       float32 // ms; 0 = none ended
}

const sampleBytes = 48

// track is what is known of one function.
type track struct {
	since   uint32 // tick of its first reading
	looked  uint32 // tick of its last one
	last    Reading
	buckets []uint64
	newest  uint64 // its last sample's number; 0 = none
	oldest  uint64 // that of its first one, which may be overwritten
	now     sample
}

// Keeper keeps the samples. It is safe for concurrent use.
type Keeper struct {
	bounds []float64 // ms

	mu      sync.Mutex
	most    uint64   // samples
	ring    []sample // sample n is at n % most
	written uint64   // numbers begin at 1
	tracks  map[string]*track
	total   track
	totals  [Kept]sample
	ticks   [Kept]uint32 // those at which there was a look
	first   uint32
}

// New makes a Keeper that takes at most so many bytes for samples. bounds are the upper
// bounds, in ms, of the buckets that Readings count in.
func New(maxBytes int, bounds []float64) *Keeper {
	return &Keeper{bounds: bounds, most: uint64(max(maxBytes/sampleBytes, 1)), tracks: map[string]*track{}}
}

func tickOf(millis int64) uint32 { return uint32(millis / Interval.Milliseconds()) }

// Look takes the readings of all functions at a wall time, ms. Functions that are
// not among them are forgotten.
func (k *Keeper) Look(nowMillis int64, readings []Reading) {
	k.mu.Lock()
	defer k.mu.Unlock()
	tick := tickOf(nowMillis)
	if k.first == 0 {
		k.first = tick
	} else if tick <= k.total.looked {
		return // the clock was set back, or two looks fell into one interval
	}
	k.ticks[tick%Kept] = tick
	sum := sample{tick: tick}
	ended := make([]uint64, len(k.bounds)+1)
	for i := range readings {
		r := &readings[i]
		t := k.tracks[r.Name]
		switch {
		case t == nil:
			t = &track{since: tick}
			k.tracks[r.Name] = t
			if tick != k.first { // it is new: what it did was since the last look
				t.last, t.looked = Reading{}, k.total.looked
			}
		case r.Accepted < t.last.Accepted || r.OK < t.last.OK: // registered again
			*t = track{since: tick, looked: t.looked}
		}
		k.take(t, r, tick, ended)
		sum.add(&t.now)
	}
	for name, t := range k.tracks {
		if t.looked != tick {
			delete(k.tracks, name)
		}
	}
	sum.p50, sum.p99 = percentile(k.bounds, ended, 0.5), percentile(k.bounds, ended, 0.99)
	k.total.looked, k.total.now = tick, sum
	k.totals[tick%Kept] = sum
}

// take makes a sample of a reading. ended gets what has ended since the one before.
func (k *Keeper) take(t *track, r *Reading, tick uint32, ended []uint64) {
	s := sample{tick: tick, queued: uint32(r.Queued), inFlight: uint32(r.InFlight), slots: uint32(r.Slots), ready: uint32(r.Ready)}
	if t.looked != 0 && tick > t.looked {
		seconds := float32(tick-t.looked) * float32(Interval.Seconds())
		rate := func(now, before int64) float32 { return float32(max(now-before, 0)) / seconds }
		s.accepted, s.ok = rate(r.Accepted, t.last.Accepted), rate(r.OK, t.last.OK)
		s.failed, s.rejected = rate(r.Failed, t.last.Failed), rate(r.Rejected, t.last.Rejected)
		if s.ok > 0 || s.failed > 0 {
			now := r.Latency()
			since := make([]uint64, len(now))
			for i, n := range now {
				if since[i] = n; t.buckets != nil {
					since[i] -= t.buckets[i]
				}
				ended[i] += since[i]
			}
			t.buckets = now
			s.p50, s.p99 = percentile(k.bounds, since, 0.5), percentile(k.bounds, since, 0.99)
		}
	} else if r.OK > 0 || r.Failed > 0 {
		t.buckets = r.Latency()
	}
	rests := s.accepted == 0 && s.ok == 0 && s.failed == 0 && s.rejected == 0 && s.queued == 0 && s.inFlight == 0
	before := t.now
	changed := before.slots != s.slots || before.ready != s.ready || before.queued != 0 || before.inFlight != 0
	t.now, t.last, t.looked = s, *r, tick
	t.last.Latency = nil
	if rests && !changed {
		return
	}
	k.written++
	if t.newest != 0 && k.written-t.newest < k.most {
		s.back = uint32(k.written - t.newest)
	}
	if t.newest = k.written; t.oldest == 0 {
		t.oldest = k.written
	}
	if uint64(len(k.ring)) < k.most {
		if len(k.ring) == cap(k.ring) { // append would take more than there may be
			grown := make([]sample, len(k.ring), min(uint64(max(64, 2*len(k.ring))), k.most))
			copy(grown, k.ring)
			k.ring = grown
		}
		if len(k.ring) == 0 {
			k.ring = append(k.ring, sample{}) // number 0 is none
		}
		if uint64(len(k.ring)) == k.written && k.written < k.most {
			k.ring = append(k.ring, s)
			return
		}
	}
	k.ring[k.written%k.most] = s
}

func (s *sample) add(o *sample) {
	s.accepted += o.accepted
	s.ok += o.ok
	s.failed += o.failed
	s.rejected += o.rejected
	s.queued += o.queued
	s.inFlight += o.inFlight
	s.slots += o.slots
	s.ready += o.ready
}

// Bytes is how much memory the samples take.
func (k *Keeper) Bytes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return cap(k.ring) * sampleBytes
}

// percentile estimates one, in ms, from buckets' own counts; 0 if they are empty.
func percentile(bounds []float64, counts []uint64, q float64) float32 {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, below, low := q*float64(total), 0.0, 0.0
	for i, n := range counts {
		if i == len(bounds) {
			break // no bound: the highest there is
		}
		if below+float64(n) >= rank {
			return float32(max(low+(bounds[i]-low)*(rank-below)/float64(n), 1e-6))
		}
		below += float64(n)
		low = bounds[i]
	}
	return float32(low)
}
