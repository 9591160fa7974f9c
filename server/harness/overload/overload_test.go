package main

import (
	"testing"
	"time"
)

// short runs the program in small, and checks what holds however busy the
// machine is.
func short(t *testing.T) *report {
	t.Helper()
	r, err := overload(t.Context(), options{
		Slots: 4, Service: 40 * time.Millisecond, Step: time.Second, Before: time.Second, Outage: time.Second, After: 4 * time.Second, Keep: 0.6,
		Only: passOver,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", r)
	if len(r.Rows) != 5 || len(r.Storms) != 1 {
		t.Fatalf("%d rows and %d outages", len(r.Rows), len(r.Storms))
	}
	if refused := r.Rows[4].Statuses["QUEUE_FULL"] + r.Rows[4].Statuses["RATE_LIMITED"]; refused == 0 {
		t.Errorf("nothing was refused at 10x: %v", r.Rows[4].Statuses)
	}
	return r
}

// TestShortOverload leaves what the report says of goodput to TestSlowOverload.
func TestShortOverload(t *testing.T) { short(t) }

func TestRecovered(t *testing.T) {
	steady := []int{100, 100, 100, 100, 100, 100}
	for _, tc := range []struct {
		goodput, came []int
		want          int
	}{
		{[]int{100, 100, 100, 100}, steady, 0},
		{[]int{0, 0, 100, 100, 100}, steady, 2},
		{[]int{100, 100, 100, 0, 0, 0}, steady, -1}, // it did not stay
		{[]int{90, 80, 100, 75, 95, 100}, steady, 0},
		{[]int{30, 20, 30, 25, 20}, steady, -1},
		{[]int{60, 50, 60, 55}, []int{60, 50, 60, 55}, 0}, // few came
		{nil, nil, -1},
	} {
		if got := recovered(tc.goodput, tc.came); got != tc.want {
			t.Errorf("%v of %v: back at %d, want %d", tc.goodput, tc.came, got, tc.want)
		}
	}
}

func TestJudgeNamesWhatIsBroken(t *testing.T) {
	r := &report{Options: options{Keep: 0.8}, Rows: []row{
		{Setting: "a", Times: 0.5, Share: 0.45, Useful: 1}, {Setting: "a", Times: 2, Share: 0.9, Useful: 0.7}, {Setting: "c", Times: 2, Control: true},
		{Setting: "a", Times: 5, Share: 0.3, Useful: 0.9},
	}, Storms: []outage{{Setting: "a", Back: -1}, {Setting: "c", Back: -1, Control: true}, {Setting: "b", Back: 3}}}
	r.judge()
	if len(r.Broken) != 3 {
		t.Errorf("found %q, want the 2x and the 5x row and the outage of a", r.Broken)
	}
}
