package bubble

import (
	"fmt"
	"slices"
	"time"

	"simplane/sim/scenario"
)

// carried are the faults that are carried out through HTTP, or by the functions.
var carried = []string{"outage", "slowdown", "update", "reconfigure", "delete-function", "create-function", "redrive", "purge", "set-rate"}

// misfit says why a scenario cannot be carried out by a server in a bubble; "" = it
// can.
func misfit(sc *scenario.Scenario) string {
	switch {
	case sc.Nodes > 0:
		return "several nodes: one server is here"
	case sc.Core.Journal.Enabled:
		return "a journal that crashes, or whose disk fails: the process is this one, and the disk the machine's"
	case sc.Core.SchedulerOff:
		return "the scheduler is off, and who drains once waits for the attempt"
	case sc.Core.BorrowedInputs:
		return "what callers bring is in the server's memory"
	case sc.Duration > time.Hour:
		return "more than an hour of load"
	case len(sc.Reports) > 0:
		return "reports of figures that scale"
	}
	for i := range sc.Functions {
		f := &sc.Functions[i]
		switch {
		case f.Scaled():
			return "scaled functions need a provider's processes"
		case f.Behavior.DuplicateCompletionRate > 0:
			return "an HTTP call has one answer"
		case f.Behavior.LateCompletionRate > 0:
			return "the server closes the connection at the timeout, and nothing comes after it"
		}
	}
	for i := range sc.Load {
		switch l := &sc.Load[i]; {
		case !l.Calls():
			return fmt.Sprintf("a load of mode %s draws which execution it is of", l.Mode)
		case l.CallerRuns:
			return "callers of a server never make the attempt themselves"
		case l.Leaves.Forgets:
			return "a caller over HTTP closes its connection, and forgets nothing"
		case l.Callers.Retries > 0:
			return "callers that try again"
		}
	}
	for i := range sc.Faults {
		if kind := sc.Faults[i].Kind; !slices.Contains(carried, kind) {
			return fmt.Sprintf("the fault %s is in virtual time's own world", kind)
		}
	}
	return ""
}
