package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/bench/baseline"
)

// figures are what a tester reports, in milliseconds; 0 is what it does not.
type figures struct {
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

// truth is what users who come at a steady rate meet: a share f of them comes
// while the server stands still, and waits for the rest of that time, which is
// anything up to all of it with the same likelihood.
func truth(p float64) float64 {
	f := baseline.StallFor.Seconds() / baseline.StallEvery.Seconds()
	return max(p-(1-f), 0) / f * float64(baseline.StallFor.Milliseconds())
}

// readSimplane reads a result of `bench http -o json`.
func readSimplane(out []byte) (figures, error) {
	var d struct {
		HTTP struct {
			OK, Failed, Unsent int64
			Latency            struct {
				P50 float64 `json:"p50Ms"`
				P95 float64 `json:"p95Ms"`
				P99 float64 `json:"p99Ms"`
				Max float64 `json:"maxMs"`
			}
		}
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return figures{}, err
	}
	h, l := d.HTTP, d.HTTP.Latency
	return figures{Requests: h.OK + h.Failed, Errors: h.Failed + h.Unsent, P50: l.P50, P95: l.P95, P99: l.P99, Max: l.Max}, nil
}

var (
	wrkPercentile = regexp.MustCompile(`(?m)^\s+(50|99)%\s+(\S+)$`)
	wrkLatency    = regexp.MustCompile(`(?m)^\s+Latency\s+\S+\s+\S+\s+(\S+)\s`)
	wrkRequests   = regexp.MustCompile(`(?m)^\s+(\d+) requests in `)
	wrkErrors     = regexp.MustCompile(`(?m)^\s+Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// readWrk reads what `wrk --latency` prints.
func readWrk(out []byte) (f figures, err error) {
	number := func(text string) float64 {
		d, failed := time.ParseDuration(text)
		if failed != nil {
			err = errors.Join(err, failed)
		}
		return d.Seconds() * 1e3
	}
	for _, m := range wrkPercentile.FindAllSubmatch(out, -1) {
		if string(m[1]) == "50" {
			f.P50 = number(string(m[2]))
		} else {
			f.P99 = number(string(m[2]))
		}
	}
	if m := wrkLatency.FindSubmatch(out); m != nil {
		f.Max = number(string(m[1]))
	}
	if m := wrkRequests.FindSubmatch(out); m != nil {
		f.Requests, _ = strconv.ParseInt(string(m[1]), 10, 64)
	}
	if m := wrkErrors.FindSubmatch(out); m != nil {
		for _, part := range m[1:] {
			n, _ := strconv.ParseInt(string(part), 10, 64)
			f.Errors += n
		}
	}
	if err == nil && (f.Requests == 0 || f.P99 == 0 || f.Max == 0) {
		err = fmt.Errorf("cannot read what wrk printed: %s", out)
	}
	return f, err
}

// write puts the table and all runs into o.out.
func write(o options, all []tester, done []measurement) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil { // #nosec G301 -- results are meant to be shared
		return err
	}
	raw, err := json.MarshalIndent(done, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "results.json"), append(raw, '\n'), 0o644); err != nil { // #nosec G306 -- as above
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "figures.md"), []byte(render(o, all, done)), 0o644) // #nosec G306 -- as above
}

func render(o options, all []tester, done []measurement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "A server that answers at once and stands still for %v in every %v. Open loops ask %d times a second, closed ones as soon as an answer is there; %d connections, %d runs of %v each, in turns. Medians, the range of the runs in brackets; milliseconds.\n\n",
		baseline.StallFor, baseline.StallEvery, o.rate, o.connections, o.rounds, o.duration)
	b.WriteString("| tester | loop | requests | errors | p50 | p95 | p99 | max |\n|---|---|---|---|---|---|---|---|\n")
	fmt.Fprintf(&b, "| **what users at a steady rate meet** | | %d | 0 | %.0f | %.0f | %.0f | %.0f |\n", o.rate*int(o.duration.Seconds()), truth(0.5), truth(0.95), truth(0.99), truth(1))
	for _, t := range all {
		var runs []figures
		for _, m := range done {
			if m.Tester == t.name {
				runs = append(runs, m.Report)
			}
		}
		cell := func(format string, get func(figures) float64) string { return spread(runs, format, get) }
		p95 := cell("%.1f", func(f figures) float64 { return f.P95 })
		if !slices.ContainsFunc(runs, func(f figures) bool { return f.P95 > 0 }) {
			p95 = "-" // it does not say
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", t.name, t.loop,
			cell("%.0f", func(f figures) float64 { return float64(f.Requests) }), cell("%.0f", func(f figures) float64 { return float64(f.Errors) }),
			cell("%.2f", func(f figures) float64 { return f.P50 }), p95,
			cell("%.1f", func(f figures) float64 { return f.P99 }), cell("%.1f", func(f figures) float64 { return f.Max }))
	}
	return b.String()
}

// spread is the median of some runs with their range; "-" for what the tester
// does not report.
func spread(runs []figures, format string, get func(figures) float64) string {
	var values []float64
	for _, r := range runs {
		values = append(values, get(r))
	}
	slices.Sort(values)
	if len(values) == 0 {
		return "-"
	}
	low, high := values[0], values[len(values)-1]
	middle := values[len(values)/2]
	if n := len(values); n%2 == 0 {
		middle = (values[n/2-1] + middle) / 2
	}
	text := fmt.Sprintf(format, middle)
	if math.Abs(high-low) < 1e-9 {
		return text
	}
	return text + " (" + fmt.Sprintf(format, low) + " to " + fmt.Sprintf(format, high) + ")"
}
