// Package scenario reads, checks and writes the simulator's scenario files.
//
// What a file may contain is declared once, in tables.go: the strict decoder,
// the writer and the JSON Schema all walk those tables, so they cannot
// disagree.
package scenario

import (
	"slices"
	"strconv"
	"time"

	"simplane/core"
)

// Scenario is one decoded scenario file. Times are virtual, counted from 0.
type Scenario struct {
	File        string // where it was read from; "" when it was built in memory
	Name        string
	Description string
	Seed        uint64
	// Duration is when load stops; the run goes on until all is terminal.
	Duration time.Duration
	// Settle is how long virtual time runs on after that. 0 = not at all.
	Settle time.Duration
	Core   Core
	// Nodes is how many control planes there are, with Cluster around them; 0 = one,
	// by itself.
	Nodes     int
	Cluster   Cluster
	Functions []Function
	Load      []Load
	Faults    []Fault
	Reports   []Report
	Expect    []Check
}

// Core is the configuration of the engine under test.
type Core struct {
	RateMaxPerSecond   int64 // 0 = no limit
	TTL                time.Duration
	CleanupTTL         time.Duration
	StaleTTL           time.Duration
	IdempotencyTTL     time.Duration
	SweepInterval      time.Duration // 0 = the core's default
	MaxFunctions       int           // 0 = as many as a scenario may have
	MaxExecutions      int
	MaxIdempotencyKeys int
	MaxPayloadBytes    int64
	DeadLetters        DeadLetters
	PassOverLate       bool
	Shards             int    // of each store
	SchedulerOff       bool   // enqueued work waits for loads with mode drain-once
	Backlog            string // inline or deferred, see Backlogs
	BorrowedInputs     bool   // callers reuse the memory of what they bring
	SyncQueue          SyncQueue
	Autoscale          Autoscale
	Journal            Journal
}

// Journal is a disk that keeps functions and enqueued work over crashes.
type Journal struct {
	Enabled       bool
	CommitLatency time.Duration // of one commit; what comes meanwhile is in the next
	Timeout       time.Duration // of the answers that wait for a commit
	MaxBytes      int64         // of facts that are kept; at it new work is refused. 0 = no bound
}

// DeadLetters are the bounds of dead letters; see core.Config.
type DeadLetters struct {
	Max      int // of each function; -1 = none
	MaxBytes int64
	TTL      time.Duration
}

// SyncQueue is sync admission.
type SyncQueue struct {
	Enabled          bool
	EstimateDisabled bool
	MaxConcurrency   int
	MaxDepth         int
	MaxEstimatedWait time.Duration
	MaxQueueWait     time.Duration
}

// Function is a function, or Copies of one.
type Function struct {
	Line int // in File; 0 when built in memory
	Name string
	// Copies > 1 registers that many functions, NAME-1 to NAME-n, each with its
	// own queue and slots. Load, faults and checks that name NAME address all.
	Copies        int
	Concurrency   int
	QueueSize     int
	MaxRetries    int
	TimeoutMillis int
	RetryBackoff  core.RetryBackoff
	// RateMaxPerSecond limits this function alone. 0 = no limit of its own.
	RateMaxPerSecond int64
	Durability       string // of enqueued work, with Core.Journal
	Behavior         Behavior
	Scaling          Scaling
	Provider         Provider // of its instances, with Scaling
}

// Behavior is how a function's dispatches go. The rates are probabilities per
// dispatch, 0 to 1.
type Behavior struct {
	Latency                 Latency
	FailureRate             float64
	PermanentRate           float64       // of the failures, those that are not worth a retry
	RetryAfter              time.Duration // asked for by the other failures; 0 = nothing
	HangRate                float64       // never answers
	DuplicateCompletionRate float64       // answers twice
	LateCompletionRate      float64       // answers only after the attempt's timeout
	ColdStart               ColdStart
	Overhead                time.Duration // of each dispatch, beside its service time
	Echo                    bool          // a success answers with its input
	ErrorBytes              int           // how long the codes and messages of failures are; 0 = short
	// AttemptsFile names a side file with Attempts, which the other fields do not
	// go with: dispatches go as attempts of about that time went.
	AttemptsFile string
	Attempts     []Attempt
}

// ColdStart adds InitDuration to a dispatch that meets no warm instance. An
// instance is warm for IdleTimeout after its last answer; 0 = for ever.
type ColdStart struct {
	InitDuration time.Duration
	IdleTimeout  time.Duration
}

// Latency is a distribution of service times; which fields it takes depends on
// Distribution: constant(Value), uniform(Min, Max), exponential(Mean),
// lognormal(P50, P99), empirical(Percentiles).
type Latency struct {
	Line                            int
	given                           []string
	Distribution                    string
	Value, Min, Max, Mean, P50, P99 time.Duration
	Percentiles                     []Percentile // ascending by Rank
}

