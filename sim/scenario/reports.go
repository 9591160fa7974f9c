package scenario

import (
	"slices"
	"time"
)

// Figures that core is told, and does not measure itself.
var reportedTypes = []string{"cpu", "memory", "prometheus"}

// metricTypes are all figures that a function can be scaled by.
var metricTypes = slices.Concat([]string{"queue_depth", "in_flight", "rps"}, reportedTypes)

// Metric is one scaling target.
type Metric struct {
	Type   string
	Name   string // of a prometheus metric, else ""
	Target float64
}

// Reported says that core has to be told the metric's figure.
func (m *Metric) Reported() bool { return slices.Contains(reportedTypes, m.Type) }

// ScalesByReports says that core has to be told a figure to scale the function.
func (f *Function) ScalesByReports() bool {
	return slices.ContainsFunc(f.Scaling.Metrics, func(m Metric) bool { return m.Reported() })
}

// Report tells a metric's figure at one virtual time: the mean over the
// function's instances, in the unit of the metric's target. It counts for 60 s.
type Report struct {
	Line     int
	At       time.Duration
	Function string
	Type     string
	Name     string // of a prometheus metric, else ""
	Value    float64
}

// maxFigure bounds a reported figure; memory may be in bytes.
const maxFigure = 1e15

var reportTable = &record[Report]{
	what: "report", flow: true, fresh: func() Report { return Report{} },
	line: func(r *Report) *int { return &r.Line },
	fields: []field[Report]{
		{key: "at", doc: "When.", typ: anyTime, must: true, at: func(r *Report) any { return &r.At }},
		{key: "function", doc: "Whose.", typ: text{}, must: true, at: func(r *Report) any { return &r.Function }},
		{key: "type", doc: "Which of its metrics.", typ: choice{reportedTypes}, must: true, at: func(r *Report) any { return &r.Type }},
		{key: "name", doc: "prometheus: the metric's name.", typ: text{}, at: func(r *Report) any { return &r.Name }},
		{key: "value", doc: "The figure, as the mean over the instances; it counts for 60s.", typ: number{0, maxFigure}, must: true, at: func(r *Report) any { return &r.Value }},
	},
}

// reportInterval bounds the time between the figures of a modelled instance.
var reportInterval = span{10 * time.Millisecond, time.Hour}

var metricTable = &record[Metric]{
	what: "metric", flow: true, fresh: func() Metric { return Metric{} },
	fields: []field[Metric]{
		{key: "type", doc: "Which figure. cpu, memory and prometheus have to be told: by reports, or for cpu by provider.cpuPerExecution.", typ: choice{metricTypes}, must: true, at: func(m *Metric) any { return &m.Type }},
		{key: "name", doc: "prometheus: which one.", typ: text{}, at: func(m *Metric) any { return &m.Name }},
		{key: "target", doc: "Its value for each instance; cpu in percent of an instance.", typ: number{1e-6, maxFigure}, must: true, at: func(m *Metric) any { return &m.Target }},
	},
}

// checkMetrics reports metrics and an instance model that do not fit together.
func (f *Function) checkMetrics(p *problems) {
	cpu := false
	for i := range f.Scaling.Metrics {
		m := &f.Scaling.Metrics[i]
		cpu = cpu || m.Type == "cpu"
		if !f.Scaled() {
			checkName(p, f.Line, "metric", m.Type, m.Name)
		}
	}
	model := &f.Provider
	switch {
	case model.CPUPerExecution == 0:
		if model.ReportInterval != newProvider().ReportInterval {
			p.Add(f.Line, "provider: reportInterval without cpuPerExecution reports nothing; add cpuPerExecution or remove it")
		}
	case !cpu || !f.autoscaled():
		p.Add(f.Line, "provider: nobody looks at cpuPerExecution; it needs scaling with strategy INTERNAL and {type: cpu} in its metrics")
	case model.CPUPerExecution*float64(model.Capacity) > 100:
		p.Add(f.Line, "provider: cpuPerExecution %v times capacity %d is above the 100 percent of an instance; lower one of them", model.CPUPerExecution, model.Capacity)
	}
}

// checkName demands a name of prometheus metrics, and of no others.
func checkName(p *problems, line int, what, typ, name string) {
	switch {
	case typ == "prometheus" && name == "":
		p.Add(line, "prometheus %s needs %q; add it", what, "name")
	case typ != "prometheus" && name != "":
		p.Add(line, "%s %s does not take %q; remove it", typ, what, "name")
	}
}

// checkReports reports those that core would refuse, or that contradict the model.
func checkReports(s *Scenario, p *problems) {
	for i := range s.Reports {
		r := &s.Reports[i]
		checkName(p, r.Line, "report", r.Type, r.Name)
		f := s.Find(r.Function)
		switch {
		case f == nil: // references reports it
		case !f.takes(r):
			p.Add(r.Line, "report: function %q is not scaled by %s; add it to the metrics of its scaling, with strategy INTERNAL", r.Function, r.metric())
		case r.Type == "cpu" && f.Provider.CPUPerExecution > 0:
			p.Add(r.Line, "report: the cpu of function %q follows from provider.cpuPerExecution; remove one of them", r.Function)
		}
	}
}

// metric is the metric as a message names it.
func (r *Report) metric() string {
	if r.Name == "" {
		return r.Type
	}
	return r.Type + " " + shown(r.Name)
}

// takes says that core accepts a report for the function.
func (f *Function) takes(r *Report) bool {
	return f.autoscaled() &&
		slices.ContainsFunc(f.Scaling.Metrics, func(m Metric) bool { return m.Type == r.Type && m.Name == r.Name })
}
