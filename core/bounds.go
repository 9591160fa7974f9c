package core

import (
	"fmt"
	"strconv"
	"time"
)

// Upper bounds: beyond any use, and small enough that no count and no sum of
// times overflows.
const (
	MaxConcurrency   = 1_000_000
	MaxQueueSize     = 1_000_000
	MaxRetriesBound  = 10_000
	MaxTimeoutMillis = 7 * 24 * 3600 * 1000
	MaxReplicasBound = 10_000

	maxCount = 1_000_000_000
	maxBytes = 1 << 50
	// MaxSpan is the longest duration of any setting.
	MaxSpan = 100 * 365 * 24 * time.Hour
)

// Number is what a bounded setting can be: a count, a share or a duration.
type Number interface {
	int64 | float64 | time.Duration
}

// Bound is the range of one setting, both ends included, and its default.
type Bound[T Number] struct {
	Name              string // as JSON, configuration files and scenarios have it
	Min, Max, Default T
	Zero              string // what 0 means; "" when it is a number like any other
}

// Limits is the range of every setting that has one. Core, the server's flags
// and runtime configuration, scenario files and the published schemas all take
// their numbers from here. It is never changed.
var Limits = limits{
	Concurrency:       count("concurrency", 1, MaxConcurrency, 4),
	QueueSize:         count("queueSize", 1, MaxQueueSize, 100),
	MaxRetries:        count("maxRetries", 0, MaxRetriesBound, 3),
	TimeoutMillis:     count("timeoutMillis", 1, MaxTimeoutMillis, 30_000),
	FunctionRate:      count("rateMaxPerSecond", 0, MaxRatePerSecond, 0),
	BackoffInitial:    count("initialMs", 0, MaxTimeoutMillis, 100),
	BackoffMax:        count("maxMs", 0, MaxTimeoutMillis, 10_000),
	BackoffMultiplier: share("multiplier", 1, 1000, 2),
	BackoffJitter:     share("jitter", 0, 1, 0.2),
	MinReplicas:       count("minReplicas", 0, MaxReplicasBound, 1),
	MaxReplicas:       count("maxReplicas", 1, MaxReplicasBound, 10),
	Replicas:          count("replicas", 0, MaxReplicasBound, 0),
	TargetPerPod:      count("targetInFlightPerPod", 1, MaxConcurrency, 2),
	MinTargetPerPod:   count("minTargetInFlightPerPod", 1, MaxConcurrency, 1),
	MaxTargetPerPod:   count("maxTargetInFlightPerPod", 1, MaxConcurrency, 8),
	UpscaleCooldown:   count("upscaleCooldownMs", 0, MaxTimeoutMillis, 30_000),
	DownscaleCooldown: count("downscaleCooldownMs", 0, MaxTimeoutMillis, 60_000),
	HighLoad:          share("highLoadThreshold", 1e-6, 1e6, 0.85),
	LowLoad:           share("lowLoadThreshold", 0, 1e6, 0.35),

	RateMaxPerSecond:   count("rateMaxPerSecond", 0, MaxRatePerSecond, 1000).zero("no limit"),
	TTL:                span("ttl", 1, MaxSpan, 300*time.Second),
	CleanupTTL:         span("cleanupTtl", 1, MaxSpan, 120*time.Second),
	StaleTTL:           span("staleTtl", 1, MaxSpan, 600*time.Second),
	IdempotencyTTL:     span("idempotencyTtl", 1, MaxSpan, 300*time.Second),
	SweepInterval:      span("sweepInterval", 0, MaxSpan, 0).zero("a hundredth of the shortest TTL, within 10ms and 1s"),
	MaxFunctions:       count("maxFunctions", 1, maxCount, 10_000),
	MaxExecutions:      count("maxExecutions", 1, maxCount, 10_000_000),
	MaxIdempotencyKeys: count("maxIdempotencyKeys", 1, maxCount, 1_000_000),
	MaxPayloadBytes:    count("maxPayloadBytes", 1, maxBytes, 4<<30),
	MaxDeadLetters:     count("maxDeadLetters", -1, maxCount, 100),
	MaxDeadLetterBytes: count("maxDeadLetterBytes", -1, maxBytes, 256<<20),
	DeadLetterTTL:      span("deadLetterTtl", 1, MaxSpan, 7*24*time.Hour),
	Shards:             count("shards", 1, 4096, 64),
	AutoscaleInterval:  span("autoscaleInterval", 1, MaxSpan, time.Second),
	ScaleUpCooldown:    span("scaleUpCooldown", 1, MaxSpan, 3*time.Second),
	ScaleDownCooldown:  span("scaleDownCooldown", 1, MaxSpan, 10*time.Second),
	ScaleDownWindow:    span("scaleDownWindow", 1, MaxSpan, 60*time.Second),
	ScaleToZeroGrace:   span("scaleToZeroGrace", 1, MaxSpan, 30*time.Second),

	SyncQueueMaxConcurrency:   count("syncQueueMaxConcurrency", 1, maxCount, 100),
	SyncQueueMaxDepth:         count("syncQueueMaxDepth", 1, maxCount, 100),
	SyncQueueMaxEstimatedWait: span("syncQueueMaxEstimatedWait", 1, MaxSpan, 2*time.Second),
	SyncQueueMaxQueueWait:     span("syncQueueMaxQueueWait", 1, MaxSpan, 2*time.Second),
	SyncQueueRetryAfter:       span("syncQueueRetryAfter", time.Second, MaxSpan, 2*time.Second),
}

