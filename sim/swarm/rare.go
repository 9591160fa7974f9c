package swarm

import (
	"fmt"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// rare draws what few functions, callers and operators do, and what core does only then. It
// comes last, so that what is drawn before stays what each seed stands for.
func (g *generator) rare(sc *scenario.Scenario) {
	for i := range sc.Functions {
		g.oddAnswers(&sc.Functions[i])
	}
	for i := range sc.Load {
		if l := &sc.Load[i]; l.Calls() && !sc.Core.Journal.Enabled && g.chance(0.03) {
			l.TimeoutMillis = core.MaxTimeoutMillis // and the caller asks for more
		}
	}
	f := &sc.Functions[g.r.IntN(len(sc.Functions))]
	for _, some := range []func(*scenario.Scenario, *scenario.Function){
		g.herd, g.coincidence, g.churn, g.company, g.byHand, g.lull, g.lettersToTheByte, g.slowEnds, g.purges,
		g.atTheThresholds, g.aFifth, g.fewLooks, g.together,
	} {
		if g.chance(0.06) {
			some(sc, f)
		}
	}
	if g.chance(0.1) {
		g.alike(sc)
	}
	g.fewFunctions(sc)
	for _, some := range []func(*scenario.Scenario, *scenario.Function){g.joinedOnly, g.raisedWithinASecond} {
		if g.chance(0.03) {
			some(sc, f)
		}
	}
	if sc.Core.Journal.Enabled && g.chance(0.15) {
		g.leavesWork(sc, f)
	}
}

// oddAnswers has a function answer with its input, or with texts that are clipped, or fail more
// often than is remembered, or ask for pauses about as long as they may be.
func (g *generator) oddAnswers(f *scenario.Function) {
	b := &f.Behavior
	b.Echo = g.chance(0.15)
	if g.chance(0.12) {
		b.ErrorBytes = []int{g.r.IntN(400), core.MaxErrorMessage - 20 + g.r.IntN(40)}[g.r.IntN(2)]
	}
	if g.chance(0.08) {
		f.MaxRetries, b.FailureRate, b.HangRate, b.LateCompletionRate = 9+g.r.IntN(5), 0.9, 0, 0
		f.RetryBackoff = core.RetryBackoff{InitialMillis: g.r.IntN(3), MaxMillis: 10, Multiplier: 1}
	}
	if g.chance(0.04) {
		b.RetryAfter = g.between(4*time.Minute, 6*time.Minute)
	}
}

// herd has a long queue of calls that are answered at once wait for few slots, which attempts
// that never answer hold until their timeout: then one call serves many.
func (g *generator) herd(sc *scenario.Scenario, f *scenario.Function) {
	if f.Scaled() || f.Copies > 1 {
		return
	}
	f.Concurrency, f.QueueSize, f.TimeoutMillis = 1+g.r.IntN(3), 100+g.r.IntN(300), 500+g.r.IntN(2000)
	f.Behavior.Latency, f.Behavior.HangRate, f.Behavior.ColdStart = scenario.Latency{Distribution: "constant"}, 0.01, scenario.ColdStart{}
	f.Behavior.LateCompletionRate, f.Behavior.FailureRate = 0, 0
	l := scenario.Load{Function: f.Name, Mode: "enqueue"}
	l.Arrivals = scenario.Arrivals{Process: "burst", Within: "uniform", At: g.between(0, g.duration/2), Count: 500}
	sc.Load = append(sc.Load, l)
}

// coincidence has pauses, waits and timeouts end at the same instant.
func (g *generator) coincidence(sc *scenario.Scenario, f *scenario.Function) {
	took, pause := 1+g.r.IntN(200), 1+g.r.IntN(200)
	f.Behavior.Latency = scenario.Latency{Distribution: "constant", Value: time.Duration(took) * time.Millisecond}
	f.Behavior.FailureRate, f.Behavior.HangRate, f.Behavior.LateCompletionRate, f.Behavior.RetryAfter, f.Behavior.ErrorBytes = 0.5, 0, 0, 0, 0
	f.RetryBackoff = core.RetryBackoff{InitialMillis: pause, MaxMillis: pause, Multiplier: 1}
	f.MaxRetries = 1 + g.r.IntN(3)
	for i := range sc.Load {
		if l := &sc.Load[i]; l.Function == f.Name && l.Calls() {
			l.TimeoutMillis = took + pause
		}
	}
	if q := &sc.Core.SyncQueue; g.chance(0.5) {
		*q = scenario.New().Core.SyncQueue
		q.Enabled, q.MaxQueueWait, q.EstimateDisabled = true, time.Duration(took+pause)*time.Millisecond, true
	}
}

// churn has a function come and go, with payloads that must make room.
func (g *generator) churn(sc *scenario.Scenario, f *scenario.Function) {
	for at := g.between(time.Millisecond, g.duration/4); at < g.duration; at += g.between(time.Millisecond, g.duration/20) {
		kind := "delete-function"
		if len(sc.Faults)%2 == 0 {
			kind = "create-function"
		}
		sc.Faults = append(sc.Faults, scenario.Fault{At: at, Function: f.Name, Kind: kind})
	}
	sc.Core.MaxPayloadBytes = 100 + g.r.Int64N(3000)
}

// company has calls with few keys that leave, and others with the same keys that stay.
func (g *generator) company(sc *scenario.Scenario, f *scenario.Function) {
	for i := range 2 {
		l := scenario.Load{Function: f.Name, Mode: "invoke", IdempotencyKeys: 5, TimeoutMillis: 3000}
		l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: 10}
		if i == 0 {
			l.Leaves.After = g.between(time.Millisecond, 300*time.Millisecond)
		}
		sc.Load = append(sc.Load, l)
	}
	f.Concurrency, f.MaxRetries, f.Behavior.FailureRate = 1, max(f.MaxRetries, 2), 0.4
	f.Behavior.HangRate, f.Behavior.LateCompletionRate, f.Behavior.RetryAfter = 0, 0, 0
	f.Behavior.Latency = scenario.Latency{Distribution: "constant", Value: g.between(10*time.Millisecond, 200*time.Millisecond)}
	f.RetryBackoff = core.RetryBackoff{Multiplier: 1}
}

