package core

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"
)

// Config sizes a Core. Zero fields take the defaults of DefaultConfig, but for
// RateMaxPerSecond, where 0 means no limit.
type Config struct {
	// RateMaxPerSecond is the global limit of accepted and joined submissions
	// in each whole second. 0 = none, at most MaxRatePerSecond.
	RateMaxPerSecond int64
	// TTL is how long an ended execution is kept, CleanupTTL how long its
	// payload and output are. StaleTTL is the age, from creation, at which one
	// that has not ended is force-ended. All > 0.
	TTL, CleanupTTL, StaleTTL time.Duration
	// IdempotencyTTL is how long a key is remembered. > 0.
	IdempotencyTTL time.Duration
	// SweepInterval is the time between expiry sweeps, and so the most by which
	// anything outlives its TTL. 0 = a hundredth of the shortest TTL, within
	// 10 ms and 1 s.
	SweepInterval time.Duration
	// Bounds. At one, new work (or a new function) is refused. All > 0.
	MaxFunctions       int
	MaxExecutions      int
	MaxIdempotencyKeys int
	MaxPayloadBytes    int64
	// MaxDeadLetters are kept of each function, MaxDeadLetterBytes of input
	// over all functions; beyond it a function's oldest are dropped. -1 = none.
	MaxDeadLetters     int
	MaxDeadLetterBytes int64
	// Shards of each store; rounded up to a power of two, at most 4096.
	Shards int
	// SchedulerOff leaves enqueued work to DrainOnce; sync invocations still
	// drive their own function's queue.
	SchedulerOff bool
	SyncQueue    SyncQueueConfig
	// PassOverLate lets a queued sync invocation that will hardly be done before
	// its caller's deadline wait behind those that still can be. Off, which is
	// the default everywhere, a queue is strictly FIFO, as the contract has it.
	PassOverLate bool
	// Scaler sets the replicas of functions with scaling strategy INTERNAL. nil
	// = none are set.
	Scaler Scaler
	// AutoscaleInterval is the time between looks at a function that has
	// something to scale. 0 = 1 s.
	AutoscaleInterval time.Duration
	// ScaleUpCooldown passes between steps up (0 = 3 s), ScaleDownCooldown
	// between a step and the next one down (0 = 10 s). Replicas fall to the most
	// that was wanted within ScaleDownWindow (0 = 60 s); a function without
	// work for ScaleToZeroGrace (0 = 30 s) falls to its minimum at once.
	ScaleUpCooldown, ScaleDownCooldown time.Duration
	ScaleDownWindow, ScaleToZeroGrace  time.Duration
	// OnBacklog, when set, is called when a call has left ready functions
	// behind: somebody must Pump soon. It must return at once and not call
	// back. When nil, each call works the backlog off itself.
	OnBacklog func()
}

// DefaultConfig is the contract's defaults. Its store bound is a count;
// servers size it by the machine's memory.
func DefaultConfig() Config {
	return Config{
		RateMaxPerSecond: 1000,
		TTL:              300 * time.Second, CleanupTTL: 120 * time.Second, StaleTTL: 600 * time.Second,
		IdempotencyTTL: 300 * time.Second,
		MaxFunctions:   10_000, MaxExecutions: 10_000_000, MaxIdempotencyKeys: 1_000_000, MaxPayloadBytes: 4 << 30,
		MaxDeadLetters: 100, MaxDeadLetterBytes: 256 << 20,
		Shards:            64,
		AutoscaleInterval: time.Second, ScaleUpCooldown: 3 * time.Second, ScaleDownCooldown: 10 * time.Second,
		ScaleDownWindow: 60 * time.Second, ScaleToZeroGrace: 30 * time.Second,
		SyncQueue: SyncQueueConfig{
			MaxConcurrency: 100, MaxDepth: 100,
			MaxEstimatedWait: 2 * time.Second, MaxQueueWait: 2 * time.Second, RetryAfter: 2 * time.Second,
		},
	}
}

// Validate returns what New would say about cfg.
func (cfg Config) Validate() error { return cfg.complete() }

