package core

import (
	"math/bits"
	"time"
)

// Config sizes a Core. Limits has the range of each field. Zero fields take the
// defaults, but for RateMaxPerSecond, where 0 means no limit.
type Config struct {
	// RateMaxPerSecond is the global limit of accepted and joined submissions
	// in each whole second. 0 = none.
	RateMaxPerSecond int64
	// TTL is how long an ended execution is kept, CleanupTTL how long its
	// payload is: what came with the request, output and error. StaleTTL is how
	// long after its last transition one that has not ended is force-ended. All
	// > 0.
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
	// MaxDeadLetters are kept of each function, MaxDeadLetterBytes over all
	// functions, of what came with them and their errors; beyond that the oldest
	// are dropped of the function that has the most bytes. -1 = none.
	// DeadLetterTTL is how long each is kept, from its execution's end. > 0.
	MaxDeadLetters     int
	MaxDeadLetterBytes int64
	DeadLetterTTL      time.Duration
	// Shards of each store; rounded up to a power of two, at most 4096.
	Shards int
	// SchedulerOff leaves enqueued work to DrainOnce; sync invocations still
	// drive their own function's queue.
	SchedulerOff bool
	SyncQueue    SyncQueueConfig
	// PassOverLate lets a queued sync invocation that will hardly finish
	// before its caller's deadline wait behind those that still can. Off,
	// which is the default everywhere, a queue is strictly FIFO, as the
	// contract has it.
	PassOverLate bool
	// Scaler sets the replicas of functions with scaling strategy INTERNAL. nil
	// = none are set.
	Scaler Scaler
	// AutoscaleInterval is the time between evaluations of a function that
	// has something to scale. 0 = 1 s.
	AutoscaleInterval time.Duration
	// ScaleUpCooldown passes between steps up (0 = 3 s), ScaleDownCooldown
	// between a step and the next one down (0 = 10 s). Replicas fall to the most
	// that was wanted within ScaleDownWindow (0 = 60 s); a function without
	// work for ScaleToZeroGrace (0 = 30 s) falls to its minimum at once.
	ScaleUpCooldown, ScaleDownCooldown time.Duration
	ScaleDownWindow, ScaleToZeroGrace  time.Duration
	// OnBacklog, when set, is called when a call has left functions in the
	// ready list: Pump must be called soon, from another goroutine. It must
	// return at once and not call back. When nil, each call serves the whole
	// ready list itself.
	OnBacklog func()
	// Journal keeps functions and enqueued work beyond the end of the process.
	// nil = none is kept. Specs must be set with it. Before anything else is
	// asked of a Core with a Journal, what that has must be restored: Restore.
	Journal Journal
	Specs   SpecCodec
	// Limiter is the global rate limit where several Cores have one; nil = this one's
	// own. Budget is their store bounds, likewise.
	Limiter *RateLimiter
	Budget  *Budget
	// Recorder receives all steps, so that they can be taken again. nil = none
	// does.
	Recorder Recorder
	// Domains numbers what they record where several Cores have one Recorder; nil =
	// this one's own.
	Domains *Domains
}

// DefaultConfig is the contract's defaults, those of Limits. Its store bound is
// a count; servers size it by the machine's memory.
func DefaultConfig() Config {
	cfg := Config{RateMaxPerSecond: Limits.RateMaxPerSecond.Default}
	cfg.settings(settings{fill: true})
	return cfg
}

// Validate returns the error that New would return for cfg.
func (cfg Config) Validate() error { return cfg.complete() }

// settings is what to do with each field of a configuration where 0 means the
// default. There is a core for each replay of a function: nothing is allocated here.
type settings struct {
	fill  bool        // 0 becomes the default
	check *violations // gets what is out of range; nil = nothing is checked
}