// byHand has replicas set by hand while the autoscaler has something to say, too.
func (g *generator) byHand(sc *scenario.Scenario, f *scenario.Function) {
	if !f.Scaled() || f.Scaling.Strategy != "INTERNAL" {
		return
	}
	f.Scaling.MinReplicas = g.r.IntN(6)
	f.Scaling.MaxReplicas = max(f.Scaling.MaxReplicas, f.Scaling.MinReplicas)
	for range 4 + g.r.IntN(12) {
		sc.Faults = append(sc.Faults, scenario.Fault{At: g.between(0, g.duration), Function: f.Name, Kind: "set-replicas", Replicas: new(g.r.IntN(11))})
	}
}

// lull has no calls for longer than estimates of waits look back, and then many.
func (g *generator) lull(sc *scenario.Scenario, f *scenario.Function) {
	if f.Copies > 1 || f.Scaled() || g.duration < 30*time.Second {
		return
	}
	sc.Load = nil
	for i := range 2 {
		l := scenario.Load{Function: f.Name, Mode: "invoke"}
		l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: float64(10 + g.r.IntN(30)), To: 500 * time.Millisecond}
		if i > 0 {
			l.Arrivals.From, l.Arrivals.To = 15*time.Second, 30*time.Second
		}
		sc.Load = append(sc.Load, l)
	}
	sc.Core.RateMaxPerSecond, f.RateMaxPerSecond, f.Concurrency = 0, 0, 1
	sc.Core.SyncQueue = scenario.SyncQueue{Enabled: true, MaxConcurrency: 1, MaxDepth: 30, MaxEstimatedWait: g.between(10*time.Millisecond, 2*time.Second), MaxQueueWait: 3 * time.Second}
}

