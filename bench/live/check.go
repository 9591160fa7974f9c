package live

import (
	"fmt"
	"strings"
	"time"

	"simplane/core/strictyaml"
	"simplane/sim"
	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// Bounds of what is carried out.
const (
	maxTime      = 10 * time.Minute // of load, and of what is left after it
	maxCalls     = 500_000
	maxFunctions = 100
	maxInput     = 4<<20 - 1<<10 // of a call, within serve's bound of a body
	// reading is how long the times of ended executions must be kept after load.
	reading = 30 * time.Second
)

// check reports what of a scenario cannot be carried out in real time. Fields are
// named as the file has them. foreign says that the server is not started here.
func check(sc *scenario.Scenario, foreign bool) error {
	p := &strictyaml.Problems{File: sc.File}
	if sc.File == "" {
		p.File = sc.Name
	}
	if sc.Duration > maxTime {
		p.Add(1, "duration: %v would pass in real time; use at most %v", sc.Duration, maxTime)
	}
	checkCore(sc, foreign, p)
	functions := 0
	for i := range sc.Functions {
		functions += sc.Functions[i].Copies
		checkFunction(&sc.Functions[i], fmt.Sprintf("functions[%d]", i), foreign, p)
	}
	if functions > maxFunctions {
		p.Add(1, "functions: %d with copies; use at most %d with backends of their own", functions, maxFunctions)
	}
	for i := range sc.Faults {
		switch f := &sc.Faults[i]; f.Kind {
		case "outage", "slowdown":
		case "clock-jump":
			p.Add(f.Line, "faults[%d].kind: clock-jump: this machine's clock is not set for a test; only outage and slowdown happen to real backends", i)
		default:
			p.Add(f.Line, "faults[%d].kind: %s is carried out in virtual time only; only outage and slowdown happen to real backends", i, f.Kind)
		}
	}
	for i := range sc.Load {
		if sc.Load[i].Callers.Retries > 0 {
			p.Add(sc.Load[i].Line, "load[%d].callers: callers that try again are in virtual time only; remove it", i)
		}
	}
	for i := range sc.Reports {
		p.Add(sc.Reports[i].Line, "reports[%d]: figures that are told are for virtual time; a real server measures them itself", i)
	}
	if !p.Any() {
		checkLoad(sc, p)
	}
	return p.Err()
}

func checkCore(sc *scenario.Scenario, foreign bool, p *strictyaml.Problems) {
	if sc.Nodes > 0 {
		p.Add(1, "nodes: a live run has one server; remove it")
	}
	if sc.Core.Journal.Enabled {
		p.Add(1, "core.journal: the server of a live run has no data directory; remove it")
	}
	if sc.Core.SchedulerOff {
		p.Add(1, "core.schedulerOff: a server always has its scheduler on; remove it")
	}
	if def := scenario.New().Core.DeadLetters; sc.Core.DeadLetters != def {
		p.Add(1, "core.deadLetters: the server of a live run has the defaults; remove it")
	}
	for i := range sc.Load {
		switch l := &sc.Load[i]; {
		case !l.Calls():
			p.Add(l.Line, "load[%d].mode: %s is done in virtual time only; only invoke and enqueue are calls of a real server", i, l.Mode)
		case l.CallerRuns:
			p.Add(l.Line, "load[%d].callerRuns: callers of a server never make the attempt themselves; remove it", i)
		}
	}
	if !foreign {
		return
	}
	def := scenario.New().Core
	for _, s := range settings(&sc.Core) {
		for _, d := range settings(&def) {
			if s.field == d.field && s.value != d.value && !s.runtime {
				p.Add(1, "core.%s: a running server cannot be told; start it with --%s %s and remove the field, or leave --server out", s.field, s.flag, s.value)
			}
		}
	}
}

func checkFunction(f *scenario.Function, at string, foreign bool, p *strictyaml.Problems) {
	b := &f.Behavior
	if b.LateCompletionRate > 0 {
		p.Add(f.Line, "%s.behavior.lateCompletionRate: a real server closes the connection at the attempt's timeout, so nothing comes after it; remove it", at)
	}
	if b.DuplicateCompletionRate > 0 {
		p.Add(f.Line, "%s.behavior.duplicateCompletionRate: an HTTP call has one answer; remove it", at)
	}
	if b.Echo || b.ErrorBytes > 0 {
		p.Add(f.Line, "%s.behavior: echo and errorBytes say what answers have in them, which those of a comparison do not; remove both", at)
	}
	if b.RetryAfter%time.Second != 0 {
		p.Add(f.Line, "%s.behavior.retryAfter: %v: Retry-After has whole seconds; use %v", at, b.RetryAfter, b.RetryAfter.Truncate(time.Second)+time.Second)
	}
	if !f.Scaled() {
		return
	}
	if foreign {
		p.Add(f.Line, "%s.scaling: its instances are processes that only the server started here can start; leave --server out", at)
	}
	if f.ScalesByReports() {
		p.Add(f.Line, "%s.scaling.metrics: cpu, memory and prometheus are told to a simulation and measured by a server; use queue_depth, in_flight or rps", at)
	}
	if f.Provider.Capacity != f.Scaling.ConcurrencyControl.Target && f.Scaling.ConcurrencyControl.Mode != "FIXED" {
		p.Add(f.Line, "%s.provider.capacity: %d: a server gives an instance targetInFlightPerPod (%d) at a time; make them equal", at, f.Provider.Capacity, f.Scaling.ConcurrencyControl.Target)
	}
}

// checkLoad bounds the number of calls.
func checkLoad(sc *scenario.Scenario, p *strictyaml.Problems) {
	n := 0
	for _, l := range draws.Loads(sc) {
		for {
			if _, more := l.Next(); !more {
				break
			}
			if size := l.Size(); size > maxInput {
				p.Add(l.Decl.Line, "load: a call with an input of %d bytes; a server takes up to %d, so leave it out", size, maxInput)
				return
			}
			if n++; n > maxCalls {
				p.Add(l.Decl.Line, "load: more than %d calls; lower the rates or the duration", maxCalls)
				return
			}
		}
	}
}

// checkLength reports a scenario whose work goes on too long after its load, by its
// simulation, or whose records would be gone before they are read.
func checkLength(sc *scenario.Scenario, simulated *sim.Result) error {
	p := &strictyaml.Problems{File: sc.File}
	if most := sc.Duration + maxTime; simulated.Virtual > most {
		p.Add(1, "duration: by its simulation the last execution ends at %v, which would pass in real time; use less work, or shorter timeouts", simulated.Virtual.Round(time.Second))
	}
	if least := simulated.Virtual + reading; needsRecords(sc) && sc.Core.TTL < least {
		p.Add(1, "core.ttl: %v: the times of enqueued calls, and of those whose callers leave, are read at the end; use at least %v", sc.Core.TTL, least.Round(time.Second))
	}
	return p.Err()
}

// needsRecords says that not all latencies can be measured where the calls are made.
func needsRecords(sc *scenario.Scenario) bool {
	for i := range sc.Load {
		if sc.Load[i].Mode == "enqueue" || sc.Load[i].Leaves.After > 0 {
			return true
		}
	}
	return false
}

// setting is one of core's, as a scenario and as serve know it.
type setting struct {
	field, flag, value string
	runtime            bool // a running server can be told
}

// settings are core's settings that serve has flags for.
func settings(c *scenario.Core) []setting {
	number := func(field string, v any, runtime bool) setting {
		return setting{field, flagOf(field), fmt.Sprint(v), runtime}
	}
	as := func(field, flag string, v any, runtime bool) setting {
		return setting{field, flag, fmt.Sprint(v), runtime}
	}
	q, a := &c.SyncQueue, &c.Autoscale
	all := []setting{
		number("rateMaxPerSecond", c.RateMaxPerSecond, true),
		number("ttl", c.TTL, false), number("cleanupTtl", c.CleanupTTL, false), number("staleTtl", c.StaleTTL, false),
		number("idempotencyTtl", c.IdempotencyTTL, false), number("maxExecutions", c.MaxExecutions, false),
		number("maxIdempotencyKeys", c.MaxIdempotencyKeys, false), number("maxPayloadBytes", c.MaxPayloadBytes, false),
		number("passOverLate", c.PassOverLate, false),
		as("syncQueue.enabled", "sync-queue-enabled", q.Enabled, true),
		as("syncQueue.maxConcurrency", "sync-queue-max-concurrency", q.MaxConcurrency, true),
		as("syncQueue.maxDepth", "sync-queue-max-depth", q.MaxDepth, true),
		as("syncQueue.maxEstimatedWait", "sync-queue-max-estimated-wait", q.MaxEstimatedWait, true),
		as("syncQueue.maxQueueWait", "sync-queue-max-queue-wait", q.MaxQueueWait, true),
		as("autoscale.interval", "autoscale-interval", a.Interval, false),
		as("autoscale.scaleUpCooldown", "scale-up-cooldown", a.UpCooldown, false),
		as("autoscale.scaleDownCooldown", "scale-down-cooldown", a.DownCooldown, false),
		as("autoscale.scaleDownWindow", "scale-down-window", a.DownWindow, false),
		as("autoscale.scaleToZeroGrace", "scale-to-zero-grace", a.ToZeroGrace, false),
	}
	if c.SweepInterval > 0 {
		all = append(all, number("sweepInterval", c.SweepInterval, false))
	}
	return all
}

// flagOf is the flag of a key: ttl is --ttl, cleanupTtl --cleanup-ttl.
func flagOf(key string) string {
	var b strings.Builder
	for _, c := range key {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('-')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
