package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"simplane/bench/latency"
	"simplane/sim/scenario"
)

// CheckResult is the outcome of one expect entry.
type CheckResult struct {
	Check string `json:"check"`
	Holds bool   `json:"holds"`
	Got   string `json:"got"`
	Want  string `json:"want"`
	Line  int    `json:"-"` // in the scenario file
}

// evaluate settles expect entry i from the state as it is now.
func (w *witness) evaluate(i int) {
	c := &w.expect[i]
	r := CheckResult{Check: checkName(c), Want: c.Op + " " + c.Value, Line: c.Line}
	var groups []*group
	for _, g := range w.groups {
		if c.Function == "" || c.Function == g.name {
			w.countCallers(g)
			groups = append(groups, g)
		}
	}
	offered := int64(0)
	for _, g := range groups {
		offered += g.counts[cOffered]
	}
	switch {
	case c.Count != "" && c.Count != "offered" && offered == 0:
		r.Got, r.Holds = noData, c.AllowNoData // of nothing that has happened
	case c.Count != "":
		var got int64
		for _, g := range groups {
			got += g.counts.Get(c.Count)
		}
		r.Got, r.Holds = strconv.FormatInt(got, 10), compare(got, got, c.Op, c.Want)
	case c.Gauge != "":
		got := w.gauge(c.Gauge, groups)
		r.Got, r.Holds = strconv.FormatInt(got, 10), compare(got, got, c.Op, c.Want)
	default:
		name, figure, _ := strings.Cut(c.Latency, ".")
		h := merged(groups, name)
		if h.Count() == 0 { // a figure of nothing meets no expectation
			r.Got, r.Holds = noData, c.AllowNoData
			break
		}
		value, low, high := statistic(h, figure)
		r.Got, r.Holds = time.Duration(value).String(), compare(low, high, c.Op, c.Want)
	}
	w.checks[i] = r
}

// countCallers brings up to date what the world counts of a function's callers.
func (w *witness) countCallers(g *group) {
	g.counts[cCallerRetries], g.counts[cCallersFailed] = 0, 0
	for _, f := range g.functions {
		again, failed := w.fleets.Callers(f.number)
		g.counts[cCallerRetries] += again
		g.counts[cCallersFailed] += failed
	}
}

// noData is what a check finds that is on something that has not happened.
const noData = "no data"

func checkName(c *scenario.Check) string {
	what := "count " + c.Count
	if c.Latency != "" {
		what = "latency " + c.Latency
	} else if c.Gauge != "" {
		what = "gauge " + c.Gauge
	}
	if c.Function != "" {
		what += " of " + c.Function
	}
	if c.Gauge != "" || c.At > 0 {
		what += fmt.Sprintf(" at %v", c.At)
	}
	return what
}

func (w *witness) gauge(name string, groups []*group) int64 {
	n := 0
	switch name {
	case "stored_executions":
		return int64(w.core.Gauges().StoredExecutions)
	case "stored_keys":
		return int64(w.core.Gauges().StoredKeys)
	}
	// Asked of core, not of the event stream's account.
	for _, g := range groups {
		for _, fn := range g.functions {
			switch {
			case fn.current == nil:
			case name == "queue_depth":
				n += fn.current.core.QueueDepth()
			case name == "replicas":
				n += fn.current.core.ReadyReplicas()
			case name == "replicas_wanted":
				n += fn.current.core.DesiredReplicas()
			default:
				n += fn.current.core.InFlight()
			}
		}
	}
	return int64(n)
}

func merged(groups []*group, name string) *latency.Histogram {
	if len(groups) == 1 {
		return groups[0].series(name)
	}
	sum := &latency.Histogram{}
	for _, g := range groups {
		sum.Precision = g.latency[0].Precision
		sum.Merge(g.series(name))
	}
	return sum
}

// compare tests a figure that lies somewhere in [low, high]: the comparison
// holds when it does for some value in there.
func compare(low, high int64, op string, want int64) bool {
	switch op {
	case "==":
		return low <= want && want <= high
	case "!=":
		return want < low || high < want
	case "<":
		return low < want
	case "<=":
		return low <= want
	case ">":
		return high > want
	}
	return high >= want
}
