package swarm

import (
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// operations gives a scenario what operators, callbacks and configurations can do
// beside calls and failures.
func (g *generator) operations(sc *scenario.Scenario) {
	c := &sc.Core
	if g.chance(0.4) {
		c.Shards = []int{2, 8}[g.r.IntN(2)]
	}
	if g.chance(0.3) {
		c.Backlog = scenario.Backlogs[1]
	}
	c.BorrowedInputs = g.chance(0.3)
	c.SchedulerOff = g.chance(0.08)
	c.SyncQueue.EstimateDisabled = g.chance(0.1)
	switch {
	case c.Journal.Enabled:
		c.DeadLetters.Max = 1 + g.r.IntN(100)
	case g.chance(0.4):
		g.letters(c)
	}
	for i := range sc.Functions {
		if g.chance(0.2) {
			sc.Functions[i].RateMaxPerSecond = 1 + g.r.Int64N(40)
		}
	}
	for i := range sc.Load {
		if l := &sc.Load[i]; l.Mode == "invoke" {
			l.CallerRuns = g.chance(0.2)
			l.Leaves.Forgets = l.Leaves.After > 0 && g.chance(0.5)
		}
	}
	for _, mode := range []string{"complete", "cancel", "redrive", "drain-once", "mistake"} {
		if g.chance(0.2) || mode == "drain-once" && c.SchedulerOff {
			sc.Load = append(sc.Load, g.operator(sc, mode))
		}
	}
	for range g.r.IntN(3) {
		sc.Faults = append(sc.Faults, g.setting(sc))
	}
	if g.chance(0.06) {
		g.drain(sc)
	}
}

// letters bounds dead letters so that the bounds are reached: of bytes or of time, since
// with both it is not known whose letters were past their TTL and took room.
func (g *generator) letters(c *scenario.Core) {
	d := &c.DeadLetters
	if g.chance(0.6) {
		d.Max = 1 + g.r.IntN(12)
	}
	if g.chance(0.5) {
		d.MaxBytes = 300 + g.r.Int64N(5000)
	} else if g.chance(0.5) {
		d.TTL = g.between(time.Second, 20*time.Second)
	}
	if g.chance(0.1) {
		d.Max = -1
	}
}

// operator is a stream of what an operator does to one function.
func (g *generator) operator(sc *scenario.Scenario, mode string) scenario.Load {
	fn := &sc.Functions[g.r.IntN(len(sc.Functions))]
	l := scenario.Load{Function: fn.Name, Mode: mode}
	l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: float64(1+g.r.IntN(500)) / 100 / float64(fn.Copies)}
	if mode == "drain-once" {
		l.Arrivals.Rate *= 10
	}
	if mode == "complete" {
		l.FailureRate = float64(g.r.IntN(4)) / 4
	}
	return l
}

// setting changes a setting of core, or forgets dead letters.
func (g *generator) setting(sc *scenario.Scenario) scenario.Fault {
	f := scenario.Fault{At: g.between(0, g.duration)}
	switch g.r.IntN(3) {
	case 0:
		f.Kind, f.Rate = "set-rate", new(g.r.Int64N(200))
	case 1:
		q := scenario.New().Core.SyncQueue
		q.Enabled, q.MaxConcurrency, q.MaxDepth = g.chance(0.8), 1+g.r.IntN(10), 1+g.r.IntN(30)
		q.MaxEstimatedWait, q.MaxQueueWait = g.between(10*time.Millisecond, 3*time.Second), g.between(10*time.Millisecond, 3*time.Second)
		f.Kind, f.SyncQueue = "set-sync-queue", &q
	case 2:
		f.Kind, f.Function = "purge", sc.Functions[g.r.IntN(len(sc.Functions))].Name
	}
	return f
}

// drain has core take no more work from a time on. With a journal it leaves durable
// work for the next process, so there is one.
func (g *generator) drain(sc *scenario.Scenario) {
	at := g.between(g.duration/2, g.duration)
	sc.Faults = append(sc.Faults, scenario.Fault{At: at, Kind: "drain"})
	if sc.Core.Journal.Enabled {
		sc.Faults = append(sc.Faults, scenario.Fault{At: at + g.between(time.Second, 10*time.Second), Kind: "crash", For: g.between(time.Millisecond, 3*time.Second)})
	}
}

