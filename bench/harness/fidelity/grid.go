package main

import (
	"fmt"
	"time"

	"simplane/sim/scenario"
)

// The function has four slots of 40 ms on average: 100 attempts a second.
const (
	slots    = 4
	capacity = 100.0
)

var loads = []float64{0.5, 0.8, 1, 1.2, 2}

// services are the distributions, each with a mean of 40 ms; that of the lognormal
// one is p50 x exp(sigma^2/2).
var services = []struct{ name, latency string }{
	{"constant", "40ms"},
	{"exponential", "{distribution: exponential, mean: 40ms}"},
	{"lognormal", "{distribution: lognormal, p50: 25ms, p99: 238500us}"},
}

// settings are what the function has beside its service times. attempts is how many
// there are for each call.
var settings = []struct {
	name, about    string
	core, function string
	behavior       string
	attempts       float64
	from           time.Duration // when load begins
	services       int           // of the list, from the second on if it is one
}{
	{"queue", "Sync calls, a queue of 20, no sync admission.", "", "queueSize: 20, maxRetries: 0", "", 1, 0, 3},
	{"admission", "The same with sync admission: an estimated wait of at most 100 ms, a real one of at most 200 ms.",
		"syncQueue: {enabled: true, maxConcurrency: 4, maxDepth: 20, maxEstimatedWait: 100ms, maxQueueWait: 200ms}", "queueSize: 20, maxRetries: 0", "", 1, 0, 3},
	{"retries", "A fifth of the attempts fail; up to three retries, after 100 ms, 200 ms and 400 ms, each up to a fifth longer or shorter.",
		"", "queueSize: 20, maxRetries: 3", "failureRate: 0.2, ", 1.248, 0, 1},
	// Load begins when the first process is there and the autoscaler sleeps: a real
	// function is registered a moment before its load.
	{"processes", "One to four processes of one slot each that the autoscaler starts and stops; a process takes 500 ms to start.",
		"autoscale: {interval: 500ms, scaleUpCooldown: 1s, scaleDownCooldown: 2s, scaleDownWindow: 5s}",
		"queueSize: 20, maxRetries: 0, scaling: {minReplicas: 1, maxReplicas: 4, concurrencyControl: {mode: STATIC_PER_POD, targetInFlightPerPod: 1}}, provider: {startup: 500ms, capacity: 1}", "", 1, 3 * time.Second, 1},
}

// run is a point that has not been measured yet.
type run struct {
	point
	scenario *scenario.Scenario
}

// grid is all runs in order.
func grid(duration time.Duration) (all []run, err error) {
	for _, s := range settings {
		of := services
		if s.services == 1 {
			of = services[1:2]
		}
		for _, service := range of {
			for _, load := range loads {
				name := fmt.Sprintf("%s-%s-%g", s.name, service.name, load)
				text := fmt.Sprintf("name: %s\nseed: %d\nduration: %v\ncore: {%s}\n"+
					"functions: [{name: f, concurrency: %d, timeoutMillis: 30000, %s, behavior: {%slatency: %s}}]\n"+
					"load: [{function: f, mode: invoke, arrivals: {process: poisson, rate: %.3f, from: %v}}]\n",
					name, 1000+len(all), duration+s.from, s.core, slots, s.function, s.behavior, service.latency, load*capacity/s.attempts, s.from)
				sc, err := scenario.Parse(name, []byte(text))
				if err != nil {
					return nil, err
				}
				all = append(all, run{point{Setting: s.name, Service: service.name, Load: load}, sc})
			}
		}
	}
	return all, nil
}

func about(setting string) string {
	for _, s := range settings {
		if s.name == setting {
			return s.about
		}
	}
	return ""
}