func bounded[I int | int64 | time.Duration, T int64 | time.Duration](do settings, field *I, b Bound[T]) {
	if do.fill && *field == 0 {
		*field = I(b.Default)
	}
	if do.check != nil {
		inRange(do.check, b.Name, T(*field), b)
	}
}

func (cfg *Config) settings(do settings) {
	l := &Limits
	bounded(do, &cfg.TTL, l.TTL)
	bounded(do, &cfg.CleanupTTL, l.CleanupTTL)
	bounded(do, &cfg.StaleTTL, l.StaleTTL)
	bounded(do, &cfg.IdempotencyTTL, l.IdempotencyTTL)
	bounded(do, &cfg.SweepInterval, l.SweepInterval)
	bounded(do, &cfg.MaxFunctions, l.MaxFunctions)
	bounded(do, &cfg.MaxExecutions, l.MaxExecutions)
	bounded(do, &cfg.MaxIdempotencyKeys, l.MaxIdempotencyKeys)
	bounded(do, &cfg.MaxPayloadBytes, l.MaxPayloadBytes)
	bounded(do, &cfg.MaxDeadLetters, l.MaxDeadLetters)
	bounded(do, &cfg.MaxDeadLetterBytes, l.MaxDeadLetterBytes)
	bounded(do, &cfg.DeadLetterTTL, l.DeadLetterTTL)
	bounded(do, &cfg.Shards, l.Shards)
	bounded(do, &cfg.AutoscaleInterval, l.AutoscaleInterval)
	bounded(do, &cfg.ScaleUpCooldown, l.ScaleUpCooldown)
	bounded(do, &cfg.ScaleDownCooldown, l.ScaleDownCooldown)
	bounded(do, &cfg.ScaleDownWindow, l.ScaleDownWindow)
	bounded(do, &cfg.ScaleToZeroGrace, l.ScaleToZeroGrace)
	cfg.SyncQueue.settings(do)
}

func (cfg *SyncQueueConfig) settings(do settings) {
	l := &Limits
	bounded(do, &cfg.MaxConcurrency, l.SyncQueueMaxConcurrency)
	bounded(do, &cfg.MaxDepth, l.SyncQueueMaxDepth)
	bounded(do, &cfg.MaxEstimatedWait, l.SyncQueueMaxEstimatedWait)
	bounded(do, &cfg.MaxQueueWait, l.SyncQueueMaxQueueWait)
	retryAfter := l.SyncQueueRetryAfter
	retryAfter.Name = "syncQueueRetryAfterSeconds" // as the runtime configuration has it
	bounded(do, &cfg.RetryAfter, retryAfter)
}

// complete fills in defaults and checks ranges.
func (cfg *Config) complete() error {
	var v violations
	inRange(&v, Limits.RateMaxPerSecond.Name, cfg.RateMaxPerSecond, Limits.RateMaxPerSecond)
	cfg.settings(settings{fill: true, check: &v})
	if cfg.Journal != nil && cfg.Specs == nil {
		v.add("specs", "must be set with a journal")
	}
	if err := v.err(); err != nil {
		return err
	}
	if cfg.SweepInterval == 0 {
		cfg.SweepInterval = defaultSweep(cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL, cfg.IdempotencyTTL)
	}
	cfg.Shards = 1 << bits.Len(uint(cfg.Shards-1))
	return nil
}

// Core is one control plane: its functions, their queues and the executions.
type Core struct {
	cfg        Config
	clock      Clock
	ids        IDSource
	dispatcher Dispatcher
	observer   Observer
	observed   bool // observer is more than the no-op, or events are recorded
	recorder   Recorder
	replays    bool // it is that of a Replay
	domains    *Domains

	registry  registry
	limiter   *RateLimiter
	store     *executionStore
	keys      *IdempotencyStore
	admission syncAdmission
	ready     readyList
	memory    slabs

	dead *deadLetters

	held          heldQueue
	registrations atomicUint64 // the latest number given, with a journal
	configMu      mutex
	configAt      LSN // the fact of SaveConfig; 0 = none
	settingsAt    atomicUint64

	leaving    leaving
	relief     relief
	draining   atomicBool
	sweepArmed atomicBool
	sweeper    atomicPointer[sweeper] // of the sweep before; nil = there is none, or one runs
	sweepBegan atomicInt64            // elapsed ns at which the last sweep began, or was armed
}