// lettersToTheByte has letters of equal size fill their bound exactly, those of several names.
func (g *generator) lettersToTheByte(sc *scenario.Scenario, f *scenario.Function) {
	if sc.Core.Journal.Enabled || f.Scaled() {
		return
	}
	f.Copies, f.MaxRetries, f.Behavior.FailureRate, f.Behavior.HangRate, f.Behavior.LateCompletionRate, f.Behavior.ErrorBytes = 3, 0, 0.5, 0, 0, 0
	sc.Core.DeadLetters = scenario.New().Core.DeadLetters
	sc.Core.DeadLetters.MaxBytes = 290 * (1 + g.r.Int64N(3)) // 256, the input, the code and the message
	if g.chance(0.5) {
		f.Behavior.ErrorBytes, f.Behavior.HangRate, f.TimeoutMillis = 300, 0.3, 100 // those of failures are too large
	}
	l := scenario.Load{Function: f.Name, Mode: "enqueue"}
	l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: 3}
	for i := range sc.Load {
		if sc.Load[i].Calls() {
			sc.Load[i].Mode, sc.Load[i].CallerRuns, sc.Load[i].Leaves = "invoke", false, scenario.Leaves{}
		}
	}
	sc.Load = append(sc.Load, l)
}

// slowEnds has ends become durable later than their execution may be evicted.
func (g *generator) slowEnds(sc *scenario.Scenario, _ *scenario.Function) {
	if sc.Core.Journal.Enabled {
		sc.Core.TTL, sc.Core.CleanupTTL = g.between(50*time.Millisecond, 300*time.Millisecond), 50*time.Millisecond
		sc.Core.Journal.CommitLatency = g.between(300*time.Millisecond, 2*time.Second)
	}
}

// purges has dead letters purged, and settings and specs changed twice, shortly before a crash.
func (g *generator) purges(sc *scenario.Scenario, f *scenario.Function) {
	if !sc.Core.Journal.Enabled {
		return
	}
	f.MaxRetries, f.Behavior.FailureRate, f.Behavior.HangRate, f.Behavior.LateCompletionRate = 0, 0.6, 0, 0
	for range 3 {
		at := g.between(time.Second, g.duration)
		for i := range 2 {
			sc.Faults = append(sc.Faults, scenario.Fault{At: at + time.Duration(i)*time.Millisecond, Kind: "set-rate", Rate: new(50 + g.r.Int64N(200))})
			u := scenario.Fault{At: at + time.Duration(i)*time.Millisecond, Kind: "update", Function: f.Name}
			u.Change.QueueSize = new(10 + g.r.IntN(50))
			sc.Faults = append(sc.Faults, u)
		}
		sc.Faults = append(sc.Faults, scenario.Fault{At: at, Kind: "purge", Function: f.Name},
			scenario.Fault{At: at + sc.Core.Journal.CommitLatency + g.between(time.Millisecond, 200*time.Millisecond), Kind: "crash", For: 10 * time.Millisecond})
	}
}

// atTheThresholds has loads that are exactly where slots for each instance rise or fall, and
// pauses between their changes that end exactly at a look.
func (g *generator) atTheThresholds(sc *scenario.Scenario, f *scenario.Function) {
	if !f.Scaled() {
		return
	}
	cc := &f.Scaling.ConcurrencyControl
	cc.Mode, cc.Target, cc.MinTarget, cc.MaxTarget = core.ConcurrencyAdaptive, 4, 1, 8
	cc.HighLoad, cc.LowLoad = 1, []float64{0, 0.25, 0.5}[g.r.IntN(3)]
	sc.Core.Autoscale.Interval = 100 * time.Millisecond * time.Duration(1+g.r.IntN(5))
	cc.UpscaleCooldown = int(sc.Core.Autoscale.Interval.Milliseconds()) * (1 + g.r.IntN(3))
	cc.DownscaleCooldown = int(sc.Core.Autoscale.Interval.Milliseconds()) * (1 + g.r.IntN(3))
}

