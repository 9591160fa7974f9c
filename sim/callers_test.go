package sim

import (
	"strings"
	"testing"
	"time"
)

const callers = `
name: callers
duration: 10s
core: {rateMaxPerSecond: 0}
functions:
  - {name: f, concurrency: 1, queueSize: 1, maxRetries: 0, timeoutMillis: 60000, behavior: {latency: 1s}}
load:
  - {function: f, mode: invoke, callers: {retries: 20, backoff: 200ms}, arrivals: {process: burst, at: 1s, count: 6}}
`

// TestCallersTryAgain until they are served: six calls at once of which one runs and
// one waits are all done after six seconds or a little more.
func TestCallersTryAgain(t *testing.T) {
	r := mustRun(t, parse(t, callers), Options{})
	c := r.Total
	if c.Get("success") != 6 || c.Get("callers_failed") != 0 || r.Virtual < 7*time.Second || r.Virtual > 60*time.Second {
		t.Errorf("%+v at %v", c, r.Virtual)
	}
	if c.Get("offered") != 6+c.Get("caller_retries") || c.Get("caller_retries") < 4 || c.Get("rejected.queue_full") != c.Get("caller_retries") {
		t.Errorf("%d offered, %d tries again, %d refused", c.Get("offered"), c.Get("caller_retries"), c.Get("rejected.queue_full"))
	}
	// One that enqueues is content once it is accepted.
	r = mustRun(t, parse(t, strings.Replace(callers, "mode: invoke", "mode: enqueue", 1)), Options{})
	if c := r.Total; c.Get("success") != 6 || c.Get("accepted") != 6 || c.Get("caller_retries") < 4 {
		t.Errorf("enqueued: %+v", c)
	}
}

// TestCallersGiveUp after so many tries, or when they have no patience left.
func TestCallersGiveUp(t *testing.T) {
	r := mustRun(t, parse(t, strings.Replace(callers, "retries: 20", "retries: 1", 1)), Options{})
	if c := r.Total; c.Get("callers_failed") < 3 || c.Get("caller_retries") != 4 || c.Get("success")+c.Get("callers_failed") != 6 {
		t.Errorf("%+v", c)
	}
	r = mustRun(t, parse(t, strings.Replace(callers, "backoff: 200ms", "backoff: 200ms, patience: 1100ms", 1)), Options{})
	if c := r.Total; c.Get("success")+c.Get("callers_failed") != 6 || c.Get("callers_failed") == 0 {
		t.Errorf("%+v", c)
	}
	for _, line := range logOf(t, strings.Replace(callers, "backoff: 200ms", "backoff: 200ms, patience: 1100ms", 1)) {
		if strings.Contains(line, "reject") && line >= "2.100000000" {
			t.Errorf("a call after patience was over: %s", line)
		}
	}
}

func logOf(t *testing.T, text string) []string {
	t.Helper()
	return mustRun(t, parse(t, text), Options{KeepFrom: 1, KeepTo: 1 << 40}).Kept
}

// TestCallersOfFailures: an invoked call that fails or times out is tried again, with
// the same key it gets the first one's end, and callers are what makes a short outage
// a long one.
func TestCallersOfFailures(t *testing.T) {
	failing := strings.NewReplacer("behavior: {latency: 1s}", "behavior: {latency: 1ms, failureRate: 1}", "queueSize: 1,", "queueSize: 100,").Replace(callers)
	r := mustRun(t, parse(t, failing), Options{})
	if c := r.Total; c.Get("error") != 6*21 || c.Get("callers_failed") != 6 {
		t.Errorf("%+v", c)
	}
	keyed := strings.NewReplacer("mode: invoke", "mode: invoke, idempotencyKeys: 1", "retries: 20", "retries: 5").Replace(failing)
	if c := mustRun(t, parse(t, keyed), Options{}).Total; c.Get("accepted") != 1 || c.Get("idempotent_hits") != 6*6-1 {
		t.Errorf("with a key: %+v", c)
	}
	slow := strings.NewReplacer("behavior: {latency: 1s}", "behavior: {hangRate: 1}", "timeoutMillis: 60000", "timeoutMillis: 100", "queueSize: 1,", "queueSize: 100,").Replace(callers)
	if c := mustRun(t, parse(t, slow), Options{}).Total; c.Get("timeout") != 6*21 {
		t.Errorf("timeouts: %+v", c)
	}
}
