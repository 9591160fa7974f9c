package world

import (
	"time"

	"simplane/sim/scenario"
)

// reporter tells core one figure: once, or again and again from what a fleet's
// instances use.
type reporter struct {
	b     *backend
	typ   string
	name  string  // of a prometheus metric
	value float64 // what a single report says
	usage *usage  // nil for a single report
}

// usage is the model of how much cpu a fleet's instances use.
type usage struct {
	perExecution float64 // percent of an instance
	every        time.Duration
	since        int64 // virtual ns that the integrals have come to

	// Time integrals since the last report: ns.
	busy, ready int64
}

// elapse brings the integrals up to now; it must be called before a change.
func (u *usage) elapse(now int64, busy, ready int) {
	if u != nil {
		u.busy += (now - u.since) * int64(busy)
		u.ready += (now - u.since) * int64(ready)
		u.since = now
	}
}

// mean is the mean over time and ready instances, in percent; false when none
// was ready. It begins a new interval.
func (u *usage) mean() (float64, bool) {
	busy, ready := u.busy, u.ready
	u.busy, u.ready = 0, 0
	if ready == 0 {
		return 0, false
	}
	// Instances that went may have left executions running.
	return min(float64(u.perExecution*float64(busy))/float64(ready), 100), true
}

// addReports schedules the scenario's reports and the first of each model. When
// a Rival scales, core scales nothing, and is told no figures.
func (w *World) addReports() {
	if w.rival != nil {
		return
	}
	for _, b := range w.backends {
		if b.fleet != nil && b.fleet.usage != nil {
			w.reporters = append(w.reporters, reporter{b: b, typ: "cpu", usage: b.fleet.usage})
			w.sampleIn(b.fleet.usage.every, len(w.reporters)-1)
		}
	}
	for i := range w.sc.Reports {
		r := &w.sc.Reports[i]
		for _, b := range w.declared(r.Function) {
			w.reporters = append(w.reporters, reporter{b: b, typ: r.Type, name: r.Name, value: r.Value})
			w.reports.At(int64(r.At), int32(len(w.reporters)-1))
		}
	}
}

func newUsage(p *scenario.Provider) *usage {
	if p.CPUPerExecution == 0 {
		return nil
	}
	return &usage{perExecution: p.CPUPerExecution, every: p.ReportInterval}
}

// sampleIn schedules the report of a model.
func (w *World) sampleIn(d time.Duration, i int) {
	w.samplesDue++
	w.reports.In(int64(d), int32(i))
}

// report tells core a figure. A model is scheduled again only while other events
// are pending: alone it would keep a run from ending.
func (w *World) report(i int32) {
	r := &w.reporters[i]
	value, known := r.value, true
	if u := r.usage; u != nil {
		w.samplesDue--
		r.b.fleet.useCPU()
		value, known = u.mean()
		if w.loop.Pending() > w.samplesDue {
			w.sampleIn(u.every, int(i))
		}
	}
	if !known {
		return
	}
	w.witness.Reporting(r.b.number, r.typ, r.name, value)
	err := w.core.ReportMetric(r.b.name, r.typ, r.name, value)
	w.witness.Reported(r.b.number, r.typ, r.name, value, err)
}
