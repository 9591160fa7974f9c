package draws

import (
	"cmp"
	"slices"
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// recorded draws attempts of a recording: one of those that began at about the
// same time, so that an outage or a slow hour stays where it was, whatever else
// is changed. Near each other they are not in their order: what they were of is
// not what they are drawn for.
type recorded struct {
	attempts []scenario.Attempt
	from     int // those before began earlier than near ago
	to       int // and those from here on begin later than in near
	at       int64
}

const (
	// near is what counts as about the same time, near to either side.
	near = 500 * time.Millisecond
	// fewest is how many there are to draw from, however long ago they began.
	fewest = 16
)

func (r *recorded) draw(now int64, from *random.Stream) *scenario.Attempt {
	if now < r.at { // a process that was restored goes on at the present time
		r.from, r.to = 0, 0
	}
	r.at = now
	begun := func(i int, at int64) bool { return int64(r.attempts[i].At) >= at }
	for r.from < len(r.attempts) && !begun(r.from, now-int64(near)) {
		r.from++
	}
	r.to = max(r.to, r.from)
	for r.to < len(r.attempts) && !begun(r.to, now+int64(near)+1) {
		r.to++
	}
	low, high := r.from, r.to
	if lack := fewest - (high - low); lack > 0 {
		middle, _ := slices.BinarySearchFunc(r.attempts, now, func(a scenario.Attempt, at int64) int { return cmp.Compare(int64(a.At), at) })
		low = max(0, min(middle-fewest/2, len(r.attempts)-fewest))
		high = min(low+fewest, len(r.attempts))
	}
	return &r.attempts[low+from.Below(high-low)]
}

// dispatch is how one goes that begins at a time.
func (r *recorded) dispatch(now int64, slow float64, from *random.Stream) Dispatch {
	a := r.draw(now, from)
	d := Dispatch{Drawn: int64(a.Took), Cold: a.Cold, Again: -1}
	if slow != 1 {
		d.Drawn = Nanos(float64(float64(d.Drawn) * slow))
	}
	d.Takes = d.Drawn
	switch a.Ending {
	case scenario.Failed:
		d.Fails, d.RetryAfter = true, a.RetryAfter
	case scenario.FailedForGood:
		d.Fails, d.Permanent = true, true
	case scenario.Unanswered:
		d.Hangs = true
	}
	return d
}