// New returns a Core; observer may be nil. The error is a *ValidationError
// that names every field out of range.
func New(cfg Config, clock Clock, ids IDSource, dispatcher Dispatcher, observer Observer) (*Core, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Core{
		cfg: cfg, clock: clock, ids: ids, dispatcher: dispatcher,
		observer: observer, observed: observer != nil || cfg.Recorder != nil, recorder: cfg.Recorder,
		domains: cfg.Domains, limiter: cfg.Limiter,
		store: newExecutionStore(cfg),
		keys:  NewIdempotencyStore(cfg.Shards, int64(cfg.IdempotencyTTL), int64(cfg.SweepInterval), cfg.MaxIdempotencyKeys),
	}
	if c.limiter == nil {
		c.limiter = NewRateLimiter(cfg.RateMaxPerSecond)
	}
	if observer == nil {
		c.observer = nopObserver{}
	}
	if c.domains == nil {
		c.domains = &Domains{}
	}
	c.keys.recordTo(cfg.Recorder, c.domains)
	c.registry.max = cfg.MaxFunctions
	c.dead = newDeadLetters(&cfg, &c.held)
	c.admission.cfg.Store(&cfg.SyncQueue)
	return c, nil
}

// Config is the configuration in force at the start, defaults filled in.
func (c *Core) Config() Config { return c.cfg }

// Drain makes Submit refuse new work with ErrDraining. What was accepted goes on,
// but for durable work that has no slot yet and no caller who waits for it: it
// stays queued, for the next process.
func (c *Core) Drain() { c.draining.Store(true) }

// SetRateMaxPerSecond changes the global rate limit; <= 0 means none.
func (c *Core) SetRateMaxPerSecond(n int64) { c.limiter.SetLimit(n) }

// RateMaxPerSecond is the global rate limit in force; <= 0 means none.
func (c *Core) RateMaxPerSecond() int64 { return c.limiter.Limit() }

// Validate reports every field out of range as a *ValidationError.
func (cfg SyncQueueConfig) Validate() error {
	var v violations
	cfg.settings(settings{check: &v})
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
	PayloadBytes     int64 // what callers and functions sent and is held: inputs, metadata, keys and trace ids, outputs, errors
	KeyBytes         int64 // idempotency keys as their store holds them; count against MaxPayloadBytes, too
	SyncQueueDepth   int   // queued sync invocations
	SyncInFlight     int   // sync invocations that hold a slot
	Held             int   // steps of which effects wait for the journal
}

// Gauges reads the sizes.
func (c *Core) Gauges() Gauges {
	return Gauges{
		StoredExecutions: int(c.store.used.count.Load()),
		StoredKeys:       c.keys.Len(),
		PayloadBytes:     c.store.used.bytes.Load(),
		KeyBytes:         c.keys.Bytes(),
		SyncQueueDepth:   int(c.admission.depth.Load()),
		SyncInFlight:     int(c.admission.inFlight.Load()),
		Held:             int(c.held.count.Load()),
	}
}

// Unfinished is the number of executions that are queued, pausing ones included,
// or hold a slot, those of deleted functions included. Each function is looked at
// between two steps: what moves from the queue to a slot is in one of them.
func (c *Core) Unfinished() (queued, inFlight int) {
	for _, fn := range append(c.registry.list(), c.leaving.list()...) {
		fn.mu.Lock()
		queued += fn.QueueDepth() + fn.Pausing()
		inFlight += fn.InFlight()
		fn.mu.Unlock()
	}
	return queued, inFlight
}
