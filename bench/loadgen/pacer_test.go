package loadgen

import (
	"context"
	"testing"
	"time"

	"simplane/bench/arrival"
)

func TestPaceReleasesInOrderAndNeverEarly(t *testing.T) {
	for _, rate := range []float64{200, 50_000} {
		s, err := arrival.New(arrival.Poisson, rate, 3)
		if err != nil {
			t.Fatal(err)
		}
		twin, _ := arrival.New(arrival.Poisson, rate, 3)
		var n int
		end := 200 * time.Millisecond
		err = pace(context.Background(), s, rate, time.Now(), end, func(j job) bool {
			n++
			if want := twin.Next(); j.intended != want {
				t.Fatalf("request %d is due at %v, released for %v", n, want, j.intended)
			}
			if j.released < j.intended {
				t.Fatalf("request %d was released %v early", n, j.intended-j.released)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if next := twin.Next(); n == 0 || next < end {
			t.Errorf("rate %v: stopped after %d requests, the next was due at %v", rate, n, next)
		}
	}
}

// A late start is caught up at once instead of shifting the schedule.
func TestPaceCatchesUp(t *testing.T) {
	s, _ := arrival.New(arrival.Constant, 1000, 0)
	start := time.Now().Add(-100 * time.Millisecond)
	var late int
	err := pace(context.Background(), s, 1000, start, 110*time.Millisecond, func(j job) bool {
		if j.released-j.intended > 50*time.Millisecond {
			late++
		}
		return true
	})
	if err != nil || late < 50 {
		t.Errorf("%d requests carry their lateness, want at least 50 (%v)", late, err)
	}
}

func TestPaceStopsWhenToldTo(t *testing.T) {
	s, _ := arrival.New(arrival.Constant, 1e6, 0)
	var n int
	if err := pace(context.Background(), s, 1e6, time.Now(), time.Hour, func(job) bool { n++; return n < 7 }); err != nil || n != 7 {
		t.Errorf("released %d, %v", n, err)
	}
}
