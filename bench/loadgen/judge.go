package loadgen

import (
	"fmt"
	"time"

	"simplane/bench/latency"
)

// Misses lists the limits that a run exceeded, as text; empty if none.
// maxErrors is the share of due requests (0..1) that may fail or stay unsent.
func Misses(r *Result, h Histograms, limits []Limit, maxErrors float64) []string {
	var out []string
	if r.Total() == 0 {
		return []string{"no request was answered"}
	}
	if share := r.ErrorShare(); share > maxErrors {
		why := "unsent"
		if len(r.Failures) > 0 {
			why = r.Failures[0].Kind
		}
		out = append(out, fmt.Sprintf("%.3g%% of the requests failed or were not sent (mostly: %s), allowed %.3g%%", 100*share, why, 100*maxErrors))
	}
	for _, l := range limits {
		if got := latency.Percentile(h.Latency, l.Percentile); got > float64(l.Max)/1e6 {
			out = append(out, fmt.Sprintf("limit %v missed: %v", l, time.Duration(got*1e6).Round(time.Microsecond)))
		}
	}
	return out
}
