package loadgen

import (
	"strings"
	"testing"
	"time"

	"simplane/bench/latency"
	"simplane/bench/machine"
)

func TestFindingsNameTheClient(t *testing.T) {
	o := &Options{Rate: 1000, Connections: 8, Duration: 10 * time.Second}
	calm := Result{
		OK: 10_000, ElapsedSeconds: 10, Latency: latency.Summary{P99Ms: 2},
		Usage: machine.Usage{ProcessCPU: 0.3, MachineCPU: 0.5},
	}
	for _, c := range []struct {
		name    string
		change  func(*Result)
		waited  int64
		says    string
		limited bool
	}{
		{"calm", func(*Result) {}, 0, "", false},
		{"late pacer", func(r *Result) { r.Slip.P99Ms, r.Latency.P99Ms = 8, 12 }, 0, "schedule slipped by 8.0 ms", true},
		{"pacer a little late", func(r *Result) { r.Slip.P99Ms, r.Latency.P99Ms = 2, 300 }, 0, "", false},
		{"busy client", func(r *Result) { r.Usage.ProcessCPU, r.Usage.MachineCPU = 0.95, 1 }, 0, "client saturated", true},
		{"busy machine", func(r *Result) { r.Usage.MachineCPU = 0.99 }, 0, "competed", false},
		{"steal", func(r *Result) { r.Usage.Steal = 0.1 }, 0, "hypervisor took 10%", false},
		{"no free connection", func(r *Result) { r.Wait.MaxMs = 70 }, 2500, "busy for 25.0%", false},
		{"unsent", func(r *Result) { r.Unsent = 5 }, 0, "5 requests were due", false},
		{"below the rate", func(r *Result) { r.OK = 5000 }, 0, "answered 500", false},
	} {
		r := calm
		c.change(&r)
		list, limited := findings(&r, o, c.waited)
		text := strings.Join(list, "\n")
		if (c.says == "") != (text == "") || !strings.Contains(text, c.says) || limited != c.limited {
			t.Errorf("%s: findings %q, client limited %v", c.name, text, limited)
		}
	}
}
