//go:build slow

package compare

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Two servers alike: at a confidence of 0.9999 the interval holds 1 unless one
// side is measured in another way than the other.
func TestSlowEqualSubjectsGiveOne(t *testing.T) {
	l := launcher()
	url := server(t, fine)
	o := quick()
	o.Rounds, o.Confidence, o.Connections = 5, 0.9999, []int{1, 8}
	res, err := Run(context.Background(), l.FromURL(url), l.FromURL(url), o, nil)
	if err != nil || res.ErrorShare != 0 {
		t.Fatalf("%v, error share %v, findings %q", err, res.ErrorShare, res.Findings)
	}
	for _, p := range res.Phases {
		for _, row := range p.Rows {
			if row.Ratio == nil || row.Ratio.Differs() {
				t.Errorf("%s, %s: %v %s", p.Title(), row.Name, row.Ratio, row.Problem)
			}
		}
	}
}

// A answers at once but for one request in 50, which comes 20 ms late.
func TestSlowTailsReachTheReport(t *testing.T) {
	var n atomic.Int64
	l := launcher()
	o := quick()
	o.Round = 200 * time.Millisecond
	res, err := Run(context.Background(), l.FromURL(server(t, func(http.ResponseWriter, *http.Request) {
		if n.Add(1)%50 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	})), l.FromURL(server(t, fine)), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range res.Phases[0].Rows {
		if tail := row.Figure == "p99" || row.Figure == "p99.9" || row.Figure == "max"; tail && row.A < 20 {
			t.Errorf("%s of A is %.2f ms, the 20 ms are missing", row.Name, row.A)
		}
	}
}
