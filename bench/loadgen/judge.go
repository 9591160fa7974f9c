package loadgen

import "fmt"

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
		if miss := l.missed(r, h); miss != "" {
			out = append(out, miss)
		}
	}
	return out
}
