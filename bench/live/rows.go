package live

import (
	"math"
	"slices"

	"simplane/bench/latency"
)

// shares are the counts that are compared as a share of another. Those that are
// always shown come first.
var shares = []struct {
	count, of string
	always    bool
}{
	{"accepted", "offered", true},
	{"success", "offered", true},
	{"error", "offered", false},
	{"timeout", "offered", false},
	{"rejected.rate_limited", "offered", false},
	{"rejected.queue_full", "offered", false},
	{"rejected.est_wait", "offered", false},
	{"rejected.depth", "offered", false},
	{"rejected.store_full", "offered", false},
	{"rejected.idempotency_store_full", "offered", false},
	{"rejected.idempotency_key_reused", "offered", false},
	{"rejected.not_found", "offered", false},
	{"queue_wait_exceeded", "offered", false},
	{"idempotent_hits", "offered", false},
	{"retries", dispatched, false},
	{"cold_starts", dispatched, false},
}

var ranks = []struct {
	name string
	rank float64
}{{"p50", 50}, {"p90", 90}, {"p99", 99}}

// rows are all figures of a function. dear is empty when no cost is known.
func rows(m *measured, plain, dear []observed) (all []Row) {
	offered := row("offered", "", m, plain, dear, nil, func(o *observed) float64 { return float64(o.counts["offered"]) })
	offered.Verdict = Parts
	if offered.Same == offered.Real { // the seed says how many
		offered.Verdict = Same
	}
	all = append(all, offered)
	for _, s := range shares {
		occurs := func(o observed) bool { return o.counts[s.count] > 0 }
		if !s.always && !occurs(m.observed) && !slices.ContainsFunc(plain, occurs) {
			continue
		}
		real := binomial(m.counts[s.count], m.counts[s.of])
		r := row(s.count, "share", m, plain, dear, &real, func(o *observed) float64 {
			return float64(o.counts[s.count]) / math.Max(float64(o.counts[s.of]), 1)
		})
		r.sameCount, r.realCount = plain[0].counts[s.count], m.counts[s.count]
		all = append(all, r)
	}
	good := binomial(m.counts["success"], m.counts["offered"])
	perSecond := float64(m.counts["offered"]) / m.seconds
	all = append(all, row("goodput", "/s", m, plain, dear, &Interval{good.Low * perSecond, good.High * perSecond},
		func(o *observed) float64 { return float64(o.counts["success"]) / o.seconds }))
	all = append(all, latencies("e2e", m, m.e2es, plain, dear, func(o *observed) *latency.Histogram { return o.e2e })...)
	return append(all, latencies("queue_wait", m, m.waits, plain, dear, func(o *observed) *latency.Histogram { return o.wait })...)
}

func latencies(name string, m *measured, series []int64, plain, dear []observed, of func(*observed) *latency.Histogram) (all []Row) {
	empty := func(o observed) bool { return of(&o).Count() == 0 }
	if len(series) == 0 || slices.ContainsFunc(plain, empty) || slices.ContainsFunc(dear, empty) {
		return nil // there is nothing to compare with
	}
	asked := make([]float64, len(ranks))
	for i := range ranks {
		asked[i] = ranks[i].rank
	}
	within := bootstrap(series, asked)
	for i, r := range ranks {
		real := Interval{within[i].Low / 1e6, within[i].High / 1e6}
		all = append(all, row(name+"."+r.name, "ms", m, plain, dear, &real, func(o *observed) float64 {
			return float64(of(o).Percentile(r.rank)) / 1e6
		}))
	}
	return append(all, row(name+".max", "ms", m, plain, dear, nil, func(o *observed) float64 { return float64(of(o).Max()) / 1e6 }))
}
