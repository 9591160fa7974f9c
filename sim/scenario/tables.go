package scenario

import (
	"math"
	"time"

	"simplane/core"
)

// Bounds of what a scenario may ask for: beyond any use, and small enough that
// no sum of nanoseconds or counts overflows.
const (
	maxTime  = MaxTime
	maxRate  = 10_000_000.0
	maxCount = 1_000_000_000
)

// MaxTime is how long anything in a scenario may take at most.
const MaxTime = 400 * 24 * time.Hour

// counted is a whole number within a bound of core's.
func counted(b core.Bound[int64]) integer { return integer{b.Min, b.Max} }

// lasting is a duration within a bound of core's, and within what a scenario
// can last.
func lasting(b core.Bound[time.Duration]) span { return span{b.Min, min(b.Max, maxTime)} }

// shared is a real number within a bound of core's.
func shared(b core.Bound[float64]) number { return number{b.Min, b.Max} }

// limits has the bounds of what scenarios hand to core.
var limits = &core.Limits

// Names that expect entries may use.
var (
	CountNames = []string{"offered", "accepted", "success", "error", "timeout", "retries",
		"rejected.rate_limited", "rejected.queue_full", "rejected.est_wait", "rejected.depth",
		"idempotent_hits", "evicted", "cleaned", "late_results", "duplicate_results", "cold_starts",
		"rejected.not_found", "rejected.store_full", "rejected.idempotency_store_full", "rejected.idempotency_key_reused", "queue_wait_exceeded", "stale", "cancelled", "redriven", "updates", "completed", "purged", "rejected.draining",
		"rejected.journal_full", "unavailable", "interrupted", "lost_facts", "refused_starts",
		"scale_ups", "scale_downs", "scale_turns", "replica_seconds", "caller_retries", "callers_failed",
		"rejected.no_owner", "owner_lost", "lookups", "takeovers", "hand_overs", "told_outcomes", "lost_frames", "closed_partitions", "configured"}
	LatencySeries = []string{"queue_wait", "service", "e2e", "e2e_success", "e2e_failure"}
	LatencyStats  = []string{"mean", "p50", "p90", "p99", "p999", "max"}
	GaugeNames    = []string{"queue_depth", "in_flight", "replicas", "replicas_wanted", "stored_executions", "stored_keys"}
	Ops           = []string{"==", "!=", "<", "<=", ">", ">="}
	FaultKinds    = []string{"outage", "slowdown", "clock-jump", "delete-function", "create-function", "reconfigure", "provider-outage", "cancel", "redrive", "update", "purge", "drain", "set-rate", "set-sync-queue", "set-replicas", "crash", "disk-failure", "disk-slow", "disk-full", "disk-lies",
		"kill-node", "leave-node", "pause-node", "partition", "log-fault"}
	Modes         = []string{"invoke", "enqueue", "complete", "cancel", "redrive", "drain-once", "mistake"}
	Backlogs      = []string{"inline", "deferred"}
	Losses        = []string{"tail", "fact"}
	Durabilities  = []string{string(core.DurabilityDisk), string(core.DurabilityMemory)}
	Distributions = []string{"constant", "uniform", "exponential", "lognormal", "empirical"}
	Processes     = []string{"poisson", "constant", "burst", "trace", "ramp", "sine", processTimes, processExact}
)

func latencyNames() []string {
	var all []string
	for _, series := range LatencySeries {
		for _, stat := range LatencyStats {
			all = append(all, series+"."+stat)
		}
	}
	return all
}

var (
	positiveTime = span{time.Nanosecond, maxTime}
	anyTime      = span{0, maxTime}
	probability  = number{0, 1}
)

