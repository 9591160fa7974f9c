package compare

import (
	"fmt"
	"strings"
)

// Reasons why a sample was limited by something other than its subject.
const (
	clientFull  = "the client was out of CPU while the server had some left"
	othersBusy  = "other processes competed for a machine without an idle core"
	stolen      = "the hypervisor took cores away"
	lateArrival = "arrivals were late"
	rateMissed  = "the rate was not reached"
)

// Thresholds of these reasons.
const (
	fullCore    = 0.95 // of a core, or of the cores the client leaves
	busyMachine = 0.97 // of all cores
	otherShare  = 0.05 // of all cores
	stealShare  = 0.02
	lateShare   = 0.25 // of the latency's p99
	lateFloorMs = 1.0
	rateShare   = 0.97
	// withholdShare is the share of pairs with a saturated half above which
	// there is no verdict.
	withholdShare = 0.1
)

// saturation lists the reasons that hold for a sample taken at rate (0 in a
// closed loop) on a machine with that many cores.
func (s Sample) saturation(rate, cores float64) (why []string) {
	// A client that uses a whole core is the limit unless the server uses
	// all others: on two cores both are full at once, and what the server
	// saves shows in throughput.
	serverFull := s.ServerCores >= fullCore*(cores-1)
	if s.ServerCores < 0 {
		serverFull = s.MachineBusy > busyMachine
	}
	if s.ClientCores > fullCore && !serverFull {
		why = append(why, clientFull)
	}
	if s.MachineBusy > busyMachine && s.OtherCores > otherShare*cores {
		why = append(why, othersBusy)
	}
	if s.Steal > stealShare {
		why = append(why, stolen)
	}
	if rate == 0 {
		return why
	}
	if s.LateP99Ms > lateFloorMs && s.LateP99Ms > lateShare*s.P99Ms {
		why = append(why, lateArrival)
	}
	if s.Unsent > 0 || s.Throughput < rateShare*rate && s.Failed == 0 {
		why = append(why, rateMissed)
	}
	return why
}

// saturated reports whether a half of the pair was.
func (r Round) saturated() bool { return len(r.A.Saturated)+len(r.B.Saturated) > 0 }

// saturation says which reasons held in how many rounds; "" when none did.
func saturation(rounds []Round) string {
	var reasons []string
	a, b := make(map[string]int), make(map[string]int)
	note := func(counts map[string]int, s Sample) {
		for _, why := range s.Saturated {
			if a[why]+b[why] == 0 {
				reasons = append(reasons, why)
			}
			counts[why]++
		}
	}
	for _, r := range rounds {
		note(a, r.A)
		note(b, r.B)
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s in %d rounds of A and %d of B, of %d", why, a[why], b[why], len(rounds))
	}
	return strings.Join(reasons, "; ")
}
