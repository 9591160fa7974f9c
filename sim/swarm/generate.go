// Package swarm runs random scenarios with random faults, seed after seed, and
// shrinks one that breaks an invariant to a small scenario file.
package swarm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// maxArrivals bounds the calls of one random scenario, so that many seeds can
// be tried.
const maxArrivals = 20_000

// faultKinds are those drawn. Not scenario.FaultKinds: a kind added there must
// not change what every seed stands for.
var faultKinds = []string{"outage", "slowdown", "clock-jump", "delete-function", "create-function", "reconfigure", "cancel", "redrive"}

// generator draws a scenario. Round numbers are frequent: they make events
// coincide and ages hit their limits exactly.
type generator struct {
	r        *rand.Rand
	duration time.Duration
}

// Generate makes the scenario of a seed.
func Generate(seed uint64, duration time.Duration) *scenario.Scenario {
	g := &generator{r: rand.New(rand.NewPCG(seed, 0x7377_6172_6d)), duration: duration}
	sc := scenario.New()
	sc.Name = fmt.Sprintf("swarm-%d", seed)
	sc.Seed = seed
	sc.Duration = duration
	g.core(&sc.Core)
	if g.chance(0.6) {
		sc.Settle = max(sc.Core.TTL, sc.Core.IdempotencyTTL, sc.Core.StaleTTL) + 10*time.Second
	}
	for i := range 1 + g.r.IntN(5) {
		sc.Functions = append(sc.Functions, g.function(fmt.Sprintf("f%d", i+1)))
	}
	if g.chance(0.1) {
		sc.Functions[0].Copies = 2 + g.r.IntN(20)
	}
	budget := float64(maxArrivals)
	for range 1 + g.r.IntN(2*len(sc.Functions)) {
		l := g.load(&sc, &budget)
		sc.Load = append(sc.Load, l)
	}
	for range g.r.IntN(9) {
		sc.Faults = append(sc.Faults, g.fault(&sc))
	}
	// Last, so that what is above stays what each seed stands for.
	for range g.r.IntN(4) {
		sc.Faults = append(sc.Faults, g.update(&sc))
	}
	for i := range sc.Load {
		if l := &sc.Load[i]; l.Mode == "invoke" && g.chance(0.3) {
			l.Leaves.After = g.between(time.Millisecond, 2*time.Second)
		}
	}
	withJournal := g.chance(journaled)
	if withJournal {
		g.crashes(&sc)
	}
	g.operations(&sc)
	if !withJournal {
		g.scaling(&sc)
	}
	g.grace(&sc)
	for i := range sc.Load {
		if l := &sc.Load[i]; l.Calls() {
			l.Context = g.chance(0.25)
		}
	}
	g.rare(&sc)
	return &sc
}

// journaled is the share of scenarios with a journal and crashes: the other ones
// are judged by more models.
const journaled = 0.15

// crashes gives a scenario a journal, and crashes at random times. The wall clock
// of a process that starts is never behind what its journal has, so it jumps in
// none of these.
func (g *generator) crashes(sc *scenario.Scenario) {
	sc.Core.Journal.Enabled, sc.Core.Journal.CommitLatency = true, g.between(10*time.Microsecond, 200*time.Millisecond)
	if g.chance(0.2) {
		sc.Core.Journal.MaxBytes = 1000 + g.r.Int64N(50_000)
	}
	sc.Faults = slices.DeleteFunc(sc.Faults, func(f scenario.Fault) bool { return f.Kind == "clock-jump" })
	for range 1 + g.r.IntN(12) {
		sc.Faults = append(sc.Faults, scenario.Fault{At: g.between(time.Millisecond, g.duration), Kind: "crash", For: g.between(time.Millisecond, 3*time.Second)})
	}
	if i := g.r.IntN(len(sc.Functions)); g.chance(0.3) {
		sc.Functions[i].Durability = string(core.DurabilityMemory)
	}
	for i := range sc.Faults {
		if f := &sc.Faults[i]; f.Kind == "crash" && g.chance(0.3) {
			f.Again = 1 + g.r.IntN(4)
		}
	}
	g.disk(sc)
}