var scenarioTable = &record[Scenario]{
	what: "scenario", fresh: New,
	fields: []field[Scenario]{
		{key: "name", doc: "Name of the scenario.", typ: text{}, must: true, at: func(s *Scenario) any { return &s.Name }},
		{key: "description", doc: "What the scenario proves.", typ: text{}, at: func(s *Scenario) any { return &s.Description }},
		{key: "seed", doc: "Seed of everything random; --seed overrides it.", typ: integer{0, math.MaxInt64}, at: func(s *Scenario) any { return &s.Seed }},
		{key: "duration", doc: "When load stops. The run goes on until all is terminal.", typ: positiveTime, must: true, at: func(s *Scenario) any { return &s.Duration }},
		{key: "settle", doc: "How long virtual time runs on after that, through the TTLs.", typ: anyTime, at: func(s *Scenario) any { return &s.Settle }},
		{key: "core", doc: "Configuration of the engine; the server's defaults.", typ: coreTable, at: func(s *Scenario) any { return &s.Core }},
		{key: "nodes", doc: "How many control planes share the functions by way of an engine; 0 = there is one, by itself.", typ: integer{0, MaxNodes}, at: func(s *Scenario) any { return &s.Nodes }},
		{key: "cluster", doc: "What surrounds them, with nodes.", typ: clusterTable, at: func(s *Scenario) any { return &s.Cluster }},
		{key: "functions", doc: "The functions, registered at time 0.", typ: list[Function]{functionTable, 1}, must: true, at: func(s *Scenario) any { return &s.Functions }},
		{key: "load", doc: "Streams of arrivals.", typ: list[Load]{loadTable, 0}, at: func(s *Scenario) any { return &s.Load }},
		{key: "faults", doc: "What goes wrong, and when.", typ: list[Fault]{faultTable, 0}, at: func(s *Scenario) any { return &s.Faults }},
		{key: "reports", doc: "Figures that scaled functions' cpu, memory and prometheus metrics are told to have, and when.", typ: list[Report]{reportTable, 0}, at: func(s *Scenario) any { return &s.Reports }},
		{key: "expect", doc: "What must hold; invariants are always checked.", typ: list[Check]{checkTable, 0}, at: func(s *Scenario) any { return &s.Expect }},
	},
}

var coreTable = &record[Core]{
	what: "core", fresh: func() Core { return New().Core },
	fields: []field[Core]{
		{key: "rateMaxPerSecond", doc: "Global limit in each whole second; 0 = none.", typ: counted(limits.RateMaxPerSecond), at: func(c *Core) any { return &c.RateMaxPerSecond }},
		{key: "ttl", doc: "How long an ended execution is kept.", typ: lasting(limits.TTL), at: func(c *Core) any { return &c.TTL }},
		{key: "cleanupTtl", doc: "How long its payload is kept.", typ: lasting(limits.CleanupTTL), at: func(c *Core) any { return &c.CleanupTTL }},
		{key: "staleTtl", doc: "Age at which an unended execution is force-ended.", typ: lasting(limits.StaleTTL), at: func(c *Core) any { return &c.StaleTTL }},
		{key: "idempotencyTtl", doc: "How long an idempotency key is remembered.", typ: lasting(limits.IdempotencyTTL), at: func(c *Core) any { return &c.IdempotencyTTL }},
		{key: "sweepInterval", doc: "Time between expiry sweeps; 0 = a hundredth of the shortest TTL, within 10ms and 1s.", typ: lasting(limits.SweepInterval), at: func(c *Core) any { return &c.SweepInterval }},
		{key: "maxFunctions", doc: "Bound of the registered functions; 0 = as many as a scenario may have.", typ: integer{0, MaxFunctions}, at: func(c *Core) any { return &c.MaxFunctions }},
		{key: "maxExecutions", doc: "Bound of the execution store.", typ: counted(limits.MaxExecutions), at: func(c *Core) any { return &c.MaxExecutions }},
		{key: "maxIdempotencyKeys", doc: "Bound of the idempotency store.", typ: counted(limits.MaxIdempotencyKeys), at: func(c *Core) any { return &c.MaxIdempotencyKeys }},
		{key: "maxPayloadBytes", doc: "Bound of the payloads held; a call brings 7 bytes and its key, a success 11.", typ: counted(limits.MaxPayloadBytes), at: func(c *Core) any { return &c.MaxPayloadBytes }},
		{key: "deadLetters", doc: "Bounds of what is kept of enqueued work that failed for good.", typ: lettersTable, at: func(c *Core) any { return &c.DeadLetters }},
		{key: "shards", doc: "Of the stores of executions and keys; 1 by default, since one thread needs no more.", typ: counted(limits.Shards), at: func(c *Core) any { return &c.Shards }},
		{key: "schedulerOff", doc: "Enqueued work waits for loads with mode drain-once.", typ: boolean{}, at: func(c *Core) any { return &c.SchedulerOff }},
		{key: "backlog", doc: "deferred: a call serves no more than a part of the ready functions, as in serve; the rest is an event of its own.", typ: choice{Backlogs}, at: func(c *Core) any { return &c.Backlog }},
		{key: "borrowedInputs", doc: "Callers reuse the memory of inputs and keys after each call.", typ: boolean{}, at: func(c *Core) any { return &c.BorrowedInputs }},
		{key: "passOverLate", doc: "Queued sync calls that will hardly be done in time wait behind those that still can.", typ: boolean{}, at: func(c *Core) any { return &c.PassOverLate }},
		{key: "syncQueue", doc: "Sync admission.", typ: syncQueueTable, at: func(c *Core) any { return &c.SyncQueue }},
		{key: "autoscale", doc: "Times of the autoscaler.", typ: autoscaleTable, at: func(c *Core) any { return &c.Autoscale }},
		{key: "journal", doc: "A disk that keeps functions and enqueued work over crashes.", typ: journalTable, at: func(c *Core) any { return &c.Journal }},
	},
}

