package main

import (
	"fmt"
	"io"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

// comparison is one scenario with all contenders.
type comparison struct {
	Scenario, Description string
	Figures               []figures
}

// figures are one contender's: means over the seeds.
type figures struct {
	Name                         string
	E2EMean, E2EP50, E2EP99      time.Duration
	Refused, Cold, Steps, Turns  float64
	Peak, ReplicaSeconds, Served float64
	plot                         *sim.Plot // of the first seed
	function                     int       // in plot
}

func measure(sc scenario.Scenario, who contender, seeds int) (figures, error) {
	f := figures{Name: who.name, function: -1}
	for i := range sc.Functions {
		if sc.Functions[i].Scaled() && f.function < 0 {
			f.function = i
		}
	}
	if f.function < 0 {
		return f, fmt.Errorf("%s: no function has scaling", sc.Name)
	}
	first := sc.Seed
	for i := range seeds {
		sc.Seed = first + uint64(i)
		r, err := sim.Run(&sc, sim.Options{Series: true, Rival: who.rival, Unchecked: who.rival != nil})
		if err != nil {
			return f, err
		}
		if r.Violation != nil {
			return f, r.Violation
		}
		f.add(r, float64(seeds))
		if i == 0 {
			f.plot = r.Plot
		}
	}
	return f, nil
}

func (f *figures) add(r *sim.Result, seeds float64) {
	fn := &r.Functions[f.function]
	count := func(name string) float64 { return float64(fn.Counts.Get(name)) / seeds }
	mean := func(ns int64) time.Duration { return time.Duration(float64(ns) / seeds) }
	f.E2EMean += mean(fn.E2E.Mean)
	f.E2EP50 += mean(fn.E2E.P50)
	f.E2EP99 += mean(fn.E2E.P99)
	f.Refused += float64(fn.Counts.Rejected()) / seeds
	f.Served += count("success")
	f.Cold += count("cold_starts")
	f.Steps += count("scale_ups") + count("scale_downs")
	f.Turns += count("scale_turns")
	f.ReplicaSeconds += count("replica_seconds")
	peak := 0
	for _, n := range r.Plot.Functions[f.function].Replicas {
		peak = max(peak, n)
	}
	f.Peak += float64(peak) / seeds
}

var head = []string{"scenario", "autoscaler", "e2e mean", "p50", "p99", "replica seconds", "peak", "steps", "turns", "cold starts", "refused"}

func (c *comparison) rows() (rows [][]string) {
	ms := func(d time.Duration) string { return d.Round(time.Millisecond).String() }
	for _, f := range c.Figures {
		rows = append(rows, []string{c.Scenario, f.Name, ms(f.E2EMean), ms(f.E2EP50), ms(f.E2EP99),
			fmt.Sprintf("%.0f", f.ReplicaSeconds), fmt.Sprintf("%.1f", f.Peak), fmt.Sprintf("%.1f", f.Steps),
			fmt.Sprintf("%.1f", f.Turns), fmt.Sprintf("%.1f", f.Cold), fmt.Sprintf("%.1f", f.Refused)})
	}
	return rows
}

func printTable(w io.Writer, all []comparison) {
	line := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(w, "| %s ", c)
		}
		fmt.Fprintln(w, "|")
	}
	line(head)
	fmt.Fprintln(w, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for i := range all {
		for _, row := range all[i].rows() {
			line(row)
		}
	}
}
