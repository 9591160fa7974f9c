package draws

import (
	"slices"
	"testing"
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// TestExactArrivals come at their times, and none after the end.
func TestExactArrivals(t *testing.T) {
	a := newArrivals(&scenario.Arrivals{Process: "exact", Calls: []scenario.Call{{At: 0}, {At: 5}, {At: 5}, {At: 99}, {At: 100}}}, 100, random.New(1, "x"))
	var got []int64
	for at, ok := a.next(); ok; at, ok = a.next() {
		got = append(got, at)
	}
	if !slices.Equal(got, []int64{0, 5, 5, 99}) {
		t.Errorf("%v", got)
	}
}

// recordedAttempts has one attempt every 10 ms for 10 s, whose time says when it
// began.
func recordedAttempts() recorded {
	var r recorded
	for i := range 1000 {
		at := time.Duration(i) * 10 * time.Millisecond
		r.attempts = append(r.attempts, scenario.Attempt{At: at, Took: at})
	}
	return r
}

// TestDrawsAreFromAboutThatTime, all of those, and about as often each.
func TestDrawsAreFromAboutThatTime(t *testing.T) {
	r, from := recordedAttempts(), random.New(3, "draws")
	for _, now := range []time.Duration{0, 3 * time.Second, 3 * time.Second, 7 * time.Second, 10 * time.Second} {
		seen := map[time.Duration]int{}
		for range 20_000 {
			a := r.draw(int64(now), &from)
			if a.Took < now-near || a.Took > now+near {
				t.Fatalf("at %v an attempt from %v", now, a.At)
			}
			seen[a.At]++
		}
		want := 101 // of 500 ms to either side
		switch now {
		case 0:
			want = 51
		case 10 * time.Second:
			want = 50
		}
		if len(seen) != want {
			t.Errorf("at %v: %d attempts were drawn, want each of %d", now, len(seen), want)
		}
		for at, n := range seen {
			if mean := 20_000 / want; n < mean/2 || n > 2*mean {
				t.Errorf("at %v: that of %v was drawn %d times, the mean is %d", now, at, n, mean)
			}
		}
	}
}

// TestFewAttempts: where there are few at about that time, the nearest are drawn,
// before the first and long after the last, too; and so they are after time has
// gone back.
func TestFewAttempts(t *testing.T) {
	var sparse recorded
	for i := range 100 {
		sparse.attempts = append(sparse.attempts, scenario.Attempt{At: time.Hour + time.Duration(i)*time.Minute})
	}
	from := random.New(3, "draws")
	for now, want := range map[time.Duration][2]int{0: {0, 15}, time.Hour + 50*time.Minute: {42, 57}, 100 * time.Hour: {84, 99}} {
		low, high := 100, 0
		for range 2000 {
			a := sparse.draw(int64(now), &from)
			i := slices.IndexFunc(sparse.attempts, func(o scenario.Attempt) bool { return o.At == a.At })
			low, high = min(low, i), max(high, i)
		}
		if low != want[0] || high != want[1] {
			t.Errorf("at %v: attempts %d to %d, want %v", now, low, high, want)
		}
	}
	one := recorded{attempts: []scenario.Attempt{{At: 5, Took: 7}}}
	for _, now := range []int64{0, 5, 1e12} {
		if a := one.draw(now, &from); a.Took != 7 {
			t.Errorf("%+v", a)
		}
	}
}
