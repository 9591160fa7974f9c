package core

import (
	"math"
	"strconv"
	"testing"
	"time"
)

func TestCoreDefaults(t *testing.T) {
	c, err := New(Config{}, newTestClock(), &seqIDs{}, echo{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.Config()
	wantEqual(t, "ttl", cfg.TTL, 300*time.Second)
	wantEqual(t, "cleanup", cfg.CleanupTTL, 120*time.Second)
	wantEqual(t, "stale", cfg.StaleTTL, 600*time.Second)
	wantEqual(t, "idempotency", cfg.IdempotencyTTL, 300*time.Second)
	wantEqual(t, "sweep", cfg.SweepInterval, time.Second)
	wantEqual(t, "shards", cfg.Shards, 64)
	wantEqual(t, "sync queue off", cfg.SyncQueue.Enabled, false)
	wantEqual(t, "no limit asked for", c.RateMaxPerSecond(), 0)
	wantEqual(t, "default limit", DefaultConfig().RateMaxPerSecond, 1000)
}

func TestCoreConfigNamesEveryViolation(t *testing.T) {
	_, err := New(Config{
		RateMaxPerSecond: -1, TTL: -1, CleanupTTL: -1, StaleTTL: -1, IdempotencyTTL: -1, SweepInterval: -1, MaxFunctions: -1,
		MaxExecutions: -1, MaxIdempotencyKeys: -1, MaxPayloadBytes: -1, Shards: 5000,
		SyncQueue: SyncQueueConfig{MaxConcurrency: -1, MaxDepth: -1, MaxEstimatedWait: -1, MaxQueueWait: -1, RetryAfter: 1},
	}, newTestClock(), &seqIDs{}, echo{}, nil)
	wantEqual(t, "violations", len(details(t, err)), 16)
}

func TestCoreConfigShardsBecomeAPowerOfTwo(t *testing.T) {
	for in, want := range map[int]int{1: 1, 2: 2, 3: 4, 64: 64, 65: 128, 4096: 4096} {
		c, err := New(Config{Shards: in}, newTestClock(), &seqIDs{}, echo{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "shards", c.Config().Shards, want)
	}
}

// A TTL so long that adding it to a time overflows is refused, not served as
// one that has passed already.
func TestCoreConfigRefusesTTLsThatOverflow(t *testing.T) {
	_, err := New(Config{
		TTL: math.MaxInt64, CleanupTTL: math.MaxInt64, StaleTTL: math.MaxInt64, IdempotencyTTL: math.MaxInt64,
		SyncQueue: SyncQueueConfig{MaxQueueWait: math.MaxInt64},
	}, newTestClock(), &seqIDs{}, echo{}, nil)
	wantEqual(t, "violations", len(details(t, err)), 5)
}

func TestBoundsSayWhatIsWrong(t *testing.T) {
	l := &Limits
	for i, c := range []struct{ got, want string }{
		{l.Shards.Problem(1), ""}, {l.Shards.Problem(4096), ""},
		{l.Shards.Problem(0), "must be greater than 0"}, {l.Shards.Problem(4097), "must be between 1 and 4096"},
		{l.MaxRetries.Problem(-1), "must be 0 or greater"},
		{l.RateMaxPerSecond.Problem(-1), "must be 0 (no limit) to 4294967295"},
		{l.MaxDeadLetters.Problem(-2), "must be between -1 and 1000000000"},
		{l.TTL.Problem(0), "must be greater than 0"}, {l.TTL.Problem(MaxSpan + 1), "must be at most 100 years"},
		{l.SyncQueueRetryAfter.Problem(time.Millisecond), "must be at least 1s"},
		{l.LowLoad.Problem(math.NaN()), "must be between 0 and 1000000"}, {l.LowLoad.Problem(0.5), ""},
		{l.Shards.Range(), "1 to 4096"}, {l.RateMaxPerSecond.Range(), "0 (no limit) to 4294967295"},
		{l.TTL.Range(), "above 0, at most 100 years"}, {l.SyncQueueRetryAfter.Range(), "1s to 100 years"},
	} {
		wantEqual(t, strconv.Itoa(i), c.got, c.want)
	}
}
