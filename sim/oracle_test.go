package sim

import (
	"fmt"
	"math"
	"testing"
	"time"

	"simplane/sim/scenario"
)

// The oracles compare simulated queues with queueing theory. A simulation is
// an estimate, so each comparison has a bound computed from the sample: the
// run is cut into batches, whose means are nearly independent, and the bound is
// 4 standard errors of their mean (a false alarm in 16,000; seeds are fixed
// anyway). On top of that each bound must be narrow, else the test would pass
// whatever core did.

const batches = 40

// estimate is a mean over batches with its bound.
type estimate struct{ mean, bound float64 }

func batchMeans(values []float64) estimate {
	n := float64(len(values))
	var sum, squares float64
	for _, v := range values {
		sum += v
	}
	mean := sum / n
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return estimate{mean, 4 * math.Sqrt(squares/(n-1)/n)}
}

// simulate runs the same queue with a seed for each batch.
func simulate(t *testing.T, sc *scenario.Scenario) []*Result {
	t.Helper()
	var results []*Result
	n := batches
	if raceEnabled {
		n = 2
	}
	for i := range n {
		sc.Seed = uint64(1000 + i)
		results = append(results, mustRun(t, sc, Options{}))
	}
	return results
}

// of estimates one figure from the batches.
func of(results []*Result, figure func(*Result) float64) estimate {
	var values []float64
	for _, r := range results {
		values = append(values, figure(r))
	}
	return batchMeans(values)
}

func meanWait(r *Result) float64 { return seconds(r.Functions[0].QueueWait.Mean) }
func meanTime(r *Result) float64 { return seconds(r.Functions[0].E2E.Mean) }
func blocked(r *Result) float64 {
	return float64(r.Total.Get("rejected.queue_full")) / float64(r.Total.Get("offered"))
}

func compareWith(t *testing.T, name string, theory float64, got estimate, widest float64) {
	t.Helper()
	if raceEnabled {
		return // too few batches to compare
	}
	t.Logf("%-44s theory %10.5f  simulated %10.5f  bound ±%.5f", name, theory, got.mean, got.bound)
	if math.Abs(got.mean-theory) > got.bound {
		t.Errorf("%s: theory says %.5f, simulated %.5f ± %.5f", name, theory, got.mean, got.bound)
	}
	if got.bound > widest*theory {
		t.Errorf("%s: the bound ±%.5f is more than %.0f%% of %.5f: too few samples to show anything", name, got.bound, 100*widest, theory)
	}
}

