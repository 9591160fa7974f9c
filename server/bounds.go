package server

import (
	"fmt"
	"math"
	"time"

	"simplane/core"
	"simplane/server/internal/flight"
)

// limits has the ranges of the server's own settings; core.Limits has the
// others.
var limits = struct {
	MaxBodyBytes, MaxReadingBytes, MaxHeaderBytes, MaxResponseBytes, MaxSpecBytes                  core.Bound[int64]
	JournalMaxBytes, FlightRecorderBytes, RecordMaxBytes                                           core.Bound[int64]
	JournalTimeout                                                                                 core.Bound[time.Duration]
	MaxConnections, MaxConnectionsPerIP, PoolMaxConnections, FunctionMaxProcesses, ClusterReplicas core.Bound[int64]
	ReadTimeout, WriteTimeout, IdleTimeout, ShutdownGrace, FunctionStartTimeout                    core.Bound[time.Duration]
	AccessLogSample, TraceSampleRatio                                                              core.Bound[float64]
}{
	MaxBodyBytes:         core.Bound[int64]{Name: "maxBodyBytes", Min: 1, Max: math.MaxInt32, Default: 4 << 20},
	MaxReadingBytes:      core.Bound[int64]{Name: "maxReadingBytes", Min: 64 << 10, Max: 1 << 50, Default: 64 << 20},
	MaxHeaderBytes:       core.Bound[int64]{Name: "maxHeaderBytes", Min: 1024, Max: math.MaxInt32, Default: 8 << 10},
	MaxResponseBytes:     core.Bound[int64]{Name: "maxResponseBytes", Min: 1, Max: math.MaxInt32, Default: 4 << 20},
	MaxSpecBytes:         core.Bound[int64]{Name: "maxSpecBytes", Min: 1, Max: 1 << 50, Default: 128 << 20},
	JournalMaxBytes:      core.Bound[int64]{Name: "journalMaxBytes", Min: 0, Max: 1 << 50, Default: 16 << 30, Zero: "no limit"},
	FlightRecorderBytes:  core.Bound[int64]{Name: "flightRecorderBytes", Min: 0, Max: 1 << 40, Default: 8 << 20, Zero: "off"},
	RecordMaxBytes:       core.Bound[int64]{Name: "recordMaxBytes", Min: flight.MinMaxBytes, Max: 1 << 50, Default: 1 << 30},
	JournalTimeout:       core.Bound[time.Duration]{Name: "journalTimeout", Min: 1, Max: core.MaxSpan, Default: 5 * time.Second},
	MaxConnections:       core.Bound[int64]{Name: "maxConnections", Min: 1, Max: math.MaxInt32, Default: 65_536},
	MaxConnectionsPerIP:  core.Bound[int64]{Name: "maxConnectionsPerIp", Min: 0, Max: math.MaxInt32, Zero: "no limit"},
	PoolMaxConnections:   core.Bound[int64]{Name: "poolMaxConnections", Min: 1, Max: math.MaxInt32, Default: 4096},
	ReadTimeout:          core.Bound[time.Duration]{Name: "readTimeout", Min: 1, Max: core.MaxSpan, Default: 60 * time.Second},
	WriteTimeout:         core.Bound[time.Duration]{Name: "writeTimeout", Min: 1, Max: core.MaxSpan, Default: 60 * time.Second},
	IdleTimeout:          core.Bound[time.Duration]{Name: "idleTimeout", Min: 1, Max: core.MaxSpan, Default: 60 * time.Second},
	ShutdownGrace:        core.Bound[time.Duration]{Name: "shutdownGrace", Min: 0, Max: core.MaxSpan, Default: 30 * time.Second},
	ClusterReplicas:      core.Bound[int64]{Name: "clusterReplicas", Min: 1, Max: 5, Default: 3},
	FunctionMaxProcesses: core.Bound[int64]{Name: "functionMaxProcesses", Min: 1, Max: 1 << 22, Default: 2048},
	FunctionStartTimeout: core.Bound[time.Duration]{Name: "functionStartTimeout", Min: 1, Max: core.MaxSpan, Default: 15 * time.Second},
	AccessLogSample:      core.Bound[float64]{Name: "accessLogSample", Min: 0, Max: 1},
	TraceSampleRatio:     core.Bound[float64]{Name: "traceSampleRatio", Min: 0, Max: 1, Default: 1},
}

// setting is one bounded field of a Config: its key, what its flag's help says,
// and what is wrong with its value, "" for nothing.
type setting struct {
	key, usage string
	field      any // pointer to it
	problem    func() string
}

func bounded[I int | int64 | float64 | time.Duration, T core.Number](field *I, b core.Bound[T], usage string) setting {
	return setting{b.Name, usage + "; " + b.Range(), field, func() string {
		problem := b.Problem(T(*field))
		if problem != "" {
			problem = fmt.Sprintf("%s: %s, not %v", b.Name, problem, *field)
		}
		return problem
	}}
}

