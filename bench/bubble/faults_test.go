package bubble

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"simplane/server"
	"simplane/server/harness/memnet"
	"simplane/sim/scenario"
)

// weather is what the faults of connections happen to: invocations and enqueued work
// that queue, fail, are retried, time out and share keys.
const weather = `
name: weather
seed: %d
duration: 6s
core: {rateMaxPerSecond: 0, ttl: 600s, cleanupTtl: 500s, staleTtl: 900s, idempotencyTtl: 30s}
functions:
  - {name: busy, concurrency: 2, queueSize: 20, maxRetries: 2, retryBackoff: {initialMs: 50}, timeoutMillis: 1000, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.1, permanentRate: 0.2}}
  - {name: work, concurrency: 3, queueSize: 200, maxRetries: 3, retryBackoff: {initialMs: 20}, timeoutMillis: 500, behavior: {latency: {distribution: exponential, mean: 80ms}, failureRate: 0.1, hangRate: 0.01}}
  - {name: keyed, concurrency: 2, queueSize: 100, maxRetries: 2, timeoutMillis: 2000, behavior: {latency: 50ms, failureRate: 0.05}}
  - {name: once, concurrency: 1, queueSize: 100, maxRetries: 2, timeoutMillis: 1000, behavior: {latency: 70ms, failureRate: 0.05}}
load:
  - {function: busy, mode: invoke, arrivals: {process: poisson, rate: 30}}
  - {function: work, arrivals: {process: poisson, rate: 40}}
  - {function: keyed, mode: invoke, idempotencyKeys: 40, arrivals: {process: poisson, rate: 15}}
  - {function: keyed, mode: invoke, idempotencyKeys: 40, timeoutMillis: 30, arrivals: {process: poisson, rate: 15}}
  - {function: once, idempotencyKeys: 60, arrivals: {process: poisson, rate: 15}}
`

// weatherOf is the scenario of a seed.
func weatherOf(t *testing.T, seed uint64) *scenario.Scenario {
	t.Helper()
	return parsed(t, fmt.Sprintf(weather, seed))
}

// parsed is a scenario of a test's own.
func parsed(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// longestDelay is that of a faulty stage's network.
const longestDelay = 30 * time.Millisecond

// faultyStage is a stage of a seed: a network with delays or without, and functions
// that have one connection in ten cut.
func faultyStage(t *testing.T, seed uint64, change ...func(*server.Config)) (*stage, *rand.Rand) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0x6661756c7473))
	opts := memnet.Options{Seed: seed}
	if seed%2 == 0 {
		opts.MinDelay, opts.MaxDelay = time.Millisecond, longestDelay
	}
	if seed%3 == 0 {
		opts.Window = 64 // less than a request
	}
	s := newStage(t, weatherOf(t, seed), opts, change...)
	var mu sync.Mutex
	s.functions.cutting = func(int) cutAt {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(10) > 0 {
			return notCut
		}
		return cutAt(1 + r.IntN(int(cutInAnswer)))
	}
	return s, rand.New(rand.NewPCG(seed, 0x63616c6c657273))
}

// driveFaulty makes the calls, each in a manner of its own: two in three plainly.
func (s *stage) driveFaulty(r *rand.Rand) {
	s.calls = plan(s.sc)
	var open sync.WaitGroup
	for _, c := range s.calls {
		how, own := plain, rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		if r.IntN(3) == 0 {
			how = 1 + manner(r.IntN(int(manners)-1))
		}
		s.until(c.at)
		open.Go(func() {
			if how == plain {
				s.make(c)
			} else {
				s.misbehave(c, how, own)
			}
		})
	}
	open.Wait()
}

// faultSeeds are those of a test run.
func faultSeeds() uint64 {
	if testing.Short() {
		return 6
	}
	return 24
}

// TestFaultsOfConnections: whatever becomes of connections, everybody who stays is
// answered once, with the outcome of the execution that was made for the call, attempts
// keep to their bounds, all that was accepted ends, and nothing is left behind.
func TestFaultsOfConnections(t *testing.T) {
	for seed := uint64(1); seed <= faultSeeds(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s, r := faultyStage(t, seed)
				defer s.report()
				s.driveFaulty(r)
				s.quiet()
				s.hit()
				j := newJudge(s)
				j.cuts = true
				j.all()
				j.lookUps(10_000)
				j.accounts()
				j.expired()
				s.leave()
				s.replay()
			})
		})
	}
}