var lettersTable = &record[DeadLetters]{
	what: "deadLetters", flow: true, fresh: func() DeadLetters { return New().Core.DeadLetters },
	fields: []field[DeadLetters]{
		{key: "max", doc: "Of each function; -1 = none are kept.", typ: counted(limits.MaxDeadLetters), at: func(d *DeadLetters) any { return &d.Max }},
		{key: "maxBytes", doc: "Over all functions; the one with the most loses its oldest.", typ: counted(limits.MaxDeadLetterBytes), at: func(d *DeadLetters) any { return &d.MaxBytes }},
		{key: "ttl", doc: "How long each is kept, from its execution's end.", typ: lasting(limits.DeadLetterTTL), at: func(d *DeadLetters) any { return &d.TTL }},
	},
}

var syncQueueTable = &record[SyncQueue]{
	what: "syncQueue", flow: true, fresh: func() SyncQueue { return New().Core.SyncQueue },
	fields: []field[SyncQueue]{
		{key: "enabled", doc: "Switches sync admission on.", typ: boolean{}, at: func(q *SyncQueue) any { return &q.Enabled }},
		{key: "estimateDisabled", doc: "Leaves out the estimate of the wait.", typ: boolean{}, at: func(q *SyncQueue) any { return &q.EstimateDisabled }},
		{key: "maxConcurrency", doc: "Sync executions in flight before newcomers are judged.", typ: counted(limits.SyncQueueMaxConcurrency), at: func(q *SyncQueue) any { return &q.MaxConcurrency }},
		{key: "maxDepth", doc: "Queued sync invocations at which newcomers are refused.", typ: counted(limits.SyncQueueMaxDepth), at: func(q *SyncQueue) any { return &q.MaxDepth }},
		{key: "maxEstimatedWait", doc: "Longest estimated wait that is admitted.", typ: lasting(limits.SyncQueueMaxEstimatedWait), at: func(q *SyncQueue) any { return &q.MaxEstimatedWait }},
		{key: "maxQueueWait", doc: "Longest real wait.", typ: lasting(limits.SyncQueueMaxQueueWait), at: func(q *SyncQueue) any { return &q.MaxQueueWait }},
	},
}

var journalTable = &record[Journal]{
	what: "journal", flow: true, fresh: func() Journal { return New().Core.Journal },
	fields: []field[Journal]{
		{key: "enabled", doc: "Switches it on; scaled functions do not go with it.", typ: boolean{}, at: func(j *Journal) any { return &j.Enabled }},
		{key: "commitLatency", doc: "How long a commit takes; what comes meanwhile is in the next one.", typ: positiveTime, at: func(j *Journal) any { return &j.CommitLatency }},
		{key: "timeout", doc: "How long answers wait for a commit; then their callers are told that the outcome is not known.", typ: positiveTime, at: func(j *Journal) any { return &j.Timeout }},
		{key: "maxBytes", doc: "Bytes of facts at which new durable work is refused; 0 = no bound.", typ: integer{0, math.MaxInt64}, at: func(j *Journal) any { return &j.MaxBytes }},
	},
}

