package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"simplane/bench/latency"
)

// Text writes what a reader at a terminal wants to know.
func (d *Document) Text(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	switch {
	case d.HTTP != nil:
		d.httpText(tw)
	case d.Search != nil:
		d.searchText(tw)
	case d.Compare != nil:
		d.compareText(tw)
	case d.Core != nil:
		d.coreText(tw)
	case d.Growth != nil:
		d.growthText(tw)
	}
	for _, f := range d.findings() {
		fmt.Fprintf(tw, "note: %s\n", f)
	}
	return tw.Flush()
}

func (d *Document) httpText(w io.Writer) {
	r := d.HTTP
	load := "closed loop"
	if r.Mode == "open" {
		load = fmt.Sprintf("open loop, %s arrivals, %s asked", r.Arrival, rateText(r.RateAsked))
	}
	fmt.Fprintf(w, "%s, %d connections, %.1f s measured\n", load, r.Connections, r.ElapsedSeconds)
	fmt.Fprintf(w, "throughput %s, ok %d, failed %d, unsent %d\n\n", rateText(r.Throughput), r.OK, r.Failed, r.Unsent)
	fmt.Fprintln(w, "\tmean\tp50\tp90\tp95\tp99\tp99.9\tp99.99\tmax")
	row := func(name string, s latency.Summary) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, msText(s.MeanMs), msText(s.P50Ms), msText(s.P90Ms), msText(s.P95Ms),
			msText(s.P99Ms), msText(s.P999Ms), msText(s.P9999), msText(s.MaxMs))
	}
	row("latency", r.Latency)
	if r.Mode == "open" {
		row("service time", r.Service)
		row("schedule slip", r.Slip)
		row("connection wait", r.Wait)
	}
	for _, s := range r.Stages {
		row("stage "+s.Stage+" "+rateText(s.Throughput), s.Latency)
	}
	if len(r.Targets) > 1 {
		for _, t := range r.Targets {
			row(t.Name, t.Latency)
		}
	}
	fmt.Fprintln(w)
	for _, f := range r.Failures {
		fmt.Fprintf(w, "failed: %s, %d times: %s\n", f.Kind, f.Count, strings.ReplaceAll(f.Sample, "\n", " "))
	}
}

func (d *Document) searchText(w io.Writer) {
	fmt.Fprintln(w, "rate\tattempt\tverdict\tp50\tp99\tmax\twhy")
	for _, s := range d.Search.Steps {
		verdict := "missed"
		if s.Pass {
			verdict = "kept"
		}
		l := s.Result.Latency
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", rateText(s.Rate), s.Attempt, verdict, msText(l.P50Ms), msText(l.P99Ms), msText(l.MaxMs), strings.Join(s.Misses, "; "))
	}
	fmt.Fprintf(w, "\n%s\n", d.Search)
}