// hit demands that the faults have happened, and have left enough alone.
func (s *stage) hit() {
	answered, lost, cut := 0, 0, 0
	for _, c := range s.calls {
		if c.lost != nil {
			lost++
		} else if c.acknowledged() {
			answered++
		}
	}
	for _, a := range s.functions.seen() {
		if a.cut {
			cut++
		}
	}
	if answered < len(s.calls)/2 || lost < len(s.calls)/20 || cut < len(s.functions.seen())/40 {
		s.find("of %d calls %d were answered and %d lost; %d of %d attempts were cut", len(s.calls), answered, lost, cut, len(s.functions.seen()))
	}
}

// accounts: the server's counts add up, and are those of the functions.
func (j *judge) accounts() {
	var now stats
	j.s.get("/v1/admin/stats", &now)
	known, ran := map[string]int64{}, map[string]int64{}
	for _, e := range j.executions {
		switch {
		case len(e.attempts) > 0:
			known[e.attempts[0].function]++
			ran[e.attempts[0].function] += int64(len(e.attempts))
		case len(e.calls) > 0:
			known[e.calls[0].function]++
		}
	}
	for name, f := range now.Functions {
		switch {
		case f.Enqueued != f.Success+f.Error+f.Timeout:
			j.s.find("%s: %d accepted, %d succeeded, %d failed and %d timed out", name, f.Enqueued, f.Success, f.Error, f.Timeout)
		case f.Enqueued < known[name]:
			j.s.find("%s: %d executions are known, and %d were accepted", name, known[name], f.Enqueued)
		case f.Dispatched < ran[name]:
			j.s.find("%s: %d attempts have come, and %d were dispatched", name, ran[name], f.Dispatched)
		}
	}
}

// TestFunctionsCloseIdleConnections: a connection that its function has closed since the
// call before is not used for the next one.
func TestFunctionsCloseIdleConnections(t *testing.T) {
	sc := parsed(t, `
name: idle
duration: 10s
core: {rateMaxPerSecond: 0}
functions:
  - {name: seldom, concurrency: 2, maxRetries: 0, behavior: {latency: {distribution: exponential, mean: 50ms}}}
load:
  - {function: seldom, mode: invoke, arrivals: {process: poisson, rate: 4}}
`)
	inBubble(t, func(t *testing.T) {
		s := newStage(t, sc, memnet.Options{})
		defer s.report()
		s.functions.http.IdleTimeout = 200 * time.Millisecond
		s.drive()
		s.quiet()
		for _, c := range s.calls {
			if c.result != "success" {
				s.find("%s at %v ends as %q %s %s", c.trace, c.at, c.result, c.code, c.message)
			}
		}
		newJudge(s).all()
		s.leave()
	})
}

// TestGivenUpBeforeTheAnswerCame: where the network takes time, a server gives attempts up
// that their functions are about to answer, or have answered. From then on they hold no
// slot, although their functions know nothing of that yet.
func TestGivenUpBeforeTheAnswerCame(t *testing.T) {
	sc := parsed(t, `
name: given-up
duration: 10s
core: {rateMaxPerSecond: 0}
functions:
  - {name: late, concurrency: 1, queueSize: 100, timeoutMillis: 200, behavior: {latency: 150ms}}
  - {name: soon, concurrency: 10, timeoutMillis: 2000, behavior: {latency: 1ms}} # has connections made, also fast ones
load:
  - {function: late, arrivals: {process: constant, rate: 5}}
  - {function: soon, arrivals: {process: poisson, rate: 50}}
`)
	inBubble(t, func(t *testing.T) {
		s := newStage(t, sc, memnet.Options{Seed: 1, MinDelay: time.Millisecond, MaxDelay: 100 * time.Millisecond})
		defer s.report()
		s.drive()
		s.quiet()
		j := newJudge(s)
		j.all()
		j.lookUps(10_000)
		givenUp := 0
		for _, a := range s.functions.seen() {
			if j.givenUp(a) {
				givenUp++
			}
		}
		if givenUp == 0 {
			s.find("none of %d attempts was given up", len(s.functions.seen()))
		}
		s.leave()
	})
}