var functionTable = &record[Function]{
	what: "function", fresh: NewFunction, line: func(f *Function) *int { return &f.Line },
	fields: []field[Function]{
		{key: "name", doc: "Name; 'total' is taken.", typ: text{}, must: true, at: func(f *Function) any { return &f.Name }},
		{key: "copies", doc: "Registers this many alike, NAME-1 to NAME-n; load, faults and checks of NAME address all.", typ: integer{1, MaxFunctions}, at: func(f *Function) any { return &f.Copies }},
		{key: "concurrency", doc: "Slots: executions in flight at most.", typ: counted(limits.Concurrency), at: func(f *Function) any { return &f.Concurrency }},
		{key: "queueSize", doc: "Executions queued at most.", typ: counted(limits.QueueSize), at: func(f *Function) any { return &f.QueueSize }},
		{key: "maxRetries", doc: "Retries of a failed dispatch.", typ: counted(limits.MaxRetries), at: func(f *Function) any { return &f.MaxRetries }},
		{key: "timeoutMillis", doc: "Timeout of an attempt, and of a sync caller.", typ: counted(limits.TimeoutMillis), at: func(f *Function) any { return &f.TimeoutMillis }},
		{key: "retryBackoff", doc: "Pauses between a failed attempt and the next.", typ: backoffTable, at: func(f *Function) any { return &f.RetryBackoff }},
		{key: "rateMaxPerSecond", doc: "Its own limit in each whole second, beside the global one; 0 = none.", typ: counted(limits.FunctionRate), at: func(f *Function) any { return &f.RateMaxPerSecond }},
		{key: "durability", doc: "Whether enqueued work is kept in the journal, if there is one.", typ: choice{Durabilities}, at: func(f *Function) any { return &f.Durability }},
		{key: "behavior", doc: "How dispatches go; without it they answer at once.", typ: behaviorTable, at: func(f *Function) any { return &f.Behavior }},
		{key: "scaling", doc: "Its scalingConfig; with it a simulated provider runs its instances.", typ: scalingTable, at: func(f *Function) any { return &f.Scaling }},
		{key: "provider", doc: "How that provider's instances are, with scaling.", typ: providerTable, at: func(f *Function) any { return &f.Provider }},
	},
}

var backoffTable = &record[core.RetryBackoff]{
	what: "retryBackoff", flow: true, fresh: newBackoff,
	fields: []field[core.RetryBackoff]{
		{key: "initialMs", doc: "Before the second attempt, in milliseconds; 0 = no pause before any.", typ: counted(limits.BackoffInitial), at: func(b *core.RetryBackoff) any { return &b.InitialMillis }},
		{key: "maxMs", doc: "The longest, before jitter.", typ: counted(limits.BackoffMax), at: func(b *core.RetryBackoff) any { return &b.MaxMillis }},
		{key: "multiplier", doc: "From one pause to the next.", typ: shared(limits.BackoffMultiplier), at: func(b *core.RetryBackoff) any { return &b.Multiplier }},
		{key: "jitter", doc: "Share by which a pause moves either way.", typ: shared(limits.BackoffJitter), at: func(b *core.RetryBackoff) any { return &b.Jitter }},
	},
}

var behaviorTable = &record[Behavior]{
	what: "behavior", fresh: func() Behavior { return NewFunction().Behavior },
	fields: []field[Behavior]{
		{key: "latency", doc: "Service time.", typ: latencyTable, at: func(b *Behavior) any { return &b.Latency }},
		{key: "overhead", doc: "Added to each dispatch: what the call itself costs on a real server.", typ: anyTime, at: func(b *Behavior) any { return &b.Overhead }},
		{key: "failureRate", doc: "Share of dispatches that answer with an error.", typ: probability, at: func(b *Behavior) any { return &b.FailureRate }},
		{key: "permanentRate", doc: "Of the failures, the share that says not to try again.", typ: probability, at: func(b *Behavior) any { return &b.PermanentRate }},
		{key: "retryAfter", doc: "Shortest pause that the other failures ask for.", typ: anyTime, at: func(b *Behavior) any { return &b.RetryAfter }},
		{key: "hangRate", doc: "Share that never answer.", typ: probability, at: func(b *Behavior) any { return &b.HangRate }},
		{key: "duplicateCompletionRate", doc: "Share that answer twice.", typ: probability, at: func(b *Behavior) any { return &b.DuplicateCompletionRate }},
		{key: "lateCompletionRate", doc: "Share that answer only after their timeout.", typ: probability, at: func(b *Behavior) any { return &b.LateCompletionRate }},
		{key: "coldStart", doc: "Start-up time of an instance.", typ: coldStartTable, at: func(b *Behavior) any { return &b.ColdStart }},
		{key: "echo", doc: "A success answers with the input of its call, in the same memory.", typ: boolean{}, at: func(b *Behavior) any { return &b.Echo }},
		{key: "errorBytes", doc: "How long the codes and messages of failures are, at least; core clips them. 0 = short.", typ: integer{0, 1 << 20}, at: func(b *Behavior) any { return &b.ErrorBytes }},
		{key: "attempts", doc: "In place of all of these: a file beside the scenario with attempts and how they went. Each dispatch goes as one of those that began at about its time.", typ: text{}, at: func(b *Behavior) any { return &b.AttemptsFile }},
	},
}