// disk gives a journal's disk faults. A scenario with a disk that lies says that
// facts may be lost.
func (g *generator) disk(sc *scenario.Scenario) {
	if g.chance(0.3) {
		sc.Core.Journal.Timeout = g.between(10*time.Millisecond, time.Second)
	}
	for range g.r.IntN(4) {
		f := scenario.Fault{At: g.between(0, g.duration), For: g.between(time.Millisecond, g.duration/4)}
		switch g.r.IntN(4) {
		case 0:
			f.Kind, f.Share = "disk-failure", float64(1+g.r.IntN(20))/20
		case 1:
			f.Kind, f.Factor = "disk-slow", float64(1+g.r.IntN(40))
		case 2:
			f.Kind, f.Bytes = "disk-full", 1+g.r.Int64N(20_000)
		case 3:
			f.Kind, f.Loses = "disk-lies", scenario.Losses[g.r.IntN(2)]
		}
		sc.Faults = append(sc.Faults, f)
	}
	if slices.ContainsFunc(sc.Faults, func(f scenario.Fault) bool { return f.Kind == "disk-lies" }) {
		sc.Expect = append(sc.Expect, scenario.Check{Count: "lost_facts", Op: ">=", Value: "0"})
	}
}

func (g *generator) chance(p float64) bool { return g.r.Float64() < p }

// between is a duration in [low, high], rounded more often than not.
func (g *generator) between(low, high time.Duration) time.Duration {
	d := low + time.Duration(g.r.Int64N(int64(high-low)+1))
	for _, unit := range []time.Duration{time.Second, 100 * time.Millisecond, time.Millisecond} {
		if g.chance(0.5) && d.Truncate(unit) >= max(low, unit) {
			return d.Truncate(unit)
		}
	}
	return d
}

func (g *generator) core(c *scenario.Core) {
	c.TTL = g.between(time.Second, 40*time.Second)
	c.CleanupTTL = g.between(100*time.Millisecond, 40*time.Second)
	c.StaleTTL = g.between(2*time.Second, 90*time.Second)
	if g.chance(0.2) {
		c.StaleTTL = g.between(100*time.Millisecond, 3*time.Second)
	}
	c.IdempotencyTTL = g.between(time.Second, 40*time.Second)
	if g.chance(0.3) {
		c.SweepInterval = g.between(10*time.Millisecond, 5*time.Second)
	}
	c.RateMaxPerSecond = 0
	if g.chance(0.5) {
		c.RateMaxPerSecond = 1 + g.r.Int64N(300)
	}
	c.PassOverLate = g.chance(0.4)
	if g.chance(0.1) {
		c.MaxExecutions = 10 + g.r.IntN(500)
	}
	if g.chance(0.1) {
		c.MaxIdempotencyKeys = 1 + g.r.IntN(20)
	}
	if g.chance(0.2) {
		c.MaxPayloadBytes = 100 + g.r.Int64N(10_000)
	}
	if g.chance(0.4) {
		c.SyncQueue = scenario.SyncQueue{
			Enabled: true, MaxConcurrency: 1 + g.r.IntN(10), MaxDepth: 1 + g.r.IntN(30),
			MaxEstimatedWait: g.between(10*time.Millisecond, 3*time.Second), MaxQueueWait: g.between(10*time.Millisecond, 3*time.Second),
		}
	}
}

func (g *generator) function(name string) scenario.Function {
	f := scenario.NewFunction()
	f.Name = name
	f.Concurrency = 1 + g.r.IntN(8)
	f.QueueSize = 1 + g.r.IntN(40)
	f.MaxRetries = g.r.IntN(5)
	f.TimeoutMillis = 1 + g.r.IntN(3000)
	f.RetryBackoff = g.backoff()
	b := &f.Behavior
	b.Latency = g.latency()
	rate := func(p, most float64) float64 {
		if !g.chance(p) {
			return 0
		}
		return float64(int(g.r.Float64()*most*1000)) / 1000
	}
	b.FailureRate = rate(0.5, 0.5)
	b.PermanentRate = rate(0.3, 0.5)
	if g.chance(0.2) {
		b.RetryAfter = g.between(0, 2*time.Second)
	}
	b.HangRate = rate(0.3, 0.2)
	b.LateCompletionRate = rate(0.3, 0.2)
	b.DuplicateCompletionRate = rate(0.3, 0.5)
	if g.chance(0.3) {
		b.ColdStart = scenario.ColdStart{InitDuration: g.between(time.Millisecond, time.Second), IdleTimeout: g.between(0, 20*time.Second)}
	}
	return f
}

// backoff has retries pause for times of the order of service times and
// timeouts, or not at all.
func (g *generator) backoff() core.RetryBackoff {
	if g.chance(0.3) {
		return core.RetryBackoff{Multiplier: 1}
	}
	first := 1 + g.r.IntN(400)
	return core.RetryBackoff{
		InitialMillis: first, MaxMillis: first * (1 + g.r.IntN(10)),
		Multiplier: float64(4+g.r.IntN(9)) / 4, Jitter: float64(g.r.IntN(5)) / 4,
	}
}

