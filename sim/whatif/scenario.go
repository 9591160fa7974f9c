package whatif

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim/history"
	"simplane/sim/scenario"
)

// Scenario is what h tells of a recording, as a scenario named name. notes say
// what it cannot have. The error says what makes a scenario of it impossible.
func Scenario(name string, rec *recording.Recording, h *history.History) (sc *scenario.Scenario, notes []string, err error) {
	s := scenario.New()
	s.Name, s.Duration = name, h.Length()
	s.Description = fmt.Sprintf("Calls and attempts as simplane %s recorded them on %s.", rec.Header.Version, time.Unix(0, rec.Header.Made).UTC().Format("2006-01-02 at 15:04:05 UTC"))
	b := &builder{sc: &s, h: h, cfg: &rec.Header.Config}
	b.core()
	calls, attempts := 0, 0
	for _, f := range h.Functions {
		b.function(f)
		calls, attempts = calls+len(f.Calls), attempts+len(f.Attempts)
	}
	switch {
	case len(s.Functions) == 0:
		return nil, nil, fmt.Errorf("no function in that part of the recording was called, or none has its settings recorded")
	case calls > scenario.MaxRecorded || attempts > scenario.MaxRecorded:
		return nil, nil, fmt.Errorf("%d calls and %d attempts in %v; a scenario has at most %d of each: cut the recording with --from and --until, or choose one --function",
			calls, attempts, h.Length(), scenario.MaxRecorded)
	case len(s.Load) == 0:
		return nil, nil, fmt.Errorf("no call in that part of the recording")
	}
	return &s, b.notes, nil
}

type builder struct {
	sc    *scenario.Scenario
	h     *history.History
	cfg   *core.ReplayConfig
	notes []string
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// core sets what is recorded of the configuration, and what refusals tell of the
// rest.
func (b *builder) core() {
	c, r := &b.sc.Core, b.cfg
	c.TTL, c.CleanupTTL, c.StaleTTL, c.PassOverLate = r.TTL, r.CleanupTTL, r.StaleTTL, r.PassOverLate
	c.IdempotencyTTL, c.SweepInterval = r.IdempotencyTTL, r.SweepInterval
	a := &c.Autoscale
	a.Interval, a.UpCooldown, a.DownCooldown, a.DownWindow, a.ToZeroGrace =
		r.AutoscaleInterval, r.ScaleUpCooldown, r.ScaleDownCooldown, r.ScaleDownWindow, r.ScaleToZeroGrace
	if r.SchedulerOff {
		b.note("the scheduler was off, and is on in the scenario")
	}
	if r.Journal {
		b.note("there was a journal: what its commits took is part of the attempts' times")
	}
	c.RateMaxPerSecond = 0
	refused := map[string]int64{}
	for _, f := range b.h.Functions {
		for code, n := range f.Refused {
			refused[code] += n
		}
		for code, bound := range f.Bounds {
			switch code {
			case core.CodeRateLimited:
				if f.Spec == nil || f.Spec.RateMaxPerSecond != int64(bound) {
					c.RateMaxPerSecond = int64(bound)
				}
			case core.CodeDepth:
				c.SyncQueue.MaxDepth = int(bound)
			case core.CodeEstWait:
				c.SyncQueue.MaxEstimatedWait = time.Duration(bound)
			}
		}
	}
	if refused[core.CodeDepth]+refused[core.CodeEstWait]+refused[core.CodeQueueWait] > 0 {
		c.SyncQueue.Enabled = true
		b.note("sync admission was on: of its settings only those that a refusal shows are recorded, the others are the defaults")
	} else {
		b.note("no call was refused by sync admission: it is off in the scenario")
	}
	if c.RateMaxPerSecond == 0 {
		b.note("no call was refused by the global rate limit: there is none in the scenario")
	}
	known := []string{core.CodeQueueFull, core.CodeRateLimited, core.CodeDepth, core.CodeEstWait, core.CodeQueueWait}
	for _, code := range slices.Sorted(maps.Keys(refused)) {
		if !slices.Contains(known, code) {
			b.note("%d calls were refused with %s, which the scenario does not reproduce: they are calls in it", refused[code], code)
		}
	}
}

// function adds a function with its calls, attempts and changes.
func (b *builder) function(f *history.Function) {
	switch {
	case len(f.Calls) == 0:
		return
	case f.Spec == nil:
		if f.Name != "" || f.Domain != 0 {
			b.note("function %s is left out with %d calls: none of its states is recorded", b.label(f), len(f.Calls))
		} else {
			b.note("%d calls of functions that did not exist are left out", len(f.Calls))
		}
		return
	case f.Name == "total" || len(f.Name) > 120:
		b.note("function %q is left out with %d calls: a scenario cannot have that name", f.Name, len(f.Calls))
		return
	}
	fn := scenario.NewFunction()
	fn.Name = f.Name
	setSpec(&fn, f.Spec)
	calls, attempts := scenario.SideFiles(b.sc.Name + ".yaml")
	if b.scaling(&fn, f.Spec) {
		f.Attempts = slices.DeleteFunc(slices.Clone(f.Attempts), func(a scenario.Attempt) bool { return a.Cold })
	}
	if len(f.Attempts) > 0 {
		fn.Behavior.AttemptsFile, fn.Behavior.Attempts = attempts, f.Attempts
	} else {
		b.note("no attempt of %s has ended: it answers at once in the scenario", f.Name)
	}
	if f.Carried > 0 {
		b.note("%d executions of %s were under way at the beginning: they arrive then", f.Carried, f.Name)
	}
	if f.Joined > 0 {
		b.note("%d calls of %s joined an execution by their idempotency key: they made no work and are left out", f.Joined, f.Name)
	}
	b.sc.Functions = append(b.sc.Functions, fn)
	for _, mode := range []string{"invoke", "enqueue"} {
		l := scenario.Load{Function: f.Name, Mode: mode, Arrivals: scenario.Arrivals{Process: "times", Within: "uniform", File: calls}}
		for _, c := range f.Calls {
			if c.Sync == (mode == "invoke") {
				l.Arrivals.Calls = append(l.Arrivals.Calls, scenario.Call{At: c.At, Input: int32(min(c.Input, scenario.MaxCallInput))})
			}
		}
		if len(l.Arrivals.Calls) > 0 {
			b.sc.Load = append(b.sc.Load, l)
		}
	}
	b.changes(f)
}

func (b *builder) label(f *history.Function) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("#%d", f.Domain)
}