var coldStartTable = &record[ColdStart]{
	what: "coldStart", flow: true, fresh: func() ColdStart { return ColdStart{} },
	fields: []field[ColdStart]{
		{key: "initDuration", doc: "Added to a dispatch that meets no warm instance.", typ: positiveTime, must: true, at: func(c *ColdStart) any { return &c.InitDuration }},
		{key: "idleTimeout", doc: "How long an idle instance stays warm; 0 = for ever.", typ: anyTime, at: func(c *ColdStart) any { return &c.IdleTimeout }},
	},
}

var latencyTable = &record[Latency]{
	what: "latency", flow: true, fresh: newLatency,
	line: func(l *Latency) *int { return &l.Line }, given: func(l *Latency) *[]string { return &l.given },
	short: "value", // `latency: 40ms`
	fields: []field[Latency]{
		{key: "distribution", doc: "Its shape.", typ: choice{Distributions}, at: func(l *Latency) any { return &l.Distribution }},
		{key: "value", doc: "constant: every service time.", typ: anyTime, at: func(l *Latency) any { return &l.Value }},
		{key: "min", doc: "uniform: the least.", typ: anyTime, at: func(l *Latency) any { return &l.Min }},
		{key: "max", doc: "uniform: the most.", typ: anyTime, at: func(l *Latency) any { return &l.Max }},
		{key: "mean", doc: "exponential: the mean.", typ: positiveTime, at: func(l *Latency) any { return &l.Mean }},
		{key: "p50", doc: "lognormal: the median.", typ: positiveTime, at: func(l *Latency) any { return &l.P50 }},
		{key: "p99", doc: "lognormal: the 99th percentile.", typ: positiveTime, at: func(l *Latency) any { return &l.P99 }},
		{key: "percentiles", doc: "empirical: percentile (p0 to p100) to value; linear in between.", typ: percentiles{}, at: func(l *Latency) any { return &l.Percentiles }},
	},
}

// MaxInputs is how many different inputs a load's calls can bring. All are of one
// length.
const MaxInputs = 9

var loadTable = &record[Load]{
	what: "load", fresh: newLoad, line: func(l *Load) *int { return &l.Line },
	fields: []field[Load]{
		{key: "function", doc: "Which function is called.", typ: text{}, must: true, at: func(l *Load) any { return &l.Function }},
		{key: "mode", doc: "invoke waits for the result, enqueue does not. The others are no calls, and each does something to one execution that is drawn: complete ends it from outside, cancel cancels it, redrive submits the oldest dead letter again, drain-once starts the head of the queue. mistake makes a request that has to be refused, such as one of an unknown id or a setting out of its bounds.", typ: choice{Modes}, at: func(l *Load) any { return &l.Mode }},
		{key: "arrivals", doc: "When calls arrive.", typ: arrivalsTable, must: true, at: func(l *Load) any { return &l.Arrivals }},
		{key: "timeoutMillis", doc: "Timeout of these calls, as X-Timeout-Ms; the function's by default.", typ: counted(limits.TimeoutMillis), at: func(l *Load) any { return &l.TimeoutMillis }},
		{key: "idempotencyKeys", doc: "Calls carry a key drawn from this many.", typ: integer{1, 10_000_000}, at: func(l *Load) any { return &l.IdempotencyKeys }},
		{key: "inputs", doc: "Calls bring an input drawn from this many; by default all bring the same.", typ: integer{1, MaxInputs}, at: func(l *Load) any { return &l.Inputs }},
		{key: "callerRuns", doc: "invoke: a caller makes the first attempt itself when a slot is free at once.", typ: boolean{}, at: func(l *Load) any { return &l.CallerRuns }},
		{key: "context", doc: "Calls bring metadata, a trace id and a trace context, too.", typ: boolean{}, at: func(l *Load) any { return &l.Context }},
		{key: "failureRate", doc: "complete: share of outcomes that are errors; an error is final.", typ: probability, at: func(l *Load) any { return &l.FailureRate }},
		{key: "callers", doc: "Callers that try again when they are refused, and of invoke when their call does not succeed.", typ: callersTable, at: func(l *Load) any { return &l.Callers }},
		{key: "leaves", doc: "invoke: callers close their connection and do not wait for the end.", typ: leavesTable, at: func(l *Load) any { return &l.Leaves }},
	},
}

