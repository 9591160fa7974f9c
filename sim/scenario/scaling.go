package scenario

import (
	"time"

	"simplane/core"
)

// Scaling is a function's scalingConfig. MaxReplicas 0 means that there is
// none.
type Scaling struct {
	Strategy           string
	MinReplicas        int
	MaxReplicas        int
	Metrics            []Metric
	ConcurrencyControl ConcurrencyControl
}

// Scaled says that a simulated provider runs the function's instances.
func (f *Function) Scaled() bool { return f.Scaling.MaxReplicas > 0 }

func (f *Function) autoscaled() bool { return f.Scaled() && f.Scaling.Strategy == "INTERNAL" }

// ConcurrencyControl is a function's concurrencyControl.
type ConcurrencyControl struct {
	Mode                               string
	Target, MinTarget, MaxTarget       int
	UpscaleCooldown, DownscaleCooldown int // ms
	HighLoad, LowLoad                  float64
}

// Provider is how a scaled function's instances are: each takes Startup until
// it is ready and runs Capacity executions at a time. More than that wait at
// the provider. With CPUPerExecution, the mean cpu of the ready instances over
// each ReportInterval is reported at its end.
type Provider struct {
	Startup         time.Duration
	Capacity        int
	CPUPerExecution float64 // percent of an instance; 0 = its cpu is not modelled
	ReportInterval  time.Duration
}

// Autoscale is the autoscaler's times; see core.Config.
type Autoscale struct {
	Interval, UpCooldown, DownCooldown, DownWindow, ToZeroGrace time.Duration
}

func newScaling() Scaling {
	return Scaling{Strategy: "INTERNAL", ConcurrencyControl: newConcurrencyControl()}
}

func newConcurrencyControl() ConcurrencyControl {
	return ConcurrencyControl{
		Mode:   core.ConcurrencyFixed,
		Target: int(limits.TargetPerPod.Default), MinTarget: int(limits.MinTargetPerPod.Default), MaxTarget: int(limits.MaxTargetPerPod.Default),
		UpscaleCooldown: int(limits.UpscaleCooldown.Default), DownscaleCooldown: int(limits.DownscaleCooldown.Default),
		HighLoad: limits.HighLoad.Default, LowLoad: limits.LowLoad.Default,
	}
}

func newProvider() Provider {
	return Provider{Startup: time.Second, Capacity: 1, ReportInterval: 15 * time.Second}
}

var scalingTable = &record[Scaling]{
	what: "scaling", fresh: newScaling,
	fields: []field[Scaling]{
		{key: "strategy", doc: "INTERNAL: core's autoscaler; NONE: nobody, it stays at minReplicas.", typ: choice{[]string{"INTERNAL", "NONE"}}, at: func(s *Scaling) any { return &s.Strategy }},
		{key: "minReplicas", doc: "Instances at least.", typ: counted(limits.MinReplicas), must: true, at: func(s *Scaling) any { return &s.MinReplicas }},
		{key: "maxReplicas", doc: "Instances at most.", typ: counted(limits.MaxReplicas), must: true, at: func(s *Scaling) any { return &s.MaxReplicas }},
		{key: "metrics", doc: "Figures to hold at their target; without any, all work at targetInFlightPerPod.", typ: list[Metric]{metricTable, 0}, at: func(s *Scaling) any { return &s.Metrics }},
		{key: "concurrencyControl", doc: "How many executions an instance is given at once.", typ: concurrencyTable, at: func(s *Scaling) any { return &s.ConcurrencyControl }},
	},
}

// scalingFlowTable is scalingTable on one line, as an update has it.
var scalingFlowTable = func() *record[Scaling] {
	flow := *scalingTable
	flow.flow = true
	return &flow
}()

var concurrencyTable = &record[ConcurrencyControl]{
	what: "concurrencyControl", flow: true, fresh: newConcurrencyControl,
	fields: []field[ConcurrencyControl]{
		{key: "mode", doc: "FIXED: the function's concurrency; the others grow with the instances.", typ: choice{[]string{core.ConcurrencyFixed, core.ConcurrencyStatic, core.ConcurrencyAdaptive}}, at: func(c *ConcurrencyControl) any { return &c.Mode }},
		{key: "targetInFlightPerPod", doc: "Executions for each instance; ADAPTIVE_PER_POD begins with it.", typ: counted(limits.TargetPerPod), at: func(c *ConcurrencyControl) any { return &c.Target }},
		{key: "minTargetInFlightPerPod", doc: "ADAPTIVE_PER_POD: at least.", typ: counted(limits.MinTargetPerPod), at: func(c *ConcurrencyControl) any { return &c.MinTarget }},
		{key: "maxTargetInFlightPerPod", doc: "ADAPTIVE_PER_POD: at most.", typ: counted(limits.MaxTargetPerPod), at: func(c *ConcurrencyControl) any { return &c.MaxTarget }},
		{key: "upscaleCooldownMs", doc: "ADAPTIVE_PER_POD: pause before a rise.", typ: counted(limits.UpscaleCooldown), at: func(c *ConcurrencyControl) any { return &c.UpscaleCooldown }},
		{key: "downscaleCooldownMs", doc: "ADAPTIVE_PER_POD: pause before a fall.", typ: counted(limits.DownscaleCooldown), at: func(c *ConcurrencyControl) any { return &c.DownscaleCooldown }},
		{key: "highLoadThreshold", doc: "ADAPTIVE_PER_POD: share of slots in use from which it rises.", typ: shared(limits.HighLoad), at: func(c *ConcurrencyControl) any { return &c.HighLoad }},
		{key: "lowLoadThreshold", doc: "ADAPTIVE_PER_POD: share up to which it falls.", typ: shared(limits.LowLoad), at: func(c *ConcurrencyControl) any { return &c.LowLoad }},
	},
}

