package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what a soak found.
type report struct {
	Options  options `json:"options"`
	Duration string  `json:"duration"`
	Took     string  `json:"took"`
	Capacity float64 `json:"measuredCapacity"` // jobs a second, closed loop
	Steps    []step  `json:"capacitySteps"`
	Rate     float64 `json:"rate"` // jobs a second that should be sent
	// What was sent, jobs a second and as a share of the capacity.
	AchievedRate  float64 `json:"achievedRate"`
	AchievedShare float64 `json:"achievedShare"`

	Sent      int64              `json:"jobsSent"`
	Skipped   int64              `json:"jobsSkipped"` // the client's own bound
	Accepted  int                `json:"accepted"`
	Functions map[string]*counts `json:"functions"`
	Refused   map[string]int     `json:"refused"`
	Joined    int64              `json:"idempotentJoins"`
	Lookups   int64              `json:"lookups"`
	Probes    int                `json:"readinessProbes"`
	Replayed  int64              `json:"decisionsReplayed"`
	Chaos     map[string]int64   `json:"chaos"`

	Trends        []trend `json:"trends"`
	Before, After reading
	Readings      []reading `json:"readings"` // over the whole run

	Violations []string `json:"violations"`
	Broken     int      `json:"violationCount"`
	Log        string   `json:"-"`
}

func (r *report) fill(g *load, t *tracker, l *ledger, v *vitals, x *chaos, took time.Duration) {
	r.Took = took.Round(time.Second).String()
	r.Sent, r.Skipped, r.Joined = g.sent.Load(), g.dropped.Load(), g.joined.Load()
	r.Lookups, r.Probes, r.Readings = t.lookups.Load(), v.probes, v.readings
	r.Functions, r.Refused = l.counts, l.refused
	r.Accepted = len(l.ids)
	r.Violations, r.Broken = l.violations, l.broken
	r.Chaos = map[string]int64{
		"function processes killed": x.Kills.Load(), "jobs that crash their process": x.Crashes.Load(),
		"SIGHUPs": x.Hangups.Load(), "of them with a broken file": x.BrokenHangups.Load(),
		"config PATCHes": x.Patches.Load(), "stale PATCHes refused": x.StalePatches.Load(), "delete and re-create": x.Recreated.Load(),
		"connection floods": x.Floods.Load(), "connections in them": x.Flooded.Load(), "garbage requests": x.Garbage.Load(),
		"dead letters redriven": x.Redriven.Load(),
	}
}

func (r *report) achieved(sent int64, in time.Duration) {
	r.AchievedRate = float64(sent) / in.Seconds()
	r.AchievedShare = r.AchievedRate / max(r.Capacity, 1)
}

// ok says that every promise was kept.
func (r *report) ok() bool { return r.Broken == 0 }

func (r *report) String() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("soak of %s (%s with settling), seed %d", r.Duration, r.Took, r.Options.Seed)
	p("measured capacity %.0f jobs/s:", r.Capacity)
	printSteps(&b, r.Steps)
	p("sent %.0f jobs/s, which is %.0f%% of it (asked for: %.0f jobs/s, %.0f%%)",
		r.AchievedRate, 100*r.AchievedShare, r.Rate, 100*r.Rate/max(r.Capacity, 1))
	p("%d jobs sent in all, %d executions accepted, %d skipped by the client's own bound", r.Sent, r.Accepted, r.Skipped)
	p("")
	p("%-10s %9s %9s %9s %9s", "function", "accepted", "success", "error", "timeout")
	for _, name := range slices.Sorted(maps.Keys(r.Functions)) {
		c := r.Functions[name]
		p("%-10s %9d %9d %9d %9d", name, c.Accepted, c.Success, c.Error, c.Timeout)
	}
	p("")
	for _, code := range slices.Sorted(maps.Keys(r.Refused)) {
		p("refused %-22s %9d", code, r.Refused[code])
	}
	p("%-30s %9d", "idempotent joins", r.Joined)
	p("%-30s %9d", "look-ups", r.Lookups)
	p("%-30s %9d", "readiness probes, all ok", r.Probes)
	p("%-30s %9d", "decisions replayed, identical", r.Replayed)
	for _, what := range slices.Sorted(maps.Keys(r.Chaos)) {
		p("%-30s %9d", what, r.Chaos[what])
	}
	p("")
	for _, t := range r.Trends {
		p("%s", t)
	}
	p("idle before: %.0f goroutines, %.0f files, %.0f MiB; idle after: %.0f goroutines, %.0f files, %.0f MiB",
		r.Before.Goroutines, r.Before.Files, r.Before.Memory/(1<<20), r.After.Goroutines, r.After.Files, r.After.Memory/(1<<20))
	p("")
	if r.ok() {
		p("all promises kept: each of the %d accepted executions ended exactly once, and client, /v1/admin/stats and Prometheus agree", r.Accepted)
	} else {
		p("%d VIOLATIONS", r.Broken)
		for _, v := range r.Violations {
			p("  %s", v)
		}
	}
	return b.String()
}
