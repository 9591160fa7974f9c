package draws

import (
	"math"
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// arrivals yields the times of one load's calls, in order, without storing
// them.
type arrivals struct {
	process    string
	r          random.Stream
	at         int64 // the last time yielded, or the start
	end        int64 // arrivals are before this
	start      int64
	gap        float64 // mean ns between calls
	n          int64   // yielded so far; burst: still to come
	counts     []int32
	poisson    bool
	minute     int // trace: index of the running minute
	left       int // trace, uniform: calls left in it
	begun      bool
	perSecond  float64
	minuteFrom int64
	exact      []scenario.Call

	rate, toRate float64 // ramp: calls a second at start and end
	sum          float64 // ramp: of exponentials
	amplitude    float64
	period       int64
}

func newArrivals(a *scenario.Arrivals, duration time.Duration, r random.Stream) arrivals {
	out := arrivals{
		process: a.Process, r: r, start: int64(a.From), at: int64(a.From), end: int64(duration),
		counts: a.Counts, poisson: a.Within == "poisson", perSecond: a.Rate, minute: -1,
		exact: a.AllCalls(),
	}
	if a.To > 0 {
		out.end = min(out.end, int64(a.To))
	}
	if a.Rate > 0 {
		out.gap = 1e9 / a.Rate
	}
	switch a.Process {
	case "ramp":
		out.rate, out.toRate = a.Rate, a.ToRate
	case "sine":
		out.amplitude, out.period = a.Amplitude, int64(a.Period)
		out.gap /= 1 + a.Amplitude // of the highest rate
	}
	if a.Process == "burst" {
		out.at, out.n = int64(a.At), int64(a.Count)
	}
	return out
}

// next is the time of the next call; false when there is none.
func (a *arrivals) next() (int64, bool) {
	switch a.process {
	case "poisson":
		a.at += Nanos(float64(a.gap * a.r.Exponential()))
	case "constant":
		// Not a sum of rounded gaps: call n is at start + n/rate.
		a.at = a.start + Nanos(float64(float64(a.n)*1e9)/a.perSecond)
		a.n++
	case "burst":
		a.n--
		return a.at, a.n >= 0
	case "ramp":
		return a.nextInRamp()
	case "sine":
		return a.nextInSine()
	case "trace":
		return a.nextInTrace()
	case "times", "exact":
		if a.n == int64(len(a.exact)) {
			return 0, false
		}
		a.at = int64(a.exact[a.n].At)
		a.n++
	}
	return a.at, a.at < a.end
}

func (a *arrivals) nextInTrace() (int64, bool) {
	const minute = int64(time.Minute)
	for {
		if a.begun {
			end := a.minuteFrom + minute
			switch {
			case a.poisson:
				a.at += Nanos(float64(a.gap * a.r.Exponential()))
				if a.at < end {
					return a.at, a.at < a.end
				}
			case a.left > 0:
				// The least of left uniform times in what remains of the minute.
				part := 1 - random.Exp(random.Ln(a.r.Open())/float64(a.left))
				a.left--
				a.at += int64(math.Floor(float64(part * float64(end-a.at))))
				a.at = min(a.at, end-1)
				return a.at, a.at < a.end
			}
		}
		a.minute++
		a.begun = false
		if a.minute >= len(a.counts) {
			return 0, false
		}
		a.minuteFrom = a.start + int64(a.minute)*minute
		a.at = a.minuteFrom
		if a.left = int(a.counts[a.minute]); a.left > 0 {
			a.gap = float64(minute) / float64(a.left)
			a.begun = true
		}
	}
}

// nextInRamp has the n-th call where the rate's integral is a sum of n exponentials.
func (a *arrivals) nextInRamp() (int64, bool) {
	a.sum += a.r.Exponential()
	length := float64(a.end-a.start) / 1e9
	if length <= 0 {
		return 0, false
	}
	slope := (a.toRate - a.rate) / length
	root := float64(a.rate*a.rate) + float64(2*float64(slope*a.sum))
	if root < 0 { // the rate has come down to 0 before
		return 0, false
	}
	t := float64(2*a.sum) / (a.rate + math.Sqrt(root))
	a.at = a.start + Nanos(float64(t*1e9))
	return a.at, a.at < a.end
}

// nextInSine draws calls at the highest rate and leaves some of them out.
func (a *arrivals) nextInSine() (int64, bool) {
	for {
		a.at += Nanos(float64(a.gap * a.r.Exponential()))
		if a.at >= a.end {
			return a.at, false
		}
		phase := float64((a.at-a.start)%a.period) / float64(a.period)
		if float64(a.r.Unit()*(1+a.amplitude)) < 1+float64(a.amplitude*random.Sin(phase)) {
			return a.at, true
		}
	}
}