// bounded are the settings with a range, each once.
func (c *Config) bounded() []setting {
	k, q, of := &c.Core, &c.Core.SyncQueue, &core.Limits
	return []setting{
		bounded(&c.ClusterReplicas, limits.ClusterReplicas, "NATS servers that have each message; 3 or 5, or 1 with --cluster-unsafe"),
		bounded(&c.FunctionMaxProcesses, limits.FunctionMaxProcesses, "processes and threads of one instance; needs a control group"),
		bounded(&c.FunctionStartTimeout, limits.FunctionStartTimeout, "time an instance has to be ready"),
		bounded(&c.AccessLogSample, limits.AccessLogSample, "share of requests with an access log line; failures always, when above 0"),
		bounded(&c.TraceSampleRatio, limits.TraceSampleRatio, "share of invocations traced when the caller's traceparent does not decide"),

		bounded(&k.RateMaxPerSecond, of.RateMaxPerSecond, "submissions accepted in each whole second, all functions together"),
		bounded(&k.TTL, of.TTL, "how long an ended execution is kept"),
		bounded(&k.CleanupTTL, of.CleanupTTL, "how long the input, output and error text of an ended execution are kept"),
		bounded(&k.StaleTTL, of.StaleTTL, "time without a transition after which an execution is force-ended; functions' timeouts must be below it"),
		bounded(&k.IdempotencyTTL, of.IdempotencyTTL, "how long an idempotency key is remembered"),
		bounded(&k.SweepInterval, of.SweepInterval, "time between looks for executions and keys that have expired"),
		bounded(&k.MaxFunctions, of.MaxFunctions, "functions that can be registered"),
		bounded(&c.MaxSpecBytes, limits.MaxSpecBytes, "bytes that the specs of all functions may take, revisions included; beyond it 503 SPEC_STORE_FULL"),
		bounded(&k.MaxExecutions, of.MaxExecutions, "executions kept at once; beyond it 503 STORE_FULL"),
		bounded(&k.MaxPayloadBytes, of.MaxPayloadBytes, "bytes of inputs, outputs and error texts kept at once; at it those of answered sync calls go, and when none are left 503 STORE_FULL"),
		bounded(&k.MaxIdempotencyKeys, of.MaxIdempotencyKeys, "idempotency keys kept at once"),
		bounded(&k.AutoscaleInterval, of.AutoscaleInterval, "time between looks at a function with scaling strategy INTERNAL"),
		bounded(&k.ScaleUpCooldown, of.ScaleUpCooldown, "autoscaling: pause between steps up that do not double the replicas"),
		bounded(&k.ScaleDownCooldown, of.ScaleDownCooldown, "autoscaling: pause between a step and the next one down"),
		bounded(&k.ScaleDownWindow, of.ScaleDownWindow, "autoscaling: replicas fall to the most that was wanted within this time"),
		bounded(&k.ScaleToZeroGrace, of.ScaleToZeroGrace, "autoscaling: time without work after which replicas fall to their minimum"),
		bounded(&k.Shards, of.Shards, "parts that each store is divided into, rounded up to a power of two"),

		bounded(&q.MaxConcurrency, of.SyncQueueMaxConcurrency, "sync queue: sync invocations in flight up to which all are admitted"),
		bounded(&q.MaxDepth, of.SyncQueueMaxDepth, "sync queue: queued sync invocations at which newcomers are refused"),
		bounded(&q.MaxEstimatedWait, of.SyncQueueMaxEstimatedWait, "sync queue: longest estimated wait that is admitted"),
		bounded(&q.MaxQueueWait, of.SyncQueueMaxQueueWait, "sync queue: longest real wait for the first attempt; past it the caller is rejected"),
		bounded(&q.RetryAfter, of.SyncQueueRetryAfter, "sync queue: Retry-After of a rejection"),

		bounded(&c.MaxBodyBytes, limits.MaxBodyBytes, "bytes of one request's body; beyond it 413"),
		bounded(&c.MaxReadingBytes, limits.MaxReadingBytes, "bytes of all request bodies while they are read, at least maxBodyBytes; beyond it 503 BODIES_BUSY"),
		bounded(&c.MaxHeaderBytes, limits.MaxHeaderBytes, "bytes of one request's headers; beyond it 431"),
		bounded(&c.MaxResponseBytes, limits.MaxResponseBytes, "bytes of a function's answer; beyond it the attempt fails"),
		bounded(&c.MaxConnections, limits.MaxConnections, "open connections on the API address"),
		bounded(&c.MaxConnectionsPerIP, limits.MaxConnectionsPerIP, "open connections of one source (IPv4 address or IPv6 /64, not loopback) on each address; beyond it 429"),
		bounded(&c.PoolMaxConnections, limits.PoolMaxConnections, "open connections to one POOL endpoint"),
		bounded(&c.ReadTimeout, limits.ReadTimeout, "time to read one request"),
		bounded(&c.WriteTimeout, limits.WriteTimeout, "time to write one answer"),
		bounded(&c.IdleTimeout, limits.IdleTimeout, "silence after which a kept-alive connection is closed"),
		bounded(&c.JournalTimeout, limits.JournalTimeout, "time an answer waits for the data directory; beyond it 503 JOURNAL_UNAVAILABLE"),
		bounded(&c.JournalMaxBytes, limits.JournalMaxBytes, "bytes the data directory may take, or a cluster's stream; beyond it new durable work gets 503 JOURNAL_FULL"),
		bounded(&c.FlightRecorderBytes, limits.FlightRecorderBytes, "memory for the latest decisions, to be dumped when something has gone wrong; when on, at least 65536"),
		bounded(&c.RecordMaxBytes, limits.RecordMaxBytes, "bytes the files of --record may take; the oldest go first"),
		bounded(&c.ShutdownGrace, limits.ShutdownGrace, "time accepted work has to finish after SIGTERM"),
	}
}
