//go:build slow

package main

import (
	"strings"
	"testing"
	"time"
)

// TestSlowSoak is the soak in small: everything happens, only for less long. It
// measures what the machine gives and asks for a share of it, so it needs one
// that gives the same for some seconds.
// Under -race the server under test has the race detector too.
func TestSlowSoak(t *testing.T) {
	r, err := soak(t.Context(), options{Duration: 6 * time.Second, Share: 0.6, MaxRate: 80, Pace: 4, Seed: 7, TTL: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", r)
	if !r.ok() {
		t.Errorf("%d violations; end of simplane's log:\n%s", r.Broken, r.Log[max(len(r.Log)-4000, 0):])
	}
	// A soak in which nothing happened would prove nothing.
	for _, f := range []string{"local", "pool", "stdio", "http", "churn"} {
		if c := r.Functions[f]; c == nil || c.Success == 0 {
			t.Errorf("%s: no execution succeeded: %+v", f, c)
		}
	}
	if p := r.Functions["pool"]; p == nil || p.Error == 0 || p.Timeout == 0 {
		t.Errorf("pool: nothing failed or timed out: %+v", p)
	}
	for _, what := range []string{"function processes killed", "jobs that crash their process", "SIGHUPs", "config PATCHes", "delete and re-create", "garbage requests"} {
		if r.Chaos[what] == 0 {
			t.Errorf("%s: none", what)
		}
	}
	if strings.Contains(r.Log, "DATA RACE") || strings.Contains(r.Log, "panic") {
		t.Errorf("the server's log has a race or a panic:\n%s", r.Log)
	}
	// What was sent is told, not what was meant to be.
	if r.Rate != min(0.6*r.Capacity, 80) || r.AchievedRate <= 0 || r.AchievedRate > 1.5*r.Rate || r.AchievedShare != r.AchievedRate/r.Capacity {
		t.Errorf("rate %.1f, achieved %.1f, share %.3f of %.1f", r.Rate, r.AchievedRate, r.AchievedShare, r.Capacity)
	}
	if r.Joined == 0 || r.Lookups == 0 || r.Probes == 0 {
		t.Errorf("%d joins, %d look-ups, %d probes", r.Joined, r.Lookups, r.Probes)
	}
}