var callersTable = &record[Callers]{
	what: "callers", flow: true, fresh: func() Callers { return Callers{Backoff: 100 * time.Millisecond} },
	fields: []field[Callers]{
		{key: "retries", doc: "How often each tries again at most.", typ: integer{1, 1000}, must: true, at: func(c *Callers) any { return &c.Retries }},
		{key: "backoff", doc: "Mean pause before the second try; each further one is twice as long, and each is moved by up to half of it either way.", typ: positiveTime, at: func(c *Callers) any { return &c.Backoff }},
		{key: "patience", doc: "How long after its first call a caller begins no other one; by default it tries all its retries.", typ: positiveTime, at: func(c *Callers) any { return &c.Patience }},
	},
}

var leavesTable = &record[Leaves]{
	what: "leaves", flow: true, fresh: func() Leaves { return Leaves{} },
	fields: []field[Leaves]{
		{key: "after", doc: "How long after their call.", typ: positiveTime, must: true, at: func(l *Leaves) any { return &l.After }},
		{key: "forgets", doc: "They take their wait back then, and their execution goes on; without it they are asked when its turn comes.", typ: boolean{}, at: func(l *Leaves) any { return &l.Forgets }},
	},
}

var arrivalsTable = &record[Arrivals]{
	what: "arrivals", flow: true, fresh: newArrivals,
	line: func(a *Arrivals) *int { return &a.Line }, given: func(a *Arrivals) *[]string { return &a.given },
	fields: []field[Arrivals]{
		{key: "process", doc: "Shape of the stream; exact is an older word for times.", typ: choice{Processes}, must: true, at: func(a *Arrivals) any { return &a.Process }},
		{key: "rate", doc: "poisson, constant: calls a second; ramp: at the beginning; sine: on average.", typ: number{1e-6, maxRate}, at: func(a *Arrivals) any { return &a.Rate }},
		{key: "toRate", doc: "ramp: calls a second at the end; rate is that at the beginning.", typ: number{0, maxRate}, at: func(a *Arrivals) any { return &a.ToRate }},
		{key: "amplitude", doc: "sine: how far the rate goes to either side, as a share of it.", typ: probability, at: func(a *Arrivals) any { return &a.Amplitude }},
		{key: "period", doc: "sine: from one peak to the next.", typ: positiveTime, at: func(a *Arrivals) any { return &a.Period }},
		{key: "from", doc: "poisson, constant, trace, ramp, sine: when the stream begins.", typ: anyTime, at: func(a *Arrivals) any { return &a.From }},
		{key: "to", doc: "poisson, constant, ramp, sine: when it ends; the scenario's duration by default.", typ: positiveTime, at: func(a *Arrivals) any { return &a.To }},
		{key: "at", doc: "burst: when.", typ: anyTime, at: func(a *Arrivals) any { return &a.At }},
		{key: "count", doc: "burst: how many.", typ: integer{1, maxCount}, at: func(a *Arrivals) any { return &a.Count }},
		{key: "counts", doc: "trace: calls in each minute.", typ: counts{}, at: func(a *Arrivals) any { return &a.Counts }, beside: func(a *Arrivals) bool { return a.File != "" }},
		{key: "times", doc: "times: when each call comes, in order.", typ: instants{}, at: func(a *Arrivals) any { return &a.Times }},
		{key: "file", doc: "times: a file beside the scenario, in place of times, with the time of each call; those of the load's function and mode count. trace: one with the counts of each function, in place of counts.", typ: text{}, at: func(a *Arrivals) any { return &a.File }},
		{key: "within", doc: "trace: uniform has exactly that many at random times, poisson on average.", typ: choice{[]string{"uniform", "poisson"}}, at: func(a *Arrivals) any { return &a.Within }},
	},
}

