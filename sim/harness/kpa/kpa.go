// Package kpa is a small model of how Knative's pod autoscaler (KPA) decides,
// written from its documentation and its documented defaults, for comparing
// simplane's autoscaler with it on one scenario.
//
// What is modelled: mean concurrency over a stable and a panic window, panic
// mode, the limits of scale rates, waking from zero at the first request, and
// the pause before the last instance goes. What is not: the ways figures
// travel (scraping a sample of pods, the activator), pod sampling errors,
// Kubernetes' own delays. Those would only make it slower.
package kpa

import (
	"math"
	"time"
)

// Config is KPA's settings, as its config-autoscaler calls them.
type Config struct {
	StableWindow     time.Duration
	PanicWindow      time.Duration
	PanicThreshold   float64 // multiple of the ready instances' capacity
	Tick             time.Duration
	MaxScaleUpRate   float64
	MaxScaleDownRate float64
	// ScaleToZeroGrace is the pause before the last instance goes. It is the
	// published upper bound; a real one may go sooner.
	ScaleToZeroGrace time.Duration
	// Target is the concurrency to hold per instance.
	Target float64
}

// Defaults are the published ones, for a target per instance.
func Defaults(target float64) Config {
	return Config{
		StableWindow: 60 * time.Second, PanicWindow: 6 * time.Second, PanicThreshold: 2,
		Tick: 2 * time.Second, MaxScaleUpRate: 1000, MaxScaleDownRate: 2,
		ScaleToZeroGrace: 30 * time.Second, Target: target,
	}
}

// KPA decides for one function.
type KPA struct {
	cfg     Config
	seconds []float64 // mean concurrency of each of the last seconds, newest last

	panicking  bool
	panicSince time.Duration // when the threshold was last exceeded
	most       int           // instances wanted in this panic

	wanted    int  // last answer
	idle      bool // the load asked for nothing at the last tick
	idleSince time.Duration
}

// New is a KPA without history.
func New(cfg Config) *KPA { return &KPA{cfg: cfg} }

// Interval is the time between decisions.
func (k *KPA) Interval() time.Duration { return k.cfg.Tick }

// Second takes the mean concurrency of the second that ends now.
func (k *KPA) Second(_ time.Duration, concurrency float64) {
	k.seconds = append(k.seconds, concurrency)
	if n := len(k.seconds) - int(k.cfg.StableWindow/time.Second); n > 0 {
		k.seconds = append(k.seconds[:0], k.seconds[n:]...)
	}
}

// mean is the average over the last window, or over what there is of it.
func (k *KPA) mean(window time.Duration) float64 {
	n := min(len(k.seconds), int(window/time.Second))
	if n == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range k.seconds[len(k.seconds)-n:] {
		sum += v
	}
	return sum / float64(n)
}

// Decide returns the number of instances wanted, from 0.
func (k *KPA) Decide(now time.Duration, ready int, woken bool) int {
	if woken {
		// The activator reports the first request at once. History of the time
		// at zero says nothing about the load that begins now.
		k.seconds, k.idle, k.wanted = k.seconds[:0], false, 1
		return 1
	}
	pods := float64(max(1, ready))
	highest := math.Ceil(k.cfg.MaxScaleUpRate * pods)
	lowest := math.Floor(pods / k.cfg.MaxScaleDownRate)
	wanted := func(window time.Duration) float64 { return math.Ceil(k.mean(window) / k.cfg.Target) }
	limited := func(n float64) int { return int(min(max(n, lowest), highest)) }
	panic := wanted(k.cfg.PanicWindow)

	switch over := panic/pods >= k.cfg.PanicThreshold; {
	case over:
		k.panicking, k.panicSince = true, now
	case k.panicking && now-k.panicSince > k.cfg.StableWindow:
		k.panicking, k.most = false, 0
	}
	n := limited(wanted(k.cfg.StableWindow))
	if k.panicking {
		k.most = max(k.most, n, limited(panic)) // it never falls in a panic
		n = k.most
	}
	k.wanted = k.zero(now, n)
	return k.wanted
}

// zero keeps the last instance for the grace period.
func (k *KPA) zero(now time.Duration, n int) int {
	if n > 0 {
		k.idle = false
		return n
	}
	if !k.idle {
		k.idle, k.idleSince = true, now
	}
	if k.wanted > 0 && now-k.idleSince < k.cfg.ScaleToZeroGrace {
		return 1
	}
	return 0
}
