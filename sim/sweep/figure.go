package sweep

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/core/strictyaml"
	"simplane/sim"
	"simplane/sim/scenario"
)

// figure is something that runs come to.
type figure struct {
	Name string `json:"name"`
	unit string
	of   func(sc *scenario.Scenario, r *sim.Result) float64 // NaN = no data
}

// The units of figures.
const (
	asTime  = "time" // in seconds
	asShare = "share"
	asCount = "count"
	asRate  = "rate"
)

func (f *figure) show(v float64) string {
	switch {
	case math.IsNaN(v):
		return "no data"
	case f.unit == asTime:
		return showTime(v)
	case f.unit == asShare:
		return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
	case math.Abs(v) >= 1000 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func showTime(seconds float64) string {
	d := time.Duration(math.Round(seconds * 1e9))
	switch {
	case d >= time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}

// standard are the figures that a table has.
var standard = []figure{
	{"goodput/s", asRate, func(sc *scenario.Scenario, r *sim.Result) float64 {
		return float64(r.Total.Get("success")) / sc.Duration.Seconds()
	}},
	{"p50", asTime, latencyOf("", "e2e_success", "p50")},
	{"p99", asTime, latencyOf("", "e2e_success", "p99")},
	{"wait p99", asTime, latencyOf("", "queue_wait", "p99")},
	{"refused", asShare, share("", "refused")},
	{"failed", asShare, share("", "failed")},
	{"utilisation", asShare, func(_ *scenario.Scenario, r *sim.Result) float64 { return utilisation(r, "") }},
	{"peak queue", asCount, func(_ *scenario.Scenario, r *sim.Result) float64 { return peak(r, "") }},
	{costFigure, asCount, cost},
}

// costFigure is what the cheapest setting has least of.
const costFigure = "slot seconds"

// standardFigure is the number of one of those.
func standardFigure(name string) int {
	return slices.IndexFunc(standard, func(f figure) bool { return f.Name == name })
}

func latencyOf(function, series, stat string) func(*scenario.Scenario, *sim.Result) float64 {
	return func(_ *scenario.Scenario, r *sim.Result) float64 {
		ns, ok := r.Latency(function, series, stat)
		if !ok {
			return math.NaN()
		}
		return float64(ns) / 1e9
	}
}

func counts(r *sim.Result, function string) *sim.Counts {
	for i := range r.Functions {
		if r.Functions[i].Name == function {
			return &r.Functions[i].Counts
		}
	}
	return &r.Total
}

// refused and failed are counts of the sweep's own, beside those of checks.
func counted(c *sim.Counts, name string) float64 {
	switch name {
	case "refused":
		return float64(c.Rejected())
	case "failed":
		return float64(c.Get("error") + c.Get("timeout"))
	}
	return float64(c.Get(name))
}

// share is that of a count of the calls that want an execution of their own. A call
// that finds one under its key is neither refused, nor does another succeed or fail by it.
// Of hits the share is that of all calls.
func share(function, name string) func(*scenario.Scenario, *sim.Result) float64 {
	return func(_ *scenario.Scenario, r *sim.Result) float64 {
		c := counts(r, function)
		of := counted(c, "offered")
		if name != "idempotent_hits" && name != "offered" {
			of -= counted(c, "idempotent_hits")
		}
		return counted(c, name) / of // NaN of nothing
	}
}

func utilisation(r *sim.Result, function string) float64 {
	busy, had := 0.0, 0.0
	for i := range r.Functions {
		if f := &r.Functions[i]; function == "" || f.Name == function {
			busy, had = busy+f.BusySeconds, had+f.SlotSeconds
		}
	}
	return busy / had
}

func peak(r *sim.Result, function string) float64 {
	most := 0
	for i := range r.Functions {
		if f := &r.Functions[i]; function == "" || f.Name == function {
			most = max(most, f.PeakQueued)
		}
	}
	return float64(most)
}

// cost is how long there were slots while load lasted; of a scaled function how long
// its instances were there, times what one runs at once.
func cost(sc *scenario.Scenario, r *sim.Result) float64 {
	sum := 0.0
	for i := range r.Functions {
		if f := &sc.Functions[i]; f.Scaled() {
			sum += float64(r.Functions[i].Counts.Get("replica_seconds")) * float64(f.Provider.Capacity)
		} else {
			sum += r.Functions[i].SlotSeconds
		}
	}
	return sum
}

// SLO is what a setting must keep, such as e2e.p99<=200ms.
type SLO struct {
	Text string `json:"slo"`
	figure
	op    string
	value float64
}

var ops = []string{"<=", ">=", "<", ">"} // the longer ones first

// ParseSLO reads [FUNCTION:]FIGURE OP VALUE. FIGURE is a latency (e2e.p99), a count,
// or a count's share of the calls (success.share). The error says what to write.
func ParseSLO(s string, sc *scenario.Scenario) (SLO, error) {
	o := SLO{Text: s}
	at, op := -1, ""
	for _, candidate := range ops {
		if at = strings.Index(s, candidate); at > 0 {
			op = candidate
			break
		}
	}
	if op == "" {
		return o, fmt.Errorf("--slo %s: write FIGURE<=VALUE or with <, >=, >, such as 'e2e.p99<=200ms' or 'success.share>=0.999'", s)
	}
	o.op = op
	name, value := strings.TrimSpace(s[:at]), strings.TrimSpace(s[at+len(op):])
	function := ""
	if fn, rest, ok := strings.Cut(name, ":"); ok {
		if sc.Find(fn) == nil {
			var names []string
			for i := range sc.Functions {
				names = append(names, sc.Functions[i].Name)
			}
			return o, fmt.Errorf("--slo %s: function %q is not in the scenario%s", s, fn, strictyaml.Nearest(fn, names))
		}
		function, name = fn, rest
	}
	f, known := parseFigure(function, name)
	if f == nil {
		return o, fmt.Errorf("--slo %s: unknown figure %q%s", s, name, strictyaml.Nearest(name, known))
	}
	o.figure = *f
	var err error
	if f.unit == asTime {
		var d time.Duration
		d, err = time.ParseDuration(value)
		o.value = d.Seconds()
	} else {
		text, percent := strings.CutSuffix(value, "%")
		text = strings.TrimSpace(text)
		if percent {
			text += "e-2" // not a division, which rounds
		}
		o.value, err = strconv.ParseFloat(text, 64)
	}
	if err != nil || math.IsNaN(o.value) {
		return o, fmt.Errorf("--slo %s: %q is not a value for it; %s is compared with %s", s, value, name,
			map[bool]string{true: "a duration such as 200ms", false: "a number, or a share such as 0.999 or 99.9%"}[f.unit == asTime])
	}
	return o, nil
}

func parseFigure(function, name string) (f *figure, known []string) {
	for _, series := range scenario.LatencySeries {
		for _, stat := range scenario.LatencyStats {
			if known = append(known, series+"."+stat); name == series+"."+stat {
				return &figure{name, asTime, latencyOf(function, series, stat)}, nil
			}
		}
	}
	for _, count := range append([]string{"refused", "failed"}, scenario.CountNames...) {
		known = append(known, count, count+".share")
		switch name {
		case count:
			return &figure{name, asCount, func(_ *scenario.Scenario, r *sim.Result) float64 { return counted(counts(r, function), count) }}, nil
		case count + ".share":
			return &figure{name, asShare, share(function, count)}, nil
		}
	}
	known = append(known, "utilisation", "peak_queue")
	switch name {
	case "utilisation":
		return &figure{name, asShare, func(_ *scenario.Scenario, r *sim.Result) float64 { return utilisation(r, function) }}, nil
	case "peak_queue":
		return &figure{name, asCount, func(_ *scenario.Scenario, r *sim.Result) float64 { return peak(r, function) }}, nil
	}
	return nil, known
}

// served is the part of every SLO that nobody wrote: a queue that refuses nearly
// all calls would keep any latency.
var served = SLO{Text: "success.share>=99%", figure: figure{"success.share", asShare, share("", "success")}, op: ">=", value: 0.99}

// Served is what an SLO also has unless it says how many calls must succeed.
func Served(all []SLO) []SLO {
	for i := range all {
		for _, word := range []string{"success", "refused", "failed", "rejected", "accepted"} {
			if strings.HasPrefix(all[i].Name, word) {
				return all
			}
		}
	}
	return append(slices.Clone(all), served)
}

// kept says that an interval keeps an SLO wholly.
func (o *SLO) kept(i Interval) bool {
	if math.IsNaN(i.Mean) {
		return false
	}
	switch o.op {
	case "<=":
		return i.Mean+i.Half <= o.value
	case "<":
		return i.Mean+i.Half < o.value
	case ">=":
		return i.Mean-i.Half >= o.value
	}
	return i.Mean-i.Half > o.value
}