func (g *generator) latency() scenario.Latency {
	d := g.between(0, 300*time.Millisecond)
	switch g.r.IntN(5) {
	case 0:
		return scenario.Latency{Distribution: "constant", Value: d}
	case 1:
		return scenario.Latency{Distribution: "uniform", Min: d / 2, Max: d}
	case 2:
		return scenario.Latency{Distribution: "exponential", Mean: d + time.Millisecond}
	case 3:
		return scenario.Latency{Distribution: "lognormal", P50: d + time.Millisecond, P99: 8*d + 8*time.Millisecond}
	}
	return scenario.Latency{Distribution: "constant"} // answers inside Dispatch
}

func (g *generator) load(sc *scenario.Scenario, budget *float64) scenario.Load {
	fn := &sc.Functions[g.r.IntN(len(sc.Functions))]
	l := scenario.Load{Function: fn.Name, Mode: "enqueue"}
	if g.chance(0.5) {
		l.Mode = "invoke"
	}
	if g.chance(0.3) {
		l.TimeoutMillis = 1 + g.r.IntN(2000)
	}
	if g.chance(0.4) {
		l.IdempotencyKeys = 1 + g.r.IntN(200)
		if g.chance(0.3) {
			l.Inputs = 2 + g.r.IntN(scenario.MaxInputs-1)
		}
	}
	a := &l.Arrivals
	a.Within = "uniform"
	most := max(1, *budget/2/float64(fn.Copies))
	switch g.r.IntN(6) {
	case 0:
		a.Process, a.At, a.Count = "burst", g.between(0, g.duration/2), 1+g.r.IntN(int(min(most, 500)))
		*budget -= float64(a.Count * fn.Copies)
	case 1:
		a.Process, a.From = "trace", g.between(0, g.duration/2)
		for range 1 + int(g.duration/time.Minute) {
			n := g.r.IntN(int(min(most, 2000)) + 1)
			a.Counts = append(a.Counts, int32(n))
			*budget -= float64(n * fn.Copies)
		}
	default:
		a.Process = "poisson"
		if g.chance(0.4) {
			a.Process = "constant"
		}
		a.Rate = float64(1+g.r.IntN(1+int(most/g.duration.Seconds()*100))) / 100
		a.From = g.between(0, g.duration/3)
		*budget -= a.Rate * g.duration.Seconds() * float64(fn.Copies)
	}
	*budget = max(*budget, 2)
	return l
}

// update changes about half of what can be changed.
func (g *generator) update(sc *scenario.Scenario) scenario.Fault {
	fn := &sc.Functions[g.r.IntN(len(sc.Functions))]
	f := scenario.Fault{At: g.between(0, g.duration), Function: fn.Name, Kind: "update"}
	next, c := g.function(fn.Name), &f.Change
	for _, change := range []func(){
		func() { c.Concurrency = &next.Concurrency },
		func() { c.QueueSize = &next.QueueSize },
		func() { c.MaxRetries = &next.MaxRetries },
		func() { c.TimeoutMillis = &next.TimeoutMillis },
		func() { c.RetryBackoff = &next.RetryBackoff },
		func() { c.RateMaxPerSecond = new(g.r.Int64N(60)) },
	} {
		if g.chance(0.5) {
			change()
		}
	}
	if g.chance(0.2) {
		f.IfGeneration = 1 + g.r.Uint64N(3)
	}
	return f
}

func (g *generator) fault(sc *scenario.Scenario) scenario.Fault {
	fn := &sc.Functions[g.r.IntN(len(sc.Functions))]
	f := scenario.Fault{At: g.between(0, g.duration+g.duration/4), Function: fn.Name}
	f.Kind = faultKinds[g.r.IntN(len(faultKinds))]
	switch f.Kind {
	case "outage":
		f.For = g.between(time.Millisecond, g.duration/4)
	case "slowdown":
		f.For, f.Factor = g.between(time.Millisecond, g.duration/4), float64(1+g.r.IntN(400))/20
	case "clock-jump":
		f.Function = ""
		for f.By == 0 {
			f.By = g.between(0, 80*time.Second) - 40*time.Second
		}
	case "cancel":
		f.Share = float64(1+g.r.IntN(10)) / 10
	case "reconfigure":
		f.Change.QueueSize, f.Change.Concurrency = new(1+g.r.IntN(60)), new(1+g.r.IntN(10))
	}
	return f
}
