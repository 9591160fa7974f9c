package scenario

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/core/strictyaml"
)

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$`)

// MaxFunctions is how many functions a scenario may have, copies included.
const MaxFunctions = 100_000

// check finds what no single value shows.
func check(s *Scenario, p *problems) {
	names := make(map[string]bool, len(s.Functions))
	total := 0
	for i := range s.Functions {
		f := &s.Functions[i]
		switch {
		case !namePattern.MatchString(f.Name) || len(f.Name) > 120:
			p.Add(f.Line, "functions[%d].name: %s is not a function name; use up to 120 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit", i, shown(f.Name))
		case f.Name == "total":
			p.Add(f.Line, "functions[%d].name: 'total' stands for the sums in reports; choose another", i)
		case names[f.Name]:
			p.Add(f.Line, "functions[%d].name: %q is declared twice; choose another", i, f.Name)
		}
		names[f.Name] = true
		total += f.Copies
		f.Behavior.check(f.Line, p)
		f.checkScaling(p)
	}
	for i := range s.Functions {
		for n := 1; s.Functions[i].Copies > 1 && n <= s.Functions[i].Copies; n++ {
			if copy := s.Functions[i].Name + "-" + strconv.Itoa(n); names[copy] {
				p.Add(s.Functions[i].Line, "functions[%d]: its copy %q has the name of another function; rename one", i, copy)
			}
		}
	}
	if total > MaxFunctions {
		p.Add(s.Functions[0].Line, "functions: %d with copies; use at most %d", total, MaxFunctions)
	}
	for i := range s.Load {
		s.Load[i].Arrivals.check(s, p)
		if l := &s.Load[i]; l.Arrivals.Exact() && l.Arrivals.File != "" && (l.IdempotencyKeys > 0 || l.Inputs > 0) {
			p.Add(l.Line, "load[%d]: calls from a file bring inputs of their own and no keys; remove idempotencyKeys and inputs", i)
		}
		s.Load[i].checkCallers(s, i, p)
		if s.Load[i].Leaves.After > 0 && s.Load[i].Mode != "invoke" {
			p.Add(s.Load[i].Line, "load[%d]: callers that enqueue do not wait and so do not leave; remove leaves, or use mode: invoke", i)
		}
		s.Load[i].checkMode(i, p)
	}
	for i := range s.Faults {
		s.Faults[i].check(p)
	}
	for i := range s.Expect {
		s.Expect[i].check(p)
	}
	scaledFaults(s, p)
	s.checkJournal(p)
	s.checkNodes(p)
	checkReports(s, p)
	references(s, p)
}

// references reports functions that are named and not declared.
func references(s *Scenario, p *problems) {
	names := make([]string, 0, len(s.Functions))
	for i := range s.Functions {
		names = append(names, s.Functions[i].Name)
	}
	if len(names) == 0 {
		return // already reported
	}
	declared := make(map[string]bool, len(names))
	for _, name := range names {
		declared[name] = true
	}
	known := func(line int, where string, i int, name string) {
		if name != "" && !declared[name] {
			p.Add(line, "%s[%d]: function %s is not declared%s", where, i, shown(name), strictyaml.Nearest(name, names))
		}
	}
	for i := range s.Load {
		known(s.Load[i].Line, "load", i, s.Load[i].Function)
	}
	for i := range s.Faults {
		known(s.Faults[i].Line, "faults", i, s.Faults[i].Function)
	}
	for i := range s.Reports {
		known(s.Reports[i].Line, "reports", i, s.Reports[i].Function)
	}
	for i := range s.Expect {
		known(s.Expect[i].Line, "expect", i, s.Expect[i].Function)
	}
}

// variant reports keys that the chosen variant lacks or does not take, of what
// was read from a file.
func variant(p *problems, line int, what, name string, given, always, must, may []string) {
	if given == nil {
		return
	}
	for _, key := range must {
		if !slices.Contains(given, key) {
			p.Add(line, "%s %s needs %q; add it", name, what, key)
		}
	}
	for _, key := range given {
		if !slices.Contains(always, key) && !slices.Contains(must, key) && !slices.Contains(may, key) {
			p.Add(line, "%s %s does not take %q; remove it (it takes: %s)", name, what, key, strings.Join(slices.Concat(must, may), ", "))
		}
	}
}

func (b *Behavior) check(line int, p *problems) {
	if sum := b.FailureRate + b.HangRate + b.LateCompletionRate; sum > 1 {
		p.Add(line, "behavior: failureRate + hangRate + lateCompletionRate is %v; make it at most 1", sum)
	}
	if b.AttemptsFile != "" && !b.onlyAttempts() {
		p.Add(line, "behavior: attempts say how dispatches go; remove the other keys, or attempts")
	}
	l := &b.Latency
	if l.given == nil {
		return
	}
	line = l.Line
	var must, may []string
	switch l.Distribution {
	case "constant":
		must = []string{"value"}
		if slices.Contains(l.given, "mean") { // a constant is its own mean
			l.Value, must = l.Mean, []string{"mean"}
		}
	case "uniform":
		must, may = []string{"max"}, []string{"min"}
	case "exponential":
		must = []string{"mean"}
	case "lognormal":
		must = []string{"p50", "p99"}
	case "empirical":
		must = []string{"percentiles"}
	}
	variant(p, line, "latency", l.Distribution, l.given, []string{"distribution"}, must, may)
	switch {
	case l.Distribution == "uniform" && l.Max < l.Min:
		p.Add(line, "latency: max %v is below min %v; swap them", l.Max, l.Min)
	case l.Distribution == "lognormal" && l.P99 < l.P50:
		p.Add(line, "latency: p99 %v is below p50 %v; swap them", l.P99, l.P50)
	case l.Distribution == "empirical" && slices.Contains(l.given, "percentiles") && len(l.Percentiles) == 0:
		p.Add(line, "latency: no percentiles; give at least one")
	}
}

func (a *Arrivals) check(s *Scenario, p *problems) {
	line := a.Line
	var must, may []string
	switch a.Process {
	case "poisson", "constant":
		must, may = []string{"rate"}, []string{"from", "to"}
	case "burst":
		must, may = []string{"count"}, []string{"at"}
	case "ramp":
		must, may = []string{"rate", "toRate"}, []string{"from", "to"}
	case "sine":
		must, may = []string{"rate", "amplitude", "period"}, []string{"from", "to"}
	case "trace":
		must, may = a.listed("counts"), []string{"within", "from"}
	case processTimes, processExact:
		must = a.listed("times")
	}
	variant(p, line, "arrivals", a.Process, a.given, []string{"process"}, must, may)
	switch {
	case slices.Contains(a.given, "times") && len(a.Times) == 0:
		p.Add(line, "arrivals: no times; give at least one")
	case a.To != 0 && a.To <= a.From:
		p.Add(line, "arrivals: to %v is not after from %v; no call would ever arrive", a.To, a.From)
	case a.first() >= s.Duration:
		p.Add(line, "arrivals: begin at %v, but load stops at %v; raise duration", a.first(), s.Duration)
	case a.Process == "trace" && a.File == "" && len(a.Counts) == 0:
		p.Add(line, "arrivals: no counts; give one for each minute")
	case len(a.Counts) > maxMinutes:
		p.Add(line, "arrivals: %d minutes of counts; use at most %d", len(a.Counts), maxMinutes)
	}
}

// checkCallers reports what callers that try again do not go with.
func (l *Load) checkCallers(s *Scenario, i int, p *problems) {
	switch {
	case l.Callers.Retries == 0:
	case l.Leaves.After > 0:
		p.Add(l.Line, "load[%d]: callers that leave do not try again; remove callers or leaves", i)
	case s.Core.Journal.Enabled || s.Nodes > 0:
		p.Add(l.Line, "load[%d]: callers that try again do not go with crashes yet; remove callers, or journal and nodes", i)
	}
}

// listed is the key that has what the process lists, or file, which has it beside
// the scenario.
func (a *Arrivals) listed(key string) []string {
	if slices.Contains(a.given, "file") {
		return []string{"file"}
	}
	return []string{key}
}

// checkMode reports what does not go with a load's mode.
func (l *Load) checkMode(i int, p *problems) {
	calls := l.TimeoutMillis > 0 || l.IdempotencyKeys > 0 || l.Inputs > 0 || l.Context
	switch {
	case !l.Calls() && calls:
		p.Add(l.Line, "load[%d]: mode %s makes no calls; remove timeoutMillis, idempotencyKeys, inputs and context", i, l.Mode)
	case !l.Calls() && l.Arrivals.Exact():
		p.Add(l.Line, "load[%d]: exact arrivals are calls; use mode invoke or enqueue, or another process", i)
	case l.Mode != "complete" && l.FailureRate > 0:
		p.Add(l.Line, "load[%d]: failureRate is of completions from outside; remove it, or use mode: complete", i)
	case l.Mode != "invoke" && l.CallerRuns:
		p.Add(l.Line, "load[%d]: only a caller that waits can make the attempt itself; remove callerRuns, or use mode: invoke", i)
	}
}

func (f *Fault) check(p *problems) {
	always := []string{"at", "kind"}
	var must, may []string
	switch f.Kind {
	case "outage", "provider-outage":
		must = []string{"function", "for"}
	case "slowdown":
		must = []string{"function", "factor", "for"}
	case "crash":
		must, may = []string{"for"}, []string{"again"}
	case "disk-failure":
		must = []string{"for", "share"}
	case "disk-slow":
		must = []string{"for", "factor"}
	case "disk-full":
		must = []string{"for", "bytes"}
	case "disk-lies":
		must = []string{"for", "loses"}
	case "clock-jump":
		must = []string{"by"}
	case "delete-function", "create-function", "redrive", "purge":
		must = []string{"function"}
	case "drain":
		may = []string{"for"}
	case "set-rate":
		must = []string{"rate"}
	case "set-sync-queue":
		must = []string{"syncQueue"}
	case "set-replicas":
		must = []string{"function", "replicas"}
	case "cancel":
		must = []string{"function", "share"}
	case "reconfigure":
		must, may = []string{"function"}, []string{"queueSize", "concurrency"}
		if f.Change == (Change{}) {
			p.Add(f.Line, "fault reconfigure changes nothing; give queueSize or concurrency")
		}
	case "update":
		must, may = []string{"function"}, []string{"queueSize", "concurrency", "maxRetries", "timeoutMillis", "retryBackoff", "rateMaxPerSecond", "scaling", "ifGeneration"}
	default:
		must, may = f.checkNodeFault()
	}
	variant(p, f.Line, "fault", f.Kind, f.given, always, must, may)
}

func (c *Check) check(p *problems) {
	n := 0
	for _, name := range []string{c.Count, c.Latency, c.Gauge} {
		if name != "" {
			n++
		}
	}
	if n != 1 {
		p.Add(c.Line, "a check needs exactly one of count, latency and gauge; it has %d", n)
		return
	}
	at := slices.Contains(c.given, "at")
	var err error
	switch {
	case c.Latency != "":
		var d time.Duration
		if d, err = time.ParseDuration(c.Value); err != nil {
			p.Add(c.Line, "value: %s is not a duration; a latency is compared with one such as 250ms", shown(c.Value))
		}
		c.Want = int64(d)
		if at {
			p.Add(c.Line, "a latency check is on the whole run; remove 'at'")
		}
	default:
		if c.Want, err = strconv.ParseInt(c.Value, 10, 64); err != nil {
			p.Add(c.Line, "value: %s is not a whole number; a %s is compared with one", shown(c.Value), map[bool]string{true: "count", false: "gauge"}[c.Count != ""])
		}
	}
	if c.Gauge != "" && !at {
		p.Add(c.Line, "a gauge check needs 'at'; add the time to read it")
	}
	if (c.Gauge == "stored_executions" || c.Gauge == "stored_keys") && c.Function != "" {
		p.Add(c.Line, "%s is of all functions together; remove 'function'", c.Gauge)
	}
}