var faultTable = &record[Fault]{
	what: "fault", flow: true, fresh: func() Fault { return Fault{} },
	line: func(f *Fault) *int { return &f.Line }, given: func(f *Fault) *[]string { return &f.given },
	fields: []field[Fault]{
		{key: "at", doc: "When.", typ: anyTime, must: true, at: func(f *Fault) any { return &f.At }},
		{key: "kind", doc: "outage: dispatches fail at once; slowdown: they take factor times as long; clock-jump: the wall clock moves, timers do not; delete-function, create-function; update: a changed spec is put in place of the one in force, and what is not given stays as it is; reconfigure: the same of queueSize and concurrency alone; cancel: a share of the executions that have not ended is cancelled; redrive: all dead letters are submitted again, oldest first; purge: they are forgotten; drain: no more work is accepted, and what was accepted goes on, for the time that is given: then what is not in a journal is cancelled; set-rate: another global limit, with nodes of all, asked for at any of them; set-sync-queue: another sync admission; set-replicas: a scaled function's instances are set by hand; provider-outage: calls for other replicas are lost and no instance gets ready, those that are go on; crash: the process ends with all attempts, what the journal's disk has not got is lost, and after the time it starts again from what is there; disk-failure: a share of the journal's commits fail, which ends the process, and it starts again at once; disk-slow: commits take factor times as long; disk-full: there is room for so many bytes more of facts, no new durable work is taken, and a commit that does not fit fails; disk-lies: what it says is synced is not until the fault ends, and a crash loses some of it. With nodes: kill-node: a process ends, and after the time another starts; leave-node: it gives up all that it owns first; pause-node: it stands still; partition: messages between a node and others are lost, a share of them or all, or delayed; log-fault: the engine has a fault, see does.", typ: choice{FaultKinds}, must: true, at: func(f *Fault) any { return &f.Kind }},
		{key: "function", doc: "Whose; every kind but clock-jump, drain, set-rate, set-sync-queue, crash and those of the disk and of nodes has one.", typ: text{}, at: func(f *Fault) any { return &f.Function }},
		{key: "for", doc: "outage, slowdown, provider-outage, drain, crash, disk-…, and those of nodes: how long.", typ: positiveTime, at: func(f *Fault) any { return &f.For }},
		{key: "factor", doc: "slowdown: service times are multiplied by this; disk-slow, log-fault slow: the time of commits.", typ: number{1e-6, 1e6}, at: func(f *Fault) any { return &f.Factor }},
		{key: "share", doc: "cancel: of the executions that have not ended, drawn at random; disk-failure: of the commits; partition: of the messages, all by default; log-fault: of the calls.", typ: probability, at: func(f *Fault) any { return &f.Share }},
		{key: "replicas", doc: "set-replicas: so many.", typ: optional[int]{of: counted(limits.Replicas)}, at: func(f *Fault) any { return &f.Replicas }},
		{key: "rate", doc: "set-rate: the new limit in each second; 0 = none.", typ: optional[int64]{of: counted(limits.RateMaxPerSecond)}, at: func(f *Fault) any { return &f.Rate }},
		{key: "syncQueue", doc: "set-sync-queue: the new one; a key that is not given has its default.", typ: optional[SyncQueue]{of: syncQueueTable, fresh: syncQueueTable.fresh}, at: func(f *Fault) any { return &f.SyncQueue }},
		{key: "again", doc: "crash: so many recoveries after it crash too, each at a random point and for as long.", typ: integer{0, 1000}, at: func(f *Fault) any { return &f.Again }},
		{key: "bytes", doc: "disk-full: how many bytes of facts still fit.", typ: integer{0, math.MaxInt64}, at: func(f *Fault) any { return &f.Bytes }},
		{key: "loses", doc: "disk-lies: what each crash takes: tail is the last commits, however many of those that were not synced; fact is one of the newest twenty of them.", typ: choice{Losses}, at: func(f *Fault) any { return &f.Loses }},
		{key: "by", doc: "clock-jump: how far, back when negative.", typ: span{-maxTime, maxTime}, at: func(f *Fault) any { return &f.By }},
		{key: "queueSize", doc: "update, reconfigure: the new size.", typ: optional[int]{of: counted(limits.QueueSize)}, at: func(f *Fault) any { return &f.Change.QueueSize }},
		{key: "concurrency", doc: "update, reconfigure: the new number of slots.", typ: optional[int]{of: counted(limits.Concurrency)}, at: func(f *Fault) any { return &f.Change.Concurrency }},
		{key: "maxRetries", doc: "update: of the failures from then on.", typ: optional[int]{of: counted(limits.MaxRetries)}, at: func(f *Fault) any { return &f.Change.MaxRetries }},
		{key: "timeoutMillis", doc: "update: of what is accepted from then on.", typ: optional[int]{of: counted(limits.TimeoutMillis)}, at: func(f *Fault) any { return &f.Change.TimeoutMillis }},
		{key: "retryBackoff", doc: "update: of the failures from then on; a key that is not given has its default.", typ: optional[core.RetryBackoff]{of: backoffTable, fresh: newBackoff}, at: func(f *Fault) any { return &f.Change.RetryBackoff }},
		{key: "rateMaxPerSecond", doc: "update: the function's own limit; 0 = none.", typ: optional[int64]{of: counted(limits.FunctionRate)}, at: func(f *Fault) any { return &f.Change.RateMaxPerSecond }},
		{key: "node", doc: "kill-node, leave-node, pause-node, partition, log-fault stale-watch: which, from 1.", typ: integer{1, MaxNodes}, at: func(f *Fault) any { return &f.Node }},
		{key: "peer", doc: "partition: whom the node cannot reach: another node's number, engine, or all.", typ: choice{peers}, at: func(f *Fault) any { return &f.Peer }},
		{key: "direction", doc: "partition: only messages from the node are stopped, or only those to it; both by default.", typ: choice{directed}, at: func(f *Fault) any { return &f.Direction }},
		{key: "delay", doc: "partition: messages are not lost, but take so much longer.", typ: positiveTime, at: func(f *Fault) any { return &f.Delay }},
		{key: "does", doc: "log-fault: slow: writes take factor times as long; deaf: a share of the answers is lost, so that nobody knows what came of the calls; repeats: a share of the calls arrives twice; pauses: nothing is carried out until it is over; stale-watch: a node is told of nothing; loses: a frame that was acknowledged is gone, one of the newest of the function's partition.", typ: choice{logFaults}, at: func(f *Fault) any { return &f.Does }},
		{key: "scaling", doc: "update: the whole of it; a key that is not given has its default.", typ: optional[Scaling]{of: scalingFlowTable, fresh: newScaling}, at: func(f *Fault) any { return &f.Change.Scaling }},
		{key: "ifGeneration", doc: "update: refused unless the function is at this generation, which counts its specs from 1; 0 = any.", typ: integer{0, maxCount}, at: func(f *Fault) any { return &f.IfGeneration }},
	},
}

