package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"simplane/bench/chart"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

var summaryHead = []string{"", "count", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"}

func summaryRow(name string, s latency.Summary) []string {
	return []string{
		name, fmt.Sprint(s.Count), msText(s.MinMs), msText(s.MeanMs), msText(s.P50Ms), msText(s.P90Ms), msText(s.P95Ms),
		msText(s.P99Ms), msText(s.P999Ms), msText(s.P9999), msText(s.MaxMs),
	}
}

func httpSections(r *loadgen.Result) []section {
	load := "closed loop"
	latencyNote := "Latency counts from the real send time. A closed loop stops asking while the server stalls, so its percentiles flatter a server that stalls; use --rate for an open loop."
	if r.Mode == "open" {
		load = fmt.Sprintf("open loop, %s arrivals, %s asked", r.Arrival, rateText(r.RateAsked))
		latencyNote = "Latency counts from the time each request was meant to be sent. Service time counts from when it really was: the gap between the two is what waiting clients would not have told."
	}
	over := section{
		Heading: "Summary", Note: load + fmt.Sprintf(", %d connections, %.1f s measured.", r.Connections, r.ElapsedSeconds),
		Cards: []card{
			{"throughput", rateText(r.Throughput)}, {"p50", msText(r.Latency.P50Ms)}, {"p99", msText(r.Latency.P99Ms)},
			{"max", msText(r.Latency.MaxMs)}, {"succeeded", fmt.Sprint(r.OK)}, {"failed", fmt.Sprint(r.Failed)}, {"unsent", fmt.Sprint(r.Unsent)},
		},
	}
	lat := section{Heading: "Latency", Note: latencyNote}
	lines := []chart.Line{curve("latency", r.Latency)}
	rows := [][]string{summaryRow("latency", r.Latency)}
	if r.Mode == "open" {
		lines = append(lines, curve("service time", r.Service))
		rows = append(rows, summaryRow("service time", r.Service), summaryRow("schedule slip", r.Slip), summaryRow("wait for a connection", r.Wait))
	}
	lat.Charts = append(lat.Charts, chart.Chart{
		Title: "Latency by percentile", XLabel: "percentile", YLabel: "ms", X: chart.Percentile, Y: chart.Log, Lines: lines,
	}.SVG())
	lat.Tables = append(lat.Tables, table{Head: summaryHead, Rows: rows})
	if len(r.Stages) > 0 {
		t := table{Caption: "By stage, of the requests that were due in it", Head: summaryHead}
		for _, x := range r.Stages {
			t.Rows = append(t.Rows, summaryRow(x.Stage+", "+rateText(x.Throughput), x.Latency))
		}
		lat.Tables = append(lat.Tables, t)
	}
	if len(r.Targets) > 1 {
		t := table{Caption: "By target", Head: summaryHead}
		for _, x := range r.Targets {
			t.Rows = append(t.Rows, summaryRow(fmt.Sprintf("%s (weight %d)", x.Name, x.Weight), x.Latency))
		}
		lat.Tables = append(lat.Tables, t)
	}
	return []section{over, lat, timeSection(r), outcomeSection(r)}
}

func curve(name string, s latency.Summary) chart.Line {
	l := chart.Line{Name: name}
	for _, p := range s.Curve {
		l.Points = append(l.Points, chart.Point{X: p.Percentile, Y: p.Ms})
	}
	return l
}

func timeSection(r *loadgen.Result) section {
	rate, p50, p99, top := chart.Line{Name: "answers"}, chart.Line{Name: "p50"}, chart.Line{Name: "p99"}, chart.Line{Name: "max"}
	for _, iv := range r.Series {
		rate.Points = append(rate.Points, chart.Point{X: iv.AtSeconds, Y: iv.Rate})
		if iv.Rate > 0 {
			p50.Points = append(p50.Points, chart.Point{X: iv.AtSeconds, Y: iv.P50Ms})
			p99.Points = append(p99.Points, chart.Point{X: iv.AtSeconds, Y: iv.P99Ms})
			top.Points = append(top.Points, chart.Point{X: iv.AtSeconds, Y: iv.MaxMs})
		}
	}
	return section{Heading: "Over time", Charts: []chart.Drawing{
		chart.Chart{Title: "Throughput", XLabel: "seconds since the warm-up", YLabel: "requests per second", FromZero: true, Lines: []chart.Line{rate}}.SVG(),
		chart.Chart{Title: "Latency", XLabel: "seconds since the warm-up", YLabel: "ms", Y: chart.Log, Lines: []chart.Line{p50, p99, top}}.SVG(),
	}}
}

func outcomeSection(r *loadgen.Result) section {
	statuses := table{Caption: "HTTP statuses", Head: []string{"status", "count"}}
	for _, code := range slices.Sorted(maps.Keys(r.Statuses)) {
		statuses.Rows = append(statuses.Rows, []string{code, fmt.Sprint(r.Statuses[code])})
	}
	failures := table{Caption: "Failures", Head: []string{"kind", "count", "first seen"}}
	for _, f := range r.Failures {
		failures.Rows = append(failures.Rows, []string{f.Kind, fmt.Sprint(f.Count), f.Sample})
	}
	percent := func(v float64) string {
		if v < 0 {
			return "unknown"
		}
		return fmt.Sprintf("%.0f%%", 100*v)
	}
	usage := table{Caption: "Client and machine", Head: []string{"what", "value"}, Rows: [][]string{
		{"client's share of its cores", percent(r.Usage.ProcessCPU)}, {"machine's cores busy", percent(r.Usage.MachineCPU)},
		{"taken by the hypervisor", percent(r.Usage.Steal)}, {"client's CPU spent on garbage collection", percent(r.Usage.GCCPU)},
		{"client goroutines' wait for a core, p99", msText(r.Usage.SchedP99Ms)},
	}}
	return section{Heading: "Outcomes", Tables: []table{statuses, failures, usage}}
}

func searchSections(r *loadgen.SearchResult) []section {
	kept, missed := chart.Line{Name: "p99 where the limits held", Dots: true}, chart.Line{Name: "p99 where they did not", Dots: true}
	t := table{Caption: "Steps, in the order they ran", Head: []string{"rate", "attempt", "verdict", "answered", "p50", "p99", "max", "why"}, Good: "kept", Bad: "missed"}
	for _, s := range r.Steps {
		verdict, line := "missed", &missed
		if s.Pass {
			verdict, line = "kept", &kept
		}
		line.Points = append(line.Points, chart.Point{X: s.Rate, Y: s.Result.Latency.P99Ms})
		t.Rows = append(t.Rows, []string{
			rateText(s.Rate), fmt.Sprint(s.Attempt), verdict, rateText(s.Result.Throughput), msText(s.Result.Latency.P50Ms),
			msText(s.Result.Latency.P99Ms), msText(s.Result.Latency.MaxMs), strings.Join(append(s.Misses, s.Result.Findings...), "; "),
		})
	}
	return []section{{
		Heading: "Highest rate within the limits", Note: r.String() + ".",
		Cards: []card{{"highest rate", rateText(r.Rate)}, {"limits", strings.Join(r.Limits, ", ")}, {"steps", fmt.Sprint(len(r.Steps))}},
		Charts: []chart.Drawing{chart.Chart{
			Title: "Latency by rate", XLabel: "requests per second asked", YLabel: "p99 in ms", X: chart.Log, Y: chart.Log, Lines: []chart.Line{kept, missed},
		}.SVG()},
		Tables: []table{t},
	}}
}