func count(name string, low, high, otherwise int64) Bound[int64] {
	return Bound[int64]{Name: name, Min: low, Max: high, Default: otherwise}
}

func share(name string, low, high, otherwise float64) Bound[float64] {
	return Bound[float64]{Name: name, Min: low, Max: high, Default: otherwise}
}

func span(name string, low, high, otherwise time.Duration) Bound[time.Duration] {
	return Bound[time.Duration]{Name: name, Min: low, Max: high, Default: otherwise}
}

func (b Bound[T]) zero(meaning string) Bound[T] {
	b.Zero = meaning
	return b
}

type limits struct {
	// Of a function's spec.
	Concurrency, QueueSize, MaxRetries, TimeoutMillis, FunctionRate Bound[int64]
	BackoffInitial, BackoffMax                                      Bound[int64]
	BackoffMultiplier, BackoffJitter                                Bound[float64]
	MinReplicas, MaxReplicas, Replicas                              Bound[int64]
	TargetPerPod, MinTargetPerPod, MaxTargetPerPod                  Bound[int64]
	UpscaleCooldown, DownscaleCooldown                              Bound[int64]
	HighLoad, LowLoad                                               Bound[float64]

	// Of Config.
	RateMaxPerSecond, MaxFunctions, MaxExecutions, MaxIdempotencyKeys     Bound[int64]
	MaxPayloadBytes, MaxDeadLetters, MaxDeadLetterBytes, Shards           Bound[int64]
	TTL, CleanupTTL, StaleTTL, IdempotencyTTL, SweepInterval              Bound[time.Duration]
	DeadLetterTTL                                                         Bound[time.Duration]
	AutoscaleInterval, ScaleUpCooldown, ScaleDownCooldown                 Bound[time.Duration]
	ScaleDownWindow, ScaleToZeroGrace                                     Bound[time.Duration]
	SyncQueueMaxConcurrency, SyncQueueMaxDepth                            Bound[int64]
	SyncQueueMaxEstimatedWait, SyncQueueMaxQueueWait, SyncQueueRetryAfter Bound[time.Duration]
}

// Problem is what is wrong with n, as "must be …"; "" when it is in range.
func (b Bound[T]) Problem(n T) string {
	_, fraction := any(n).(float64)
	span, isSpan := any(b.Min).(time.Duration)
	switch {
	case n >= b.Min && n <= b.Max: // never for a NaN
		return ""
	case b.Zero != "":
		return fmt.Sprintf("must be 0 (%s) to %s", b.Zero, shown(b.Max))
	case n < b.Min && b.Min == 0 && !fraction:
		return "must be 0 or greater"
	case n < b.Min && b.Min == 1 && !fraction: // of a duration, 1 ns
		return "must be greater than 0"
	case isSpan && n < b.Min:
		return "must be at least " + span.String()
	case isSpan:
		return "must be at most " + shown(b.Max)
	}
	return fmt.Sprintf("must be between %s and %s", shown(b.Min), shown(b.Max))
}

// Range is the range as help texts have it: "1 to 4096".
func (b Bound[T]) Range() string {
	_, isSpan := any(b.Min).(time.Duration)
	switch {
	case b.Zero != "":
		return fmt.Sprintf("0 (%s) to %s", b.Zero, shown(b.Max))
	case isSpan && b.Min == 1:
		return "above 0, at most " + shown(b.Max)
	}
	return shown(b.Min) + " to " + shown(b.Max)
}

// shown is a bound as people write it.
func shown[T Number](n T) string {
	switch n := any(n).(type) {
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64)
	case time.Duration:
		switch n {
		case 0:
			return "0"
		case MaxSpan:
			return "100 years"
		}
	}
	return fmt.Sprint(n)
}