func orDefault[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

// complete fills in defaults and checks ranges.
func (cfg *Config) complete() error {
	def := DefaultConfig()
	orDefault(&cfg.TTL, def.TTL)
	orDefault(&cfg.CleanupTTL, def.CleanupTTL)
	orDefault(&cfg.StaleTTL, def.StaleTTL)
	orDefault(&cfg.IdempotencyTTL, def.IdempotencyTTL)
	orDefault(&cfg.MaxFunctions, def.MaxFunctions)
	orDefault(&cfg.MaxExecutions, def.MaxExecutions)
	orDefault(&cfg.MaxIdempotencyKeys, def.MaxIdempotencyKeys)
	orDefault(&cfg.MaxPayloadBytes, def.MaxPayloadBytes)
	orDefault(&cfg.MaxDeadLetters, def.MaxDeadLetters)
	orDefault(&cfg.MaxDeadLetterBytes, def.MaxDeadLetterBytes)
	orDefault(&cfg.Shards, def.Shards)
	orDefault(&cfg.AutoscaleInterval, def.AutoscaleInterval)
	orDefault(&cfg.ScaleUpCooldown, def.ScaleUpCooldown)
	orDefault(&cfg.ScaleDownCooldown, def.ScaleDownCooldown)
	orDefault(&cfg.ScaleDownWindow, def.ScaleDownWindow)
	orDefault(&cfg.ScaleToZeroGrace, def.ScaleToZeroGrace)
	orDefault(&cfg.SyncQueue.MaxConcurrency, def.SyncQueue.MaxConcurrency)
	orDefault(&cfg.SyncQueue.MaxDepth, def.SyncQueue.MaxDepth)
	orDefault(&cfg.SyncQueue.MaxEstimatedWait, def.SyncQueue.MaxEstimatedWait)
	orDefault(&cfg.SyncQueue.MaxQueueWait, def.SyncQueue.MaxQueueWait)
	orDefault(&cfg.SyncQueue.RetryAfter, def.SyncQueue.RetryAfter)
	orDefault(&cfg.SweepInterval, defaultSweep(cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL, cfg.IdempotencyTTL))

	var v violations
	v.span("ttl", cfg.TTL)
	v.span("cleanupTtl", cfg.CleanupTTL)
	v.span("staleTtl", cfg.StaleTTL)
	v.span("idempotencyTtl", cfg.IdempotencyTTL)
	v.span("sweepInterval", cfg.SweepInterval)
	v.span("autoscaleInterval", cfg.AutoscaleInterval)
	v.span("scaleUpCooldown", cfg.ScaleUpCooldown)
	v.span("scaleDownCooldown", cfg.ScaleDownCooldown)
	v.span("scaleDownWindow", cfg.ScaleDownWindow)
	v.span("scaleToZeroGrace", cfg.ScaleToZeroGrace)
	v.positive("maxFunctions", int64(cfg.MaxFunctions))
	v.positive("maxExecutions", int64(cfg.MaxExecutions))
	v.positive("maxIdempotencyKeys", int64(cfg.MaxIdempotencyKeys))
	v.positive("maxPayloadBytes", cfg.MaxPayloadBytes)
	v.within("shards", cfg.Shards, 1, 4096)
	if cfg.RateMaxPerSecond < 0 || cfg.RateMaxPerSecond > MaxRatePerSecond {
		v.add("rateMaxPerSecond", fmt.Sprintf("must be 0 (no limit) to %d", uint32(MaxRatePerSecond)))
	}
	cfg.SyncQueue.check(&v)
	if err := v.err(); err != nil {
		return err
	}
	cfg.Shards = 1 << bits.Len(uint(cfg.Shards-1))
	return nil
}

func (cfg *SyncQueueConfig) check(v *violations) {
	v.positive("syncQueueMaxConcurrency", int64(cfg.MaxConcurrency))
	v.positive("syncQueueMaxDepth", int64(cfg.MaxDepth))
	v.span("syncQueueMaxEstimatedWait", cfg.MaxEstimatedWait)
	v.span("syncQueueMaxQueueWait", cfg.MaxQueueWait)
	if cfg.RetryAfter < time.Second {
		v.add("syncQueueRetryAfterSeconds", "must be at least 1")
	}
}

// Core is one control plane: its functions, their queues and the executions.
type Core struct {
	cfg        Config
	clock      Clock
	ids        IDSource
	dispatcher Dispatcher
	observer   Observer
	observed   bool // observer is more than the no-op

	registry  registry
	limiter   *RateLimiter
	store     *executionStore
	keys      *IdempotencyStore
	admission syncAdmission
	ready     readyList

	deadBudget deadLetterBudget

	leaving    leaving
	draining   atomic.Bool
	sweepArmed atomic.Bool
	sweepBegan atomic.Int64 // elapsed ns at which the last sweep began, or was armed
}

// New returns a Core; observer may be nil. The error is a *ValidationError
// that names every field out of range.
func New(cfg Config, clock Clock, ids IDSource, dispatcher Dispatcher, observer Observer) (*Core, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Core{
		cfg: cfg, clock: clock, ids: ids, dispatcher: dispatcher,
		observer: observer, observed: observer != nil,
		limiter: NewRateLimiter(cfg.RateMaxPerSecond),
		store:   newExecutionStore(cfg),
		keys:    NewIdempotencyStore(cfg.Shards, int64(cfg.IdempotencyTTL), int64(cfg.SweepInterval), cfg.MaxIdempotencyKeys),
	}
	if observer == nil {
		c.observer = nopObserver{}
	}
	c.registry.max = cfg.MaxFunctions
	c.deadBudget.perFunction, c.deadBudget.maxBytes = cfg.MaxDeadLetters, cfg.MaxDeadLetterBytes
	c.admission.cfg.Store(&cfg.SyncQueue)
	return c, nil
}

// Config is the configuration in force at the start, defaults filled in.
func (c *Core) Config() Config { return c.cfg }

// Drain makes Submit refuse new work with ErrDraining; what was accepted goes
// on.
func (c *Core) Drain() { c.draining.Store(true) }

// SetRateMaxPerSecond changes the global rate limit; <= 0 means none.
func (c *Core) SetRateMaxPerSecond(n int64) { c.limiter.SetLimit(n) }

// RateMaxPerSecond is the global rate limit in force; <= 0 means none.
func (c *Core) RateMaxPerSecond() int64 { return c.limiter.Limit() }

// Validate reports every field out of range as a *ValidationError.
func (cfg SyncQueueConfig) Validate() error {
	var v violations
	cfg.check(&v)
	return v.err()
}

// SetSyncQueue changes sync admission. The error is a *ValidationError, and
// nothing is changed then.
func (c *Core) SetSyncQueue(cfg SyncQueueConfig) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	c.admission.cfg.Store(&cfg)
	return nil
}

// SyncQueue is the sync admission configuration in force.
func (c *Core) SyncQueue() SyncQueueConfig { return *c.admission.cfg.Load() }

// Gauges are sizes at one moment.
type Gauges struct {
	StoredExecutions int   // in the store, ended ones included
	StoredKeys       int   // idempotency keys
	PayloadBytes     int64 // input and output bytes held
	SyncQueueDepth   int   // queued sync invocations
	SyncInFlight     int   // sync invocations that hold a slot
}

// Gauges reads the sizes.
func (c *Core) Gauges() Gauges {
	return Gauges{
		StoredExecutions: int(c.store.count.Load()),
		StoredKeys:       c.keys.Len(),
		PayloadBytes:     c.store.bytes.Load(),
		SyncQueueDepth:   int(c.admission.depth.Load()),
		SyncInFlight:     int(c.admission.inFlight.Load()),
	}
}

// Unfinished is the number of executions that are queued or hold a slot, those
// of deleted functions included.
func (c *Core) Unfinished() (queued, inFlight int) {
	for _, fn := range append(c.registry.list(), c.leaving.list()...) {
		queued += fn.QueueDepth()
		inFlight += fn.InFlight()
	}
	return queued, inFlight
}