var checkTable = &record[Check]{
	what: "check", flow: true, fresh: func() Check { return Check{} },
	line: func(c *Check) *int { return &c.Line }, given: func(c *Check) *[]string { return &c.given },
	fields: []field[Check]{
		{key: "at", doc: "gauge: when, after all events of that time; count: when, by default at the end.", typ: anyTime, at: func(c *Check) any { return &c.At }},
		{key: "count", doc: "A counter.", typ: choice{CountNames}, at: func(c *Check) any { return &c.Count }},
		{key: "latency", doc: "A latency statistic, SERIES.STATISTIC, compared at the histogram's three significant digits.", typ: choice{latencyNames()}, at: func(c *Check) any { return &c.Latency }},
		{key: "gauge", doc: "A size at one time.", typ: choice{GaugeNames}, at: func(c *Check) any { return &c.Gauge }},
		{key: "function", doc: "Whose; all together by default.", typ: text{}, at: func(c *Check) any { return &c.Function }},
		{key: "op", doc: "Comparison of the figure with value.", typ: choice{Ops}, must: true, at: func(c *Check) any { return &c.Op }},
		{key: "value", doc: "A whole number, or a duration for a latency.", typ: scalar{}, must: true, at: func(c *Check) any { return &c.Value }},
		{key: "allowNoData", doc: "Whether it holds if there was nothing to take the figure of: no latency, or a count where no call was offered. By default it does not.", typ: boolean{}, at: func(c *Check) any { return &c.AllowNoData }},
	},
}
