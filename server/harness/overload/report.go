package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is one load offered under one setting.
type row struct {
	Setting  string        `json:"setting"`
	Control  bool          `json:"control"`
	Patience time.Duration `json:"patience"`
	Times    float64       `json:"timesCapacity"`
	Offered  float64       `json:"offeredPerSecond"`
	Goodput  float64       `json:"goodputPerSecond"`
	Share    float64       `json:"goodputShareOfCapacity"`
	// Useful is which share of the function's runs was a success for a caller.
	// A busy machine lowers the capacity of the moment, but not this.
	Useful   float64        `json:"usefulShareOfRuns"`
	P50      time.Duration  `json:"p50"`
	P99      time.Duration  `json:"p99"`
	Statuses map[string]int `json:"statuses"`
}

type report struct {
	Options options `json:"options"`
	// Capacity is measured: successes a second with twice as many callers as slots.
	Capacity float64  `json:"capacityPerSecond"`
	Rows     []row    `json:"rows"`
	Storms   []outage `json:"outages"`
	Broken   []string `json:"broken"`
}

func (r *report) add(set setting, times, capacity float64, began time.Time, took time.Duration, runs int64, d *driver) {
	n := d.count()
	total := 0
	for _, k := range n {
		total += k
	}
	goodput := d.goodput(began, took)
	r.Rows = append(r.Rows, row{
		Setting: set.name, Control: set.control, Patience: set.patience, Times: times, Offered: float64(total) / took.Seconds(), Goodput: goodput, Share: goodput / capacity, Useful: float64(n["success"]) / float64(max(runs, 1)),
		P50: d.latency(0.5), P99: d.latency(0.99), Statuses: n,
	})
}

// judge holds the figures against what was promised.
func (r *report) judge() {
	for _, row := range r.Rows {
		if row.Control {
			continue
		}
		if row.Useful < r.Options.Keep {
			r.Broken = append(r.Broken, fmt.Sprintf("%s at %gx: %.0f%% of the work is of use, at least %.0f%% is promised", row.Setting, row.Times, 100*row.Useful, 100*r.Options.Keep))
		}
		// Half, as the machine may be slower than when the capacity was measured.
		if want := r.Options.Keep / 2 * min(row.Times, 1); row.Share < want {
			r.Broken = append(r.Broken, fmt.Sprintf("%s at %gx: goodput is %.0f%% of the capacity, at least %.0f%% is promised", row.Setting, row.Times, 100*row.Share, 100*want))
		}
		if row.Statuses["NO_ANSWER"]+row.Statuses["error"] > 0 {
			r.Broken = append(r.Broken, fmt.Sprintf("%s at %gx: %d without an answer, %d errors", row.Setting, row.Times, row.Statuses["NO_ANSWER"], row.Statuses["error"]))
		}
	}
	for _, o := range r.Storms {
		if o.Back < 0 && !o.Control {
			r.Broken = append(r.Broken, fmt.Sprintf("%s: goodput did not come back within %v of the outage", o.Setting, r.Options.After))
		}
	}
}

var reasons = []string{"RATE_LIMITED", "QUEUE_FULL", "EST_WAIT", "DEPTH", "QUEUE_WAIT", "timeout"}

func (r *report) String() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("POOL function, %d slots of %v (%.0f/s by arithmetic), queueSize %d, rate limit %.0f/s; loads are multiples of the measured capacity",
		r.Options.Slots, r.Options.Service, r.Options.nominal(), queueSize, rateLimit*r.Options.nominal())
	p("")
	p("| setting | callers wait | offered | goodput, share of capacity | useful share of runs | p50 ms | p99 ms | %s |", strings.Join(reasons, " | "))
	p("|---|---|---|---|---|---|---|%s", strings.Repeat("---|", len(reasons)))
	for _, row := range r.Rows {
		var refused []string
		for _, reason := range reasons {
			refused = append(refused, fmt.Sprint(row.Statuses[reason]))
		}
		p("| %s | %v | %gx | %.0f%% | %.0f%% | %d | %d | %s |", row.Setting, row.Patience, row.Times, 100*row.Share, 100*row.Useful, row.P50.Milliseconds(), row.P99.Milliseconds(), strings.Join(refused, " | "))
	}
	p("")
	for _, o := range r.Storms {
		p("%s, outage of %v at 70%% load, up to 8 retries of every failure after 100 ms: at most %.1fx of the capacity offered in one second.", o.Setting, r.Options.Outage, float64(o.Peak)/o.Capacity)
		p("  goodput, %% of the load: before %s | out %s | after %s", shares(o.Before, o.Offered), shares(o.During, o.Offered), shares(o.After, o.Offered))
		if o.Back >= 0 {
			p("  back for good within second %d after the outage", o.Back+1)
		} else {
			p("  not back within %v", r.Options.After)
		}
	}
	for _, what := range r.Broken {
		p("BROKEN: %s", what)
	}
	return b.String()
}

func shares(goodput []int, offered float64) string {
	var parts []string
	for n := range slices.Values(goodput) {
		parts = append(parts, fmt.Sprintf("%.0f", 100*float64(n)/offered))
	}
	return strings.Join(parts, " ")
}