// grace has some drains come to an end: what the next process does not go on with is
// cancelled then.
func (g *generator) grace(sc *scenario.Scenario) {
	for i := range sc.Faults {
		if f := &sc.Faults[i]; f.Kind == "drain" && g.chance(0.7) {
			f.For = g.between(time.Millisecond, 3*time.Second)
		}
	}
}

// scaling has some functions scaled, by every metric and policy, with a provider that
// fails now and then.
func (g *generator) scaling(sc *scenario.Scenario) {
	if !g.chance(0.5) {
		return
	}
	if g.chance(0.7) {
		sc.Core.Autoscale = scenario.Autoscale{
			Interval: g.between(100*time.Millisecond, 2*time.Second), UpCooldown: g.between(100*time.Millisecond, 4*time.Second), DownCooldown: g.between(100*time.Millisecond, 4*time.Second),
			DownWindow: g.between(100*time.Millisecond, 8*time.Second), ToZeroGrace: g.between(100*time.Millisecond, 8*time.Second),
		}
	}
	var scaled []*scenario.Function
	for i := range sc.Functions {
		if f := &sc.Functions[i]; f.Copies == 1 && g.chance(0.6) {
			g.scaled(f)
			scaled = append(scaled, f)
		}
	}
	for _, f := range scaled {
		g.figures(sc, f)
		for range g.r.IntN(4) {
			sc.Faults = append(sc.Faults, g.scalingFault(f))
		}
	}
}

func (g *generator) scaled(f *scenario.Function) {
	f.Behavior.ColdStart = scenario.ColdStart{}
	f.Scaling = g.scalingOf()
	f.Provider.Startup, f.Provider.Capacity = g.between(0, 2*time.Second), 1+g.r.IntN(5)
	cpu := slices.ContainsFunc(f.Scaling.Metrics, func(m scenario.Metric) bool { return m.Type == "cpu" })
	if cpu && f.Scaling.Strategy == "INTERNAL" && g.chance(0.5) {
		f.Provider.CPUPerExecution = float64(1 + g.r.IntN(100/f.Provider.Capacity))
		f.Provider.ReportInterval = g.between(100*time.Millisecond, 3*time.Second)
	}
}

func (g *generator) scalingOf() scenario.Scaling {
	s := scenario.NewFunction().Scaling
	s.MinReplicas = g.r.IntN(3)
	s.MaxReplicas = max(1, s.MinReplicas) + g.r.IntN(10)
	if g.chance(0.15) {
		s.Strategy = "NONE"
	}
	for _, typ := range []string{"queue_depth", "in_flight", "rps", "cpu", "memory", "prometheus"} {
		if g.chance(0.25) {
			m := scenario.Metric{Type: typ, Target: float64(1+g.r.IntN(200)) / 10}
			if typ == "prometheus" {
				m.Name = "backlog"
			}
			s.Metrics = append(s.Metrics, m)
		}
	}
	c := &s.ConcurrencyControl
	c.Mode = []string{core.ConcurrencyFixed, core.ConcurrencyStatic, core.ConcurrencyAdaptive}[g.r.IntN(3)]
	c.Target, c.MinTarget = 1+g.r.IntN(6), 1+g.r.IntN(3)
	c.MaxTarget = c.MinTarget + g.r.IntN(6)
	c.UpscaleCooldown, c.DownscaleCooldown = g.r.IntN(3000), g.r.IntN(3000)
	return s
}

// figures tells a function's reported metrics now and then.
func (g *generator) figures(sc *scenario.Scenario, f *scenario.Function) {
	for _, m := range f.Scaling.Metrics {
		if !m.Reported() || f.Scaling.Strategy != "INTERNAL" || m.Type == "cpu" && f.Provider.CPUPerExecution > 0 {
			continue
		}
		for range g.r.IntN(6) {
			sc.Reports = append(sc.Reports, scenario.Report{At: g.between(0, g.duration), Function: f.Name, Type: m.Type, Name: m.Name, Value: float64(g.r.IntN(400)) / 10})
		}
	}
}

func (g *generator) scalingFault(f *scenario.Function) scenario.Fault {
	fault := scenario.Fault{At: g.between(0, g.duration), Function: f.Name}
	switch g.r.IntN(3) {
	case 0:
		fault.Kind, fault.For = "provider-outage", g.between(time.Millisecond, g.duration/4)
	case 1:
		fault.Kind, fault.Replicas = "set-replicas", new(g.r.IntN(12))
	case 2:
		next := g.scalingOf()
		fault.Kind, fault.Change.Scaling = "update", &next
	}
	return fault
}