var providerTable = &record[Provider]{
	what: "provider", flow: true, fresh: newProvider,
	fields: []field[Provider]{
		{key: "startup", doc: "From the call for an instance until it is ready.", typ: anyTime, at: func(p *Provider) any { return &p.Startup }},
		{key: "capacity", doc: "Executions an instance runs at a time.", typ: counted(limits.Concurrency), at: func(p *Provider) any { return &p.Capacity }},
		{key: "cpuPerExecution", doc: "Percent of an instance's cpu that an execution takes while it runs; the ready instances' mean is then reported. 0 = it is not.", typ: number{0, 100}, at: func(p *Provider) any { return &p.CPUPerExecution }},
		{key: "reportInterval", doc: "How often, and the time that the mean is over.", typ: reportInterval, at: func(p *Provider) any { return &p.ReportInterval }},
	},
}

var autoscaleTable = &record[Autoscale]{
	what: "autoscale", flow: true, fresh: func() Autoscale { return New().Core.Autoscale },
	fields: []field[Autoscale]{
		{key: "interval", doc: "Time between looks at a function.", typ: lasting(limits.AutoscaleInterval), at: func(a *Autoscale) any { return &a.Interval }},
		{key: "scaleUpCooldown", doc: "Pause between steps up that do not double.", typ: lasting(limits.ScaleUpCooldown), at: func(a *Autoscale) any { return &a.UpCooldown }},
		{key: "scaleDownCooldown", doc: "Pause between a step and the next one down.", typ: lasting(limits.ScaleDownCooldown), at: func(a *Autoscale) any { return &a.DownCooldown }},
		{key: "scaleDownWindow", doc: "Replicas fall to the most that was wanted this long.", typ: lasting(limits.ScaleDownWindow), at: func(a *Autoscale) any { return &a.DownWindow }},
		{key: "scaleToZeroGrace", doc: "Time without work after which they fall to the minimum.", typ: lasting(limits.ScaleToZeroGrace), at: func(a *Autoscale) any { return &a.ToZeroGrace }},
	},
}

func (f *Function) checkScaling(p *problems) {
	s, b := &f.Scaling, &f.Behavior
	f.checkMetrics(p)
	if !f.Scaled() {
		return
	}
	if b.ColdStart.InitDuration > 0 {
		p.Add(f.Line, "functions: %q has scaling, with which coldStart cannot be combined; its cold starts follow from provider.startup", f.Name)
	}
	s.check(f.Line, p)
}

// check reports bounds of scaling that contradict each other.
func (s *Scaling) check(line int, p *problems) {
	if s.MinReplicas > s.MaxReplicas {
		p.Add(line, "scaling: minReplicas %d is above maxReplicas %d; swap them", s.MinReplicas, s.MaxReplicas)
	}
	if c := &s.ConcurrencyControl; c.MinTarget > c.MaxTarget {
		p.Add(line, "concurrencyControl: minTargetInFlightPerPod %d is above maxTargetInFlightPerPod %d; swap them", c.MinTarget, c.MaxTarget)
	} else if c.LowLoad >= c.HighLoad {
		p.Add(line, "concurrencyControl: lowLoadThreshold %v is not below highLoadThreshold %v", c.LowLoad, c.HighLoad)
	}
	for i := range s.Metrics {
		checkName(p, line, "metric", s.Metrics[i].Type, s.Metrics[i].Name)
	}
}

// scaledFaults reports provider outages of functions without a provider, and other
// scaling for them.
func scaledFaults(s *Scenario, p *problems) {
	for i := range s.Faults {
		f := &s.Faults[i]
		if fn := s.Find(f.Function); f.Kind == "provider-outage" && fn != nil && !fn.Scaled() {
			p.Add(f.Line, "fault provider-outage: function %q has no scaling, so no provider; add scaling to it", f.Function)
		} else if f.Change.Scaling != nil && fn != nil {
			if !fn.Scaled() {
				p.Add(f.Line, "fault update: function %q has no scaling, so no provider; add scaling to it", f.Function)
			}
			f.Change.Scaling.check(f.Line, p)
		}
	}
}
