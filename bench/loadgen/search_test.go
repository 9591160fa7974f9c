package loadgen

import (
	"context"
	"testing"
	"time"

	"simplane/bench/latency"
)

// model answers like a server that keeps 1 ms up to capacity and 100 ms above,
// with hiccup naming steps (counted from 0) that go wrong by accident, lucky those that
// go right by accident.
func model(capacity float64, clientLimited bool, hiccup, lucky map[int]bool) runner {
	step := -1
	return func(_ context.Context, o Options) (*Result, Histograms, error) {
		step++
		h := latency.NewHistogram()
		took := time.Millisecond
		if o.Rate > capacity && !lucky[step] || hiccup[step] {
			took = 100 * time.Millisecond
		}
		h.Record(int64(took))
		return &Result{OK: 1, ClientLimited: clientLimited && o.Rate > capacity}, Histograms{Latency: h, Service: h}, nil
	}
}

func TestSearchFindsTheCapacity(t *testing.T) {
	limits := []Limit{{Percentile: 99, Max: 5 * time.Millisecond}}
	for _, c := range []struct {
		name          string
		so            SearchOptions
		capacity      float64
		clientLimited bool
		hiccup, lucky map[int]bool
		lo, hi        float64
	}{
		{name: "above the start", capacity: 12_345, lo: 12_345 / 1.05, hi: 12_345},
		{name: "below the start", so: SearchOptions{Start: 5000}, capacity: 70, lo: 70 / 1.05, hi: 70},
		{name: "a lucky second attempt", so: SearchOptions{Start: 100, Max: 200}, capacity: 150, lucky: map[int]bool{2: true}, lo: 150 / 1.05, hi: 150},
		{name: "finer", so: SearchOptions{Precision: 0.005}, capacity: 900, lo: 900 / 1.005, hi: 900},
		{name: "one hiccup", capacity: 1000, hiccup: map[int]bool{1: true}, lo: 1000 / 1.05, hi: 1000},
		{name: "capped", so: SearchOptions{Max: 300}, capacity: 1000, lo: 300, hi: 300},
		{name: "hopeless", capacity: 0, lo: 0, hi: 0},
		{name: "client", capacity: 800, clientLimited: true, lo: 800 / 1.05, hi: 800},
	} {
		c.so.Limits = limits
		res, err := search(context.Background(), Options{}, c.so, nil, model(c.capacity, c.clientLimited, c.hiccup, c.lucky))
		if err != nil {
			t.Fatal(err)
		}
		if res.Rate < c.lo || res.Rate > c.hi {
			t.Errorf("%s: found %.1f, want %.1f to %.1f (%s)", c.name, res.Rate, c.lo, c.hi, res)
		}
		if res.ClientLimited != c.clientLimited {
			t.Errorf("%s: client limited %v", c.name, res.ClientLimited)
		}
		if len(res.Steps) >= maxSteps {
			t.Errorf("%s took %d steps", c.name, len(res.Steps))
		}
	}
}

func TestSearchAgainstARealServer(t *testing.T) {
	url := serve(t, ok)
	o := options(url)
	o.Duration = 100 * time.Millisecond
	so := SearchOptions{Limits: []Limit{{Percentile: 50, Max: time.Minute}}, Start: 100, Max: 400}
	res, err := Search(context.Background(), o, so, nil, nil)
	if err != nil || res.Rate != 400 || len(res.Steps) != 3 {
		t.Errorf("a limit nobody misses ends at %v after %d steps (%v)", res.Rate, len(res.Steps), err)
	}
}

func TestSearchRejects(t *testing.T) {
	good := []Limit{{Percentile: 99, Max: time.Millisecond}}
	for _, so := range []SearchOptions{
		{}, {Limits: good, Precision: 2}, {Limits: good, Start: 10, Max: 5}, {Limits: good, MaxErrors: 2},
	} {
		if _, err := search(context.Background(), Options{}, so, nil, nil); err == nil {
			t.Errorf("%+v was accepted", so)
		}
	}
}

func TestMisses(t *testing.T) {
	h := latency.NewHistogram()
	for range 99 {
		h.Record(int64(time.Millisecond))
	}
	h.Record(int64(time.Second))
	hs := Histograms{Latency: h}
	limit := func(text string) []Limit {
		l, err := ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		return []Limit{l}
	}
	for _, c := range []struct {
		name   string
		r      Result
		limits []Limit
		allow  float64
		misses int
	}{
		{"kept", Result{OK: 100}, limit("p99=2ms"), 0, 0},
		{"missed", Result{OK: 100}, limit("max=500ms"), 0, 1},
		{"failed", Result{OK: 99, Failed: 1}, nil, 0, 1},
		{"allowed", Result{OK: 99, Failed: 1}, nil, 0.01, 0},
		{"unsent", Result{OK: 99, Unsent: 2}, nil, 0.01, 1},
		{"both", Result{OK: 99, Failed: 1}, limit("max=500ms"), 0, 2},
		{"nothing", Result{}, nil, 1, 1},
	} {
		if got := Misses(&c.r, hs, c.limits, c.allow); len(got) != c.misses {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
