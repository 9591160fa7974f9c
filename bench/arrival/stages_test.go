package arrival

import (
	"math"
	"testing"
	"time"
)

// The requests of each stage, and of each half of a ramp, are as many as its rate
// says: exactly for a constant schedule, within chance for a Poisson one.
func TestStagesKeepTheirRates(t *testing.T) {
	stages, err := ParseStages("10s:0..400, 5s:400,5s:800, 10s:..0")
	if err != nil {
		t.Fatal(err)
	}
	if got := Length(stages); got != 30*time.Second {
		t.Errorf("they last %v", got)
	}
	windows := []struct{ from, to, want float64 }{
		{0, 5, 500}, {5, 10, 1500}, {10, 15, 2000}, {15, 20, 4000}, {20, 25, 3000}, {25, 30, 1000},
	}
	for _, kind := range []Kind{Constant, Poisson} {
		s, err := NewStages(kind, stages, 7)
		if err != nil {
			t.Fatal(err)
		}
		counts := make([]float64, len(windows))
		last := time.Duration(0)
		for at := s.Next(); at < 30*time.Second; at = s.Next() {
			if at < last {
				t.Fatalf("%s: %v after %v", kind, at, last)
			}
			last = at
			for i, w := range windows {
				if sec := at.Seconds(); sec >= w.from && sec < w.to {
					counts[i]++
				}
			}
		}
		for i, w := range windows {
			slack := 1.5
			if kind == Poisson {
				slack = 5 * math.Sqrt(w.want)
			}
			if math.Abs(counts[i]-w.want) > slack {
				t.Errorf("%s, %v to %v s: %v requests, want %v", kind, w.from, w.to, counts[i], w.want)
			}
		}
		if again := s.Next(); again < 24*time.Hour {
			t.Errorf("%s: goes on at %v after its end", kind, again)
		}
	}
	if m := Mean(stages); math.Abs(m-12000./30) > 1e-9 {
		t.Errorf("mean %v", m)
	}
}

// One stage that holds is the plain schedule.
func TestAStageThatHoldsIsThePlainSchedule(t *testing.T) {
	for _, kind := range []Kind{Constant, Poisson} {
		plain, _ := New(kind, 250, 3)
		s, err := NewStages(kind, []Stage{{10 * time.Second, 250, 250}}, 3)
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			if a, b := plain.Next(), s.Next(); math.Abs(float64(a-b)) > 100 {
				t.Fatalf("%s: %v and %v", kind, a, b)
			}
		}
	}
}

func TestStagesThatAreRefused(t *testing.T) {
	for _, text := range []string{"", "10s", "10s:", "10:5", "0s:5", "-1s:5", "10s:-5", "10s:1..x", "10s:0", "25h:1", "1s:NaN", "1s:1e99", "1s:5,", "10s:5..6..7"} {
		if s, err := ParseStages(text); err == nil {
			t.Errorf("%q was taken: %v", text, s)
		}
	}
	if _, err := NewStages("never", []Stage{{time.Second, 1, 1}}, 1); err == nil {
		t.Error("an unknown kind was taken")
	}
	for _, text := range []string{"10s:5", "10s:0..5", "1m:2.5..0"} {
		s, err := ParseStages(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseStages(s[0].String()); err != nil || again[0] != s[0] {
			t.Errorf("%q is written %q: %v", text, s[0], err)
		}
	}
}