// aFifth has functions fall by exactly a fifth, which is enough, and figures of another name.
func (g *generator) aFifth(sc *scenario.Scenario, f *scenario.Function) {
	if !f.Scaled() || sc.Core.Journal.Enabled {
		return
	}
	s := &f.Scaling
	s.Strategy, s.MinReplicas, s.MaxReplicas = "INTERNAL", 0, 12
	s.Metrics = []scenario.Metric{{Type: "prometheus", Name: "backlog", Target: 1}, {Type: "prometheus", Name: "other", Target: 1}}
	f.Provider.CPUPerExecution, f.Provider.ReportInterval, f.Provider.Startup = 0, scenario.NewFunction().Provider.ReportInterval, 50*time.Millisecond
	a := &sc.Core.Autoscale
	a.Interval, a.UpCooldown, a.DownCooldown, a.DownWindow, a.ToZeroGrace = 200*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond, 400*time.Millisecond, 5*time.Second
	noReports(sc, f)
	for at := time.Second; at < g.duration; at += 4 * time.Second {
		n := 5 * (1 + g.r.IntN(2))
		sc.Faults = append(sc.Faults, scenario.Fault{At: at, Function: f.Name, Kind: "set-replicas", Replicas: new(n)})
		other := float64(g.r.IntN(2))
		for i, value := range []float64{1, 0.8} {
			sc.Reports = append(sc.Reports,
				scenario.Report{At: at + time.Duration(1+i)*time.Second, Function: f.Name, Type: "prometheus", Name: "backlog", Value: value},
				scenario.Report{At: at + time.Duration(1+i)*time.Second, Function: f.Name, Type: "prometheus", Name: "other", Value: other * value / 2})
		}
	}
}

// noReports takes the reports of a function out.
func noReports(sc *scenario.Scenario, f *scenario.Function) {
	if sc.Reports = slices.DeleteFunc(sc.Reports, func(r scenario.Report) bool { return r.Function == f.Name }); len(sc.Reports) == 0 {
		sc.Reports = nil
	}
}

// fewLooks has a rate taken over as many looks, and as long a time, as it can be.
func (g *generator) fewLooks(sc *scenario.Scenario, f *scenario.Function) {
	if !f.Scaled() {
		return
	}
	f.Scaling.Strategy, f.Scaling.Metrics = "INTERNAL", []scenario.Metric{{Type: "rps", Target: float64(1+g.r.IntN(4)) / 2}}
	f.Scaling.MinReplicas, f.Scaling.MaxReplicas = 0, 12
	f.Provider.CPUPerExecution, f.Provider.ReportInterval = 0, scenario.NewFunction().Provider.ReportInterval
	sc.Core.Autoscale = scenario.Autoscale{Interval: 2 * time.Second, UpCooldown: 100 * time.Millisecond, DownCooldown: 100 * time.Millisecond, DownWindow: 100 * time.Millisecond, ToZeroGrace: 2 * time.Second}
	noReports(sc, f)
	l := scenario.Load{Function: f.Name, Mode: "enqueue"}
	l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: float64(1 + g.r.IntN(6)), To: g.duration / 2}
	sc.Load = append(sc.Load, l)
}

// together has two functions with long queues whose slots are freed at one instant, by a sweep.
func (g *generator) together(sc *scenario.Scenario, f *scenario.Function) {
	if sc.Core.Journal.Enabled {
		return
	}
	sc.Core.StaleTTL, sc.Core.SweepInterval, sc.Core.MaxExecutions = g.between(200*time.Millisecond, 2*time.Second), 500*time.Millisecond, scenario.New().Core.MaxExecutions
	sc.Core.RateMaxPerSecond, sc.Core.SchedulerOff = 0, false
	for i := range sc.Functions {
		f := &sc.Functions[i]
		if f.Scaled() {
			continue
		}
		f.Concurrency, f.QueueSize, f.TimeoutMillis, f.RateMaxPerSecond = 3, 100, 60_000, 0
		f.Behavior.HangRate, f.Behavior.FailureRate, f.Behavior.LateCompletionRate = 0.2, 0.2, 0
		l := scenario.Load{Function: f.Name, Mode: "enqueue"}
		l.Arrivals = scenario.Arrivals{Process: "burst", Within: "uniform", At: g.between(0, time.Second), Count: 60}
		sc.Load = append(sc.Load, l)
	}
}

