package main

import (
	_ "embed"
	"fmt"
	"math/rand/v2"

	"simplane/sim"
	"simplane/sim/scenario"
)

// checked is a case of functions and slots of each, with every invariant checked.
func checked(name, what string, executions int64, most, functions, slots int) kase {
	return kase{name: name, what: what, executions: executions, most: most, copies: functions, slots: slots, run: simulated(functions, slots, sim.Options{})}
}

// kase is something to measure.
type kase struct {
	name, what string
	executions int64
	most       int // runs
	// Of a scenario with every check: functions, and slots of each. 0 = something else.
	copies, slots int
	run           func(executions int64) (figures, error)
	python        string // a program in place of run
}

// figures are what a run of a case came to.
type figures struct {
	Executions int64
	Events     int64 // lines of the event log; of the bare loop its events
	// Of the process: seconds of the processor, and bytes.
	User, System float64
	Memory       int64
}

const text = `
name: speed
duration: %gs
core: {rateMaxPerSecond: 0, ttl: 5s, cleanupTtl: 2s, staleTtl: 20s, idempotencyTtl: 5s}
functions:
  - {name: f, copies: %d, concurrency: %d, queueSize: 1000, behavior: {latency: {distribution: exponential, mean: 10ms}}}
load:
  - {function: f, arrivals: {process: poisson, rate: %g}}
`

// scenarioText is functions that share 10,000 calls a second, each call of 10 ms, and
// slots for half as many again as they need. In the end as many executions as wanted
// have arrived, about.
func scenarioText(functions, slots int, executions int64) []byte {
	const perSecond = 10_000
	seconds := float64(executions) / perSecond
	return fmt.Appendf(nil, text, seconds, functions, slots, perSecond/float64(functions))
}

func simulated(functions, slots int, opts sim.Options) func(int64) (figures, error) {
	return func(executions int64) (figures, error) {
		sc, err := scenario.Parse("speed.yaml", scenarioText(functions, slots, executions))
		if err != nil {
			return figures{}, err
		}
		return replay(sc, opts)
	}
}

func replay(sc *scenario.Scenario, opts sim.Options) (figures, error) {
	r, err := sim.Run(sc, opts)
	switch {
	case err != nil:
		return figures{}, err
	case r.Violation != nil:
		return figures{}, r.Violation
	}
	return figures{Executions: r.Total.Get("accepted"), Events: r.Events}, nil
}

//go:embed simpy_queue.py
var simPyQueue string

var cases = []kase{
	checked("plain", "one function, 10,000 calls a second, every invariant checked", 2_000_000, 100, 1, 150),
	{name: "unchecked", what: "the same without the checks", executions: 2_000_000, most: 100, run: simulated(1, 150, sim.Options{Unchecked: true})},
	checked("functions-10k", "10,000 functions that share these calls", 2_000_000, 100, 10_000, 4),
	checked("functions-100k", "100,000 functions that share these calls", 2_000_000, 100, 100_000, 4),
	checked("long", "plain, a hundred million executions", 100_000_000, 1, 1, 150),
	{name: "bare", what: "a bare loop: a heap of events and random numbers, no calls to core, no checks", executions: 2_000_000, most: 100, run: bare},
	{name: "simpy", what: "the same in SimPy, a library for Python, without the checks", executions: 200_000, most: 100, python: simPyQueue},
}

// bare is the same arrivals, queue and service with nothing but a heap: an event for
// each arrival and each end. It says what a simulation of events costs at least.
func bare(executions int64) (figures, error) {
	r := rand.New(rand.NewPCG(1, 2))
	const slots, most = 150, 1000
	var h heap
	var queue []float64
	busy, done, refused, events := 0, int64(0), int64(0), int64(0)
	h.push(event{at: r.ExpFloat64() / 10_000, arrival: true})
	for arrived := int64(0); len(h) > 0; {
		e := h.pop()
		events++
		if e.arrival {
			if arrived++; arrived < executions {
				h.push(event{at: e.at + r.ExpFloat64()/10_000, arrival: true})
			}
			switch {
			case busy < slots:
				busy++
				h.push(event{at: e.at + r.ExpFloat64()*0.01})
			case len(queue) < most:
				queue = append(queue, e.at)
			default:
				refused++
			}
			continue
		}
		done++
		if len(queue) > 0 {
			queue = queue[1:]
			h.push(event{at: e.at + r.ExpFloat64()*0.01})
		} else {
			busy--
		}
	}
	if done+refused != executions {
		return figures{}, fmt.Errorf("%d of %d have ended", done, executions)
	}
	return figures{Executions: done, Events: events}, nil
}

type event struct {
	at      float64
	arrival bool
}

// heap is a binary heap by time.
type heap []event

func (h *heap) push(e event) {
	*h = append(*h, e)
	q := *h
	i := len(q) - 1
	for ; i > 0 && e.at < q[(i-1)/2].at; i = (i - 1) / 2 {
		q[i] = q[(i-1)/2]
	}
	q[i] = e
}

func (h *heap) pop() event {
	q := *h
	first, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	*h = q
	if len(q) == 0 {
		return first
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].at < q[c].at {
			c++
		}
		if last.at <= q[c].at {
			break
		}
		q[i], i = q[c], c
	}
	q[i] = last
	return first
}