func setSpec(fn *scenario.Function, s *core.Spec) {
	fn.Concurrency, fn.QueueSize, fn.MaxRetries, fn.TimeoutMillis = s.Concurrency, s.QueueSize, s.MaxRetries, s.TimeoutMillis
	fn.RetryBackoff, fn.RateMaxPerSecond = s.RetryBackoff, s.RateMaxPerSecond
}

// scaling gives a function that core scaled its scaling and says so; the provider
// of the scenario has the default's start-up time, unless cold starts were told.
func (b *builder) scaling(fn *scenario.Function, s *core.Spec) bool {
	c := s.ScalingConfig
	if c == nil || c.Strategy != "INTERNAL" || s.NoInstances || !b.cfg.Scaler || c.MaxReplicas < 1 {
		return false
	}
	fn.Scaling.Strategy, fn.Scaling.MinReplicas, fn.Scaling.MaxReplicas = c.Strategy, c.MinReplicas, c.MaxReplicas
	var reported []string
	for _, m := range c.Metrics {
		metric := scenario.Metric{Type: m.Type, Name: m.Name, Target: m.Target}
		if metric.Reported() {
			reported = append(reported, m.Type)
			continue
		}
		fn.Scaling.Metrics = append(fn.Scaling.Metrics, metric)
	}
	if len(reported) > 0 {
		b.note("%s was scaled by %s, whose figures the scenario does not have: it is scaled without", fn.Name, strings.Join(reported, ", "))
	}
	if cc := c.ConcurrencyControl; cc != nil {
		to := &fn.Scaling.ConcurrencyControl
		to.Mode, to.Target, to.MinTarget, to.MaxTarget = cc.Mode, cc.TargetInFlightPerPod, cc.MinTargetInFlightPerPod, cc.MaxTargetInFlightPerPod
		to.UpscaleCooldown, to.DownscaleCooldown = cc.UpscaleCooldownMs, cc.DownscaleCooldownMs
		to.HighLoad, to.LowLoad = cc.HighLoadThreshold, cc.LowLoadThreshold
		fn.Provider.Capacity = max(cc.TargetInFlightPerPod, 1)
	}
	b.note("%s was scaled: its instances take %v to start in the scenario and run %d executions at a time; set provider if yours are others",
		fn.Name, fn.Provider.Startup, fn.Provider.Capacity)
	return true
}

// changes are the updates while it was recorded.
func (b *builder) changes(f *history.Function) {
	was := f.Spec
	for _, c := range f.Changes {
		now := c.Spec
		var to scenario.Change
		differs(&to.Concurrency, was.Concurrency, now.Concurrency)
		differs(&to.QueueSize, was.QueueSize, now.QueueSize)
		differs(&to.MaxRetries, was.MaxRetries, now.MaxRetries)
		differs(&to.TimeoutMillis, was.TimeoutMillis, now.TimeoutMillis)
		differs(&to.RetryBackoff, was.RetryBackoff, now.RetryBackoff)
		differs(&to.RateMaxPerSecond, was.RateMaxPerSecond, now.RateMaxPerSecond)
		was = now
		if to != (scenario.Change{}) {
			b.sc.Faults = append(b.sc.Faults, scenario.Fault{At: c.At, Kind: "update", Function: f.Name, Change: to})
		}
	}
}

func differs[T comparable](to **T, was, now T) {
	if was != now {
		*to = &now
	}
}