// joinedOnly has nobody start what was enqueued but the callers who join it with its key.
func (g *generator) joinedOnly(sc *scenario.Scenario, f *scenario.Function) {
	sc.Core.SchedulerOff = true
	for _, mode := range []string{"enqueue", "invoke"} {
		l := scenario.Load{Function: f.Name, Mode: mode, IdempotencyKeys: 1 + g.r.IntN(20)}
		l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: float64(1+g.r.IntN(5)) / float64(f.Copies)}
		sc.Load = append(sc.Load, l)
	}
}

// raisedWithinASecond has the limit of all rise in the second in which it is reached, for a
// function that has a limit of its own.
func (g *generator) raisedWithinASecond(sc *scenario.Scenario, f *scenario.Function) {
	sc.Core.RateMaxPerSecond, f.RateMaxPerSecond = 1+g.r.Int64N(5), 10+g.r.Int64N(20)
	l := scenario.Load{Function: f.Name, Mode: "enqueue"}
	l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: 40 / float64(f.Copies)}
	sc.Load = append(sc.Load, l)
	for at := time.Second; at < g.duration; at += 2 * time.Second {
		sc.Faults = append(sc.Faults,
			scenario.Fault{At: at, Kind: "set-rate", Rate: new(1 + g.r.Int64N(5))},
			scenario.Fault{At: at + g.between(200*time.Millisecond, 800*time.Millisecond), Kind: "set-rate", Rate: new(int64(100))})
	}
}

// leavesWork has a drain find durable work that waits, and slots that get free.
func (g *generator) leavesWork(sc *scenario.Scenario, f *scenario.Function) {
	f.Concurrency, f.Durability = 1+g.r.IntN(3), string(core.DurabilityDisk)
	f.Behavior.Latency = scenario.Latency{Distribution: "constant", Value: g.between(50*time.Millisecond, 500*time.Millisecond)}
	l := scenario.Load{Function: f.Name, Mode: "enqueue"}
	l.Arrivals = scenario.Arrivals{Process: "poisson", Within: "uniform", Rate: 30 / float64(f.Copies)}
	sc.Load = append(sc.Load, l)
	for range 2 {
		g.drain(sc)
	}
}

// alike gives the other functions names with the tag of the first, by which core tells most
// names apart without reading them.
func (g *generator) alike(sc *scenario.Scenario) {
	names := map[string]string{}
	for i := range sc.Functions[1:] {
		f := &sc.Functions[i+1]
		for n := 0; ; n++ {
			if name := fmt.Sprintf("%s-%d", f.Name, n); f.Copies == 1 && core.PartitionOf(name) == core.PartitionOf(sc.Functions[0].Name) {
				names[f.Name] = name
				break
			}
			if n == 10_000 {
				break
			}
		}
	}
	rename := func(name *string) {
		if to := names[*name]; to != "" {
			*name = to
		}
	}
	for i := range sc.Functions {
		rename(&sc.Functions[i].Name)
	}
	for i := range sc.Load {
		rename(&sc.Load[i].Function)
	}
	for i := range sc.Faults {
		rename(&sc.Faults[i].Function)
	}
	for i := range sc.Reports {
		rename(&sc.Reports[i].Function)
	}
}

// fewFunctions has some of those scenarios in which functions come and go take no more of them
// than there are.
func (g *generator) fewFunctions(sc *scenario.Scenario) {
	if !g.chance(0.3) {
		return
	}
	for i := range sc.Functions {
		sc.Core.MaxFunctions += sc.Functions[i].Copies
	}
	if !slices.ContainsFunc(sc.Load, func(l scenario.Load) bool { return l.Mode == "mistake" }) && g.chance(0.5) {
		sc.Load = append(sc.Load, g.operator(sc, "mistake"))
	}
}