// queueScenario is a single queue: Poisson arrivals, c servers, room for
// waiting in the queue. TTLs are short so that runs stay small; retries are off.
func queueScenario(t *testing.T, rate float64, servers, room int, latency string, duration time.Duration) *scenario.Scenario {
	return parse(t, fmt.Sprintf(`
name: oracle
duration: %v
core: {rateMaxPerSecond: 0, ttl: 2s, cleanupTtl: 1s, staleTtl: 300s}
functions:
  - {name: q, concurrency: %d, queueSize: %d, maxRetries: 0, timeoutMillis: 3600000, behavior: {latency: %s}}
load:
  - {function: q, arrivals: {process: poisson, rate: %v}}
`, duration, servers, room, latency, rate))
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// TestMM1: exponential service on one server at 80% load. Mean wait is
// rho/(mu-lambda), mean time in system 1/(mu-lambda).
func TestMM1(t *testing.T) {
	const lambda, mu = 80.0, 100.0
	t.Parallel()
	runs := simulate(t, queueScenario(t, lambda, 1, 1_000_000, "{distribution: exponential, mean: 10ms}", 150*time.Second))
	wait := lambda / mu / (mu - lambda)
	compareWith(t, "M/M/1 rho=0.8 mean wait (s)", wait, of(runs, meanWait), 0.15)
	compareWith(t, "M/M/1 rho=0.8 mean time in system (s)", 1/(mu-lambda), of(runs, meanTime), 0.15)
}

// TestMD1: constant service on one server: half of M/M/1's wait.
func TestMD1(t *testing.T) {
	const lambda, mu = 80.0, 100.0
	t.Parallel()
	runs := simulate(t, queueScenario(t, lambda, 1, 1_000_000, "10ms", 100*time.Second))
	wait := lambda / mu / (mu - lambda) / 2
	compareWith(t, "M/D/1 rho=0.8 mean wait (s)", wait, of(runs, meanWait), 0.15)
}

// TestMMcK: c servers and a finite queue, overloaded and not: the share of
// arrivals refused and the mean wait of those accepted, from the stationary
// distribution of the birth-death process.
func TestMMcK(t *testing.T) {
	t.Parallel()
	for _, q := range []struct {
		lambda        float64
		servers, room int
	}{{350, 4, 6}, {600, 4, 10}, {90, 1, 3}} {
		const mu = 100.0
		refused, wait := mmck(q.lambda, mu, q.servers, q.room)
		runs := simulate(t, queueScenario(t, q.lambda, q.servers, q.room, "{distribution: exponential, mean: 10ms}", 30*time.Second))
		name := fmt.Sprintf("M/M/%d/%d lambda=%v ", q.servers, q.servers+q.room, q.lambda)
		compareWith(t, name+"blocked", refused, of(runs, blocked), 0.1)
		compareWith(t, name+"mean wait (s)", wait, of(runs, meanWait), 0.1)
	}
}

// mmck is the blocking probability and the mean wait of accepted arrivals of
// an M/M/c/(c+room) queue.
func mmck(lambda, mu float64, c, room int) (blocked, wait float64) {
	k := c + room
	p := make([]float64, k+1)
	p[0] = 1
	sum := 1.0
	for n := 1; n <= k; n++ {
		p[n] = p[n-1] * lambda / (mu * float64(min(n, c)))
		sum += p[n]
	}
	waiting := 0.0
	for n := c + 1; n <= k; n++ {
		waiting += float64(n-c) * p[n] / sum
	}
	blocked = p[k] / sum
	return blocked, waiting / (lambda * (1 - blocked)) // Little
}

// TestLittle: for each function the mean number queued is the rate of
// acceptance times the mean wait, and the mean number in flight the rate times
// the mean service time. On a run that starts and ends empty this is an
// identity, so it must hold to rounding, whatever the load.
func TestLittle(t *testing.T) {
	sc := parse(t, `
name: little
duration: 200s
core: {rateMaxPerSecond: 0, ttl: 2s, cleanupTtl: 1s}
functions:
  - {name: calm, concurrency: 4, maxRetries: 0, behavior: {latency: {distribution: exponential, mean: 20ms}}}
  - {name: busy, concurrency: 2, queueSize: 30, maxRetries: 0, behavior: {latency: {distribution: lognormal, p50: 20ms, p99: 200ms}}}
  - {name: odd, concurrency: 8, maxRetries: 0, behavior: {latency: {distribution: uniform, min: 1ms, max: 300ms}, failureRate: 0.3}}
load:
  - {function: calm, arrivals: {process: poisson, rate: 100}}
  - {function: busy, arrivals: {process: poisson, rate: 100}}
  - {function: odd, arrivals: {process: constant, rate: 40}}
  - {function: odd, mode: invoke, arrivals: {process: burst, at: 50s, count: 60}}
`)
	r := mustRun(t, sc, Options{})
	for _, f := range r.Functions {
		rate := float64(f.QueueWait.Count) / r.Virtual.Seconds()
		for name, pair := range map[string][2]float64{
			"queued":    {rate * seconds(f.QueueWait.Mean), f.MeanQueued},
			"in flight": {rate * seconds(f.Service.Mean), f.MeanInFlight},
		} {
			t.Logf("Little %-5s mean %-9s lambda*W %10.6f  time average %10.6f", f.Name, name, pair[0], pair[1])
			// Means are rounded down to whole nanoseconds.
			if math.Abs(pair[0]-pair[1]) > rate*1e-9+1e-9 {
				t.Errorf("%s: mean %s by Little's law %v, by time %v", f.Name, name, pair[0], pair[1])
			}
		}
	}
}

// A latency of calls that nobody made meets no expectation.
func TestLatencyOfNothingIsNoData(t *testing.T) {
	res := mustRun(t, parse(t, `
name: x
duration: 1s
functions: [{name: quiet}, {name: busy}]
load: [{function: busy, arrivals: {process: burst, count: 1}}]
expect:
  - {latency: e2e.p99, function: quiet, op: "<=", value: 1ms}
  - {latency: e2e.p99, function: quiet, op: ">=", value: 0s}
  - {latency: e2e.p99, function: busy, op: "<=", value: 1ms}
`), Options{})
	for i, want := range []struct {
		holds bool
		got   string
	}{{false, "no data"}, {false, "no data"}, {true, "0s"}} {
		if c := res.Checks[i]; c.Holds != want.holds || c.Got != want.got {
			t.Errorf("%s: %v, got %q; want %v, %q", c.Check, c.Holds, c.Got, want.holds, want.got)
		}
	}
}