// Percentile is one point of an empirical distribution.
type Percentile struct {
	Rank  float64 // 0 to 100
	Value time.Duration
}

// Load is one stream of arrivals at a function.
type Load struct {
	Line            int
	Function        string
	Mode            string // see Modes
	Arrivals        Arrivals
	TimeoutMillis   int // 0 = the function's
	IdempotencyKeys int // keys are drawn from this many; 0 = none are sent
	Inputs          int // inputs are drawn from this many; 0 = all are the same
	Leaves          Leaves
	Callers         Callers
	CallerRuns      bool    // invoke: callers make the first attempt themselves
	Context         bool    // calls bring metadata and a trace context, too
	FailureRate     float64 // complete: share of errors
}

// Callers is how callers try again: those that are refused, and of invoke those whose
// call does not succeed. The zero value is that of callers that do not.
type Callers struct {
	Retries int // at most, of each
	// Backoff is the mean pause before the second try; each further one is twice as
	// long. Each is moved by up to half of it either way.
	Backoff time.Duration
	// Patience is how long after the first try no other one begins. 0 = however long.
	Patience time.Duration
}

// Calls says that the load's arrivals are calls of the function. Others do something
// to its executions.
func (l *Load) Calls() bool { return l.Mode == "invoke" || l.Mode == "enqueue" }

// Leaves is how callers leave. The zero value is that of callers that stay.
type Leaves struct {
	After   time.Duration // their call; 0 = they stay
	Forgets bool          // they take their wait back; else they are asked at their turn
}

// Arrivals is an arrival process: poisson or constant(Rate, From, To),
// burst(At, Count), trace(Counts or File, Within, From), times(Times or File),
// ramp(Rate, ToRate, From, To), sine(Rate, Amplitude, Period, From, To).
type Arrivals struct {
	Line    int
	given   []string
	Process string
	Rate    float64 // per second; ramp: at From; sine: the mean
	ToRate  float64 // ramp: at To
	// Amplitude is how far the rate of a sine goes to either side, as a share of Rate;
	// it begins at the mean, rising.
	Amplitude float64
	Period    time.Duration
	From      time.Duration // first possible arrival
	To        time.Duration // arrivals are before this; 0 = the duration
	At        time.Duration
	Count     int
	Counts    []int32         // arrivals in each minute after From
	Within    string          // uniform: exactly Counts, at random times; poisson: on average
	Times     []time.Duration // of each arrival, ascending
	File      string          // a side file with Counts or Calls
	Calls     []Call          // from it, of the load's function and mode, by time
}

// Times are how a stream with a time for each call is called in files: times, or
// exact in older ones.
const processTimes, processExact = "times", "exact"

// Exact says that each call has its own time.
func (a *Arrivals) Exact() bool { return a.Process == processTimes || a.Process == processExact }

// first is a time before which no call comes.
func (a *Arrivals) first() time.Duration {
	if len(a.Times) > 0 {
		return a.Times[0]
	}
	return max(a.From, a.At)
}

// AllCalls are the calls of an Exact stream.
func (a *Arrivals) AllCalls() []Call {
	if len(a.Times) == 0 {
		return a.Calls
	}
	all := make([]Call, len(a.Times))
	for i, at := range a.Times {
		all[i].At = at
	}
	return all
}

// Fault is something that happens to the system at one virtual time.
type Fault struct {
	Line         int
	given        []string
	At           time.Duration
	Kind         string
	Function     string
	For          time.Duration // outage, slowdown, provider-outage, crash, disk-…
	Factor       float64       // slowdown, disk-slow
	By           time.Duration // clock-jump
	Share        float64       // cancel, disk-failure
	Replicas     *int          // set-replicas
	Rate         *int64        // set-rate; 0 = no limit
	SyncQueue    *SyncQueue    // set-sync-queue
	Again        int           // crash: recoveries after it that crash, too
	Bytes        int64         // disk-full: of facts that still fit
	Loses        string        // disk-lies: tail or fact
	Node         int           // of those of nodes: which, from 1
	Peer         string        // partition
	Direction    string        // partition: FromNode or ToNode; "" = both
	Delay        time.Duration // partition: of messages, which are not lost then; 0 = they are
	Does         string        // log-fault
	Change       Change        // update, reconfigure
	IfGeneration uint64        // update; 0 = whatever the function's is
}

// Change is what an update changes of a function; nil = that stays as it is.
type Change struct {
	Concurrency, QueueSize    *int
	MaxRetries, TimeoutMillis *int
	RetryBackoff              *core.RetryBackoff
	RateMaxPerSecond          *int64
	Scaling                   *Scaling
}

