package kpa

import (
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

// feed runs a KPA for a time under a steady concurrency, with instances that
// are ready at once, and returns what it wanted at each tick.
type feed struct {
	k      *KPA
	now    time.Duration
	ready  int
	wanted []int
}

func newFeed(target float64, ready int) *feed {
	f := &feed{k: New(Defaults(target)), ready: ready}
	f.k.wanted = ready
	return f
}

func (f *feed) run(d time.Duration, concurrency float64) int {
	for end := f.now + d; f.now < end; {
		f.now += time.Second
		f.k.Second(f.now, concurrency)
		if f.now%f.k.Interval() == 0 {
			f.ready = f.k.Decide(f.now, f.ready, false)
			f.wanted = append(f.wanted, f.ready)
		}
	}
	return f.ready
}

func want(t *testing.T, what string, got, expected int) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: %d instances, want %d", what, got, expected)
	}
}

func TestStableLoadIsTheMeanOverTarget(t *testing.T) {
	f := newFeed(10, 3)
	want(t, "25 at 10 each", f.run(2*time.Minute, 25), 3)
	want(t, "30 at 10 each", f.run(2*time.Minute, 30), 3)
}

func TestRiseFollowsTheStableWindow(t *testing.T) {
	f := newFeed(10, 4)
	f.run(2*time.Minute, 40)
	want(t, "half of the window at 60", f.run(30*time.Second, 60), 5) // mean 50
	want(t, "all of it", f.run(30*time.Second, 60), 6)
}

func TestDoubleTheCapacityPanics(t *testing.T) {
	f := newFeed(10, 2)
	f.run(2*time.Minute, 20)
	// After 6 s at 120 that is the panic window's mean; the stable one's is 30.
	want(t, "in panic", f.run(6*time.Second, 120), 12)
	want(t, "it never falls in panic", f.run(50*time.Second, 0), 12)
	if got := f.run(20*time.Second, 0); got >= 12 {
		t.Errorf("%d instances a stable window after the panic", got)
	}
}

func TestFallIsAtMostHalf(t *testing.T) {
	f := newFeed(10, 16)
	f.run(2*time.Minute, 160)
	f.run(2*time.Minute, 0)
	for i := 1; i < len(f.wanted); i++ {
		if f.wanted[i] < f.wanted[i-1]/2 {
			t.Fatalf("from %d to %d in one tick", f.wanted[i-1], f.wanted[i])
		}
	}
}

func TestLastInstanceStaysForTheGrace(t *testing.T) {
	f := newFeed(10, 1)
	f.run(time.Minute, 5)
	want(t, "a stable window and 28 s without load", f.run(88*time.Second, 0), 1)
	want(t, "and the grace", f.run(4*time.Second, 0), 0)
	want(t, "unused", f.run(time.Minute, 0), 0)
	want(t, "the first request", f.k.Decide(f.now, 0, true), 1)
}

func TestItScalesAScenario(t *testing.T) {
	sc, err := scenario.ReadFile("../../../scenarios/autoscale-ramp.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(sc, sim.Options{Rival: func(f *scenario.Function) sim.Rival {
		return New(Defaults(float64(f.Scaling.ConcurrencyControl.Target)))
	}, Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Functions[0].Counts
	if c.Get("success") != c.Get("offered") {
		t.Errorf("%d of %d calls succeeded", c.Get("success"), c.Get("offered"))
	}
	if c.Get("scale_ups") < 5 || c.Get("scale_downs") < 2 {
		t.Errorf("%d steps up and %d down: the model does not scale", c.Get("scale_ups"), c.Get("scale_downs"))
	}
}
