package loadgen

import (
	"fmt"
	"math"
)

// Thresholds above which the client or the machine is named as a cause.
const (
	clientBusy  = 0.85 // share of the cores this process may use
	machineBusy = 0.97
	slipShare   = 0.25 // of the latency's p99
	slipFloorMs = 1.0
	waitShare   = 0.01
	rateMissed  = 0.97 // of the asked rate
	schedFloor  = 5.0  // ms
)

// findings names effects of the client on the figures, and reports whether
// they are the client's limit rather than the server's.
func findings(r *Result, o *Options, waited int64) (list []string, clientLimited bool) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	open := o.Rate > 0
	if open && r.Slip.P99Ms > slipFloorMs && r.Slip.P99Ms > slipShare*r.Latency.P99Ms {
		clientLimited = true
		say("client saturated, or its machine: the schedule slipped by %.1f ms at p99 (max %.1f ms), and the latencies include it", r.Slip.P99Ms, r.Slip.MaxMs)
	}
	if r.Usage.ProcessCPU > clientBusy {
		clientLimited = true
		say("client saturated: it used %.0f%% of the CPU it may use; a faster client could show a faster server", 100*r.Usage.ProcessCPU)
	}
	if r.Usage.MachineCPU > machineBusy && r.Usage.ProcessCPU <= clientBusy {
		say("the machine's cores were %.0f%% busy (this client %.0f%%): client, server and whatever else runs here competed for them", 100*r.Usage.MachineCPU, 100*r.Usage.ProcessCPU)
	}
	if r.Usage.Steal > 0.02 {
		say("the hypervisor took %.0f%% of the CPU away during the run", 100*r.Usage.Steal)
	}
	if r.Usage.SchedP99Ms > schedFloor {
		say("ready goroutines of this client waited %.1f ms for a core at p99", r.Usage.SchedP99Ms)
	}
	if total := r.Total(); open && total > 0 && float64(waited) > waitShare*float64(total) {
		say("all %d connections were busy for %.1f%% of the arrivals (waits up to %.1f ms): either the server is slower than the asked rate or --connections is too small",
			o.Connections, 100*float64(waited)/float64(total), r.Wait.MaxMs)
	}
	if r.Unsent > 0 {
		say("%d requests were due but never sent: no connection came free in time, so the percentiles are too good", r.Unsent)
	}
	if open && !r.Interrupted && r.Unsent == 0 && r.ElapsedSeconds > 0 {
		if got := float64(r.Total()) / r.ElapsedSeconds; got < rateMissed*o.Rate && expectedNoise(o) < 1-rateMissed {
			say("answered %.0f requests per second of the %.0f asked", got, o.Rate)
		}
	}
	return list, clientLimited
}

// expectedNoise is two standard deviations of the number of Poisson arrivals,
// as a share of their mean.
func expectedNoise(o *Options) float64 {
	return 2 / math.Sqrt(math.Max(1, o.Rate*o.Duration.Seconds()))
}