// Of is f with the change made.
func (c *Change) Of(f Function) Function {
	set(&f.Concurrency, c.Concurrency)
	set(&f.QueueSize, c.QueueSize)
	set(&f.MaxRetries, c.MaxRetries)
	set(&f.TimeoutMillis, c.TimeoutMillis)
	set(&f.RetryBackoff, c.RetryBackoff)
	set(&f.RateMaxPerSecond, c.RateMaxPerSecond)
	set(&f.Scaling, c.Scaling)
	return f
}

func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// Check is an assertion on the outcome: exactly one of Count, Latency and
// Gauge is set.
type Check struct {
	Line     int
	given    []string
	At       time.Duration // gauge: when; count: 0 = at the end
	Count    string
	Latency  string // SERIES.STATISTIC
	Gauge    string
	Function string // "" = all together
	Op       string
	Value    string // as written
	// Want is Value as a number: a count, or nanoseconds for a latency.
	Want int64
	// AllowNoData has it hold if nothing has happened that it is on.
	AllowNoData bool
}

// New is an empty scenario with the server's defaults.
func New() Scenario {
	def := core.DefaultConfig()
	return Scenario{Cluster: newCluster(), Core: Core{
		RateMaxPerSecond: def.RateMaxPerSecond,
		TTL:              def.TTL, CleanupTTL: def.CleanupTTL, StaleTTL: def.StaleTTL,
		IdempotencyTTL: def.IdempotencyTTL,
		MaxExecutions:  def.MaxExecutions, MaxIdempotencyKeys: def.MaxIdempotencyKeys, MaxPayloadBytes: def.MaxPayloadBytes,
		SyncQueue: SyncQueue{
			MaxConcurrency: def.SyncQueue.MaxConcurrency, MaxDepth: def.SyncQueue.MaxDepth,
			MaxEstimatedWait: def.SyncQueue.MaxEstimatedWait, MaxQueueWait: def.SyncQueue.MaxQueueWait,
		},
		Autoscale: Autoscale{
			Interval: def.AutoscaleInterval, UpCooldown: def.ScaleUpCooldown, DownCooldown: def.ScaleDownCooldown,
			DownWindow: def.ScaleDownWindow, ToZeroGrace: def.ScaleToZeroGrace,
		},
		DeadLetters: DeadLetters{Max: def.MaxDeadLetters, MaxBytes: def.MaxDeadLetterBytes, TTL: def.DeadLetterTTL},
		Shards:      1, Backlog: Backlogs[0],
		Journal: Journal{CommitLatency: 2 * time.Millisecond, Timeout: 5 * time.Second},
	}}
}

// NewFunction is a function with the spec's defaults, answering at once.
func NewFunction() Function {
	return Function{
		Copies: 1, Concurrency: int(limits.Concurrency.Default), QueueSize: int(limits.QueueSize.Default),
		MaxRetries: int(limits.MaxRetries.Default), TimeoutMillis: int(limits.TimeoutMillis.Default),
		RetryBackoff: newBackoff(), Durability: string(core.DurabilityDisk),
		Behavior: Behavior{Latency: newLatency()}, Scaling: newScaling(), Provider: newProvider(),
	}
}

func newBackoff() core.RetryBackoff {
	return core.RetryBackoff{
		InitialMillis: int(limits.BackoffInitial.Default), MaxMillis: int(limits.BackoffMax.Default),
		Multiplier: limits.BackoffMultiplier.Default, Jitter: limits.BackoffJitter.Default,
	}
}

func newLatency() Latency { return Latency{Distribution: "constant"} }

func newArrivals() Arrivals { return Arrivals{Within: "uniform"} }

func newLoad() Load { return Load{Mode: "enqueue", Arrivals: newArrivals()} }

// Names are the names that a declared function is registered under.
func (f *Function) Names() []string {
	if f.Copies <= 1 {
		return []string{f.Name}
	}
	names := make([]string, f.Copies)
	for i := range names {
		names[i] = f.Name + "-" + strconv.Itoa(i+1)
	}
	return names
}

// Clone is a scenario of which settings can be changed without changing those
// of s. Recorded calls and attempts are shared.
func (s *Scenario) Clone() *Scenario {
	c := *s
	c.Functions, c.Load, c.Faults = slices.Clone(s.Functions), slices.Clone(s.Load), slices.Clone(s.Faults)
	return &c
}

// Find returns the declared function of a name; nil when there is none.
func (s *Scenario) Find(name string) *Function {
	for i := range s.Functions {
		if s.Functions[i].Name == name {
			return &s.Functions[i]
		}
	}
	return nil
}
