package main

import (
	"context"
	"time"
)

// outage is what happened around one: goodput in each second of it.
type outage struct {
	Setting  string  `json:"setting"`
	Control  bool    `json:"control"`
	Offered  float64 `json:"offeredPerSecond"` // before retries
	Capacity float64 `json:"capacityPerSecond"`
	Before   []int   `json:"goodputBefore"`
	During   []int   `json:"goodputDuring"`
	After    []int   `json:"goodputAfter"`
	// Peak is the most requests in a second, retries included.
	Peak int `json:"peakRequestsPerSecond"`
	// Back is after how many seconds goodput was back for good; -1 never.
	Back int `json:"secondsToRecover"`
}

// storm is the shape of a metastable failure: at a load that is no problem
// (70 % of the capacity) the function is out for a while, and every caller
// tries again at once and often, so that the offered load is a multiple of the
// capacity when it comes back. A system that then works for callers who have
// given up never gets out of it by itself.
func storm(ctx context.Context, opt options, set setting, api string, capacity float64, w *workload) outage {
	before := opt.Before
	o := outage{Setting: set.name, Control: set.control, Offered: 0.7 * capacity, Capacity: capacity}
	d := newDriver(api, set.patience)
	d.retries, d.wait = 8, 100*time.Millisecond
	began := time.Now()
	until := func(at time.Time) { pause(ctx, time.Until(at)) }
	go func() {
		until(began.Add(before))
		w.out.Store(true)
		until(began.Add(before + opt.Outage))
		w.out.Store(false)
	}()
	end := before + opt.Outage + opt.After
	part, stop := context.WithTimeout(ctx, end)
	defer stop()
	d.open(part, o.Offered)
	w.out.Store(false)

	all := d.perSecond(began, int(end/time.Second))
	first, second := int(before/time.Second), int((before+opt.Outage)/time.Second)
	o.Before, o.During, o.After = all[:first], all[first:second], all[second:]
	o.Peak, o.Back = d.peak(began), recovered(o.After, d.arrivals(began, len(all))[second:])
	return o
}

// arrivals is how many requests, retries left out, came in each second.
func (d *driver) arrivals(began time.Time, seconds int) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := make([]int, seconds)
	for _, a := range d.answers {
		if i := int(a.sent.Sub(began) / time.Second); a.attempt == 0 && i < seconds {
			n[i]++
		}
	}
	return n
}

// peak is the most requests sent within one second.
func (d *driver) peak(began time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := map[int]int{}
	most := 0
	for _, a := range d.answers {
		s := int(a.sent.Sub(began) / time.Second)
		n[s]++
		most = max(most, n[s])
	}
	return most
}

// recovered finds the first second from which goodput is back for good: every
// three seconds in a row it is at least 85 % of the requests that came in
// then, retries not counted. One second by itself says little at a few dozen
// requests.
func recovered(goodput, came []int) int {
	const window = 3
	back := -1
	for i := 0; i+window <= len(goodput); i++ {
		good, all := 0, 0
		for k := i; k < i+window; k++ {
			good, all = good+goodput[k], all+came[k]
		}
		switch {
		case float64(good) < 0.85*float64(all):
			back = -1
		case back < 0:
			back = i
		}
	}
	return back
}
