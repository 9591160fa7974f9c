package sim

import (
	"errors"
	"strconv"
	"time"

	"simplane/core"
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

// addReports schedules the scenario's reports and the first of each model. With
// a rival core scales nothing, and takes no figures.
func (e *engine) addReports() {
	if e.opts.Rival != nil {
		return
	}
	for _, g := range e.groups {
		for _, b := range g.backends {
			if b.fleet != nil && b.fleet.usage != nil {
				e.reporters = append(e.reporters, reporter{b: b, typ: "cpu", usage: b.fleet.usage})
				e.sampleIn(b.fleet.usage.every, len(e.reporters)-1)
			}
		}
	}
	for i := range e.sc.Reports {
		r := &e.sc.Reports[i]
		for _, b := range e.group(r.Function).backends {
			e.reporters = append(e.reporters, reporter{b: b, typ: r.Type, name: r.Name, value: r.Value})
			e.schedule(int64(r.At), evReport, int32(len(e.reporters)-1))
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
func (e *engine) sampleIn(d time.Duration, i int) {
	e.samplesDue++
	e.schedule(e.now+int64(d), evReport, int32(i))
}

// report tells core a figure. A model goes on for as long as anything else is
// to come: alone it would keep a run from ending.
func (e *engine) report(i int32) {
	r := &e.reporters[i]
	value, known := r.value, true
	if u := r.usage; u != nil {
		e.samplesDue--
		r.b.fleet.useCPU()
		value, known = u.mean()
		if len(e.q) > e.samplesDue {
			e.sampleIn(u.every, int(i))
		}
	}
	if !known {
		return
	}
	e.writeReport(r, value)
	e.reportedAt = e.now
	err := e.core.ReportMetric(r.b.name, r.typ, r.name, value)
	if (err == nil) != (r.b.fn != nil) || (err != nil && !errors.Is(err, core.ErrNotFound)) {
		e.fail("reports are taken", "%s: %s %s = %v: exists %v, core says %v", r.b.name, r.typ, r.name, value, r.b.fn != nil, err)
	}
}

func (e *engine) writeReport(r *reporter, value float64) {
	b := append(e.log.begin(e.now), "report "...)
	b = append(append(append(b, r.b.name...), ' '), r.typ...)
	if r.name != "" {
		b = strconv.AppendQuote(append(b, ' '), r.name)
	}
	e.log.end(strconv.AppendFloat(append(b, ' '), value, 'g', -1, 64))
}
