package main

import (
	"encoding/json"
	"math/rand/v2"
)

// function is one registered for the soak, with what it is asked to do.
type function struct {
	name string
	spec map[string]any
	// asks are picked by weight.
	asks []ask
	// share of the load, out of all functions' shares.
	share int
	// exact says that the function lives through the soak and all its callers
	// see their answers, so that its counters must equal the client's.
	exact bool
	// killed says that its processes are killed, and asked to crash, at random:
	// a job that would succeed may end in error.
	killed bool
}

type ask struct {
	weight int
	job    job
}

const poolTimeout = 700 // ms

// functions is what the soak registers. script is the process functions'.
func functions(endpoint, script string) []*function {
	pool := func(name string, more map[string]any) map[string]any {
		spec := map[string]any{
			"name": name, "image": "none", "executionMode": "POOL", "endpointUrl": endpoint,
			"concurrency": 16, "queueSize": 200, "maxRetries": 2, "timeoutMillis": poolTimeout,
		}
		for k, v := range more {
			spec[k] = v
		}
		return spec
	}
	process := func(name, mode string) map[string]any {
		return map[string]any{
			"name": name, "image": "none", "runtimeMode": mode, "commands": []string{"python3", script},
			"concurrency": 4, "queueSize": 200, "maxRetries": 1, "timeoutMillis": 20_000,
			"scalingConfig": map[string]any{"strategy": "NONE", "minReplicas": 2, "maxReplicas": 2},
		}
	}
	return []*function{
		{name: "local", share: 30, exact: true, asks: []ask{{1, job{Do: doOK}}},
			spec: map[string]any{"name": "local", "image": "none", "executionMode": "LOCAL", "concurrency": 8}},
		{name: "pool", share: 30, exact: true, spec: pool("pool", nil), asks: []ask{
			{74, job{Do: doOK, MS: 3}}, {6, job{Do: doFail}}, {6, job{Do: doFlaky, MS: 2}}, {4, job{Do: doDrop}},
			{2, job{Do: doGarbage}}, {2, job{Do: doSlow, MS: poolTimeout + 800}}, {6, job{Do: doCallback, MS: 1}},
		}},
		{name: "stdio", share: 12, exact: true, killed: true, spec: process("stdio", "STDIO"), asks: []ask{
			{9, job{Do: doOK, MS: 2}}, {1, job{Do: doFail}},
		}},
		{name: "http", share: 12, exact: true, killed: true, spec: process("http", "HTTP"), asks: []ask{
			{9, job{Do: doOK, MS: 2}}, {1, job{Do: doFail}},
		}},
		// Deleted and registered again all the time.
		{name: "churn", share: 10, spec: pool("churn", nil), asks: []ask{{1, job{Do: doOK, MS: 20}}}},
		// Its callers hang up before the answer.
		{name: "hangup", share: 6, spec: pool("hangup", map[string]any{"timeoutMillis": 400}), asks: []ask{{1, job{Do: doOK, MS: 30}}}},
	}
}

// pick chooses a function by share.
func pick(fns []*function, rng *rand.Rand) *function {
	total := 0
	for _, f := range fns {
		total += f.share
	}
	at := rng.IntN(total)
	for _, f := range fns {
		if at -= f.share; at < 0 {
			return f
		}
	}
	panic("unreachable")
}

// ask chooses a job by weight.
func (f *function) ask(rng *rand.Rand, n int64) job {
	total := 0
	for _, a := range f.asks {
		total += a.weight
	}
	at := rng.IntN(total)
	for _, a := range f.asks {
		if at -= a.weight; at < 0 {
			j := a.job
			j.N = n
			return j
		}
	}
	panic("unreachable")
}

func (j job) body() []byte {
	raw, _ := json.Marshal(map[string]any{"input": j})
	return raw
}
