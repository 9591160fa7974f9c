package draws

import (
	"math"
	"slices"
	"testing"
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// TestSamplers checks the moments and percentiles of each distribution, within
// 5 standard errors.
func TestSamplers(t *testing.T) {
	const n = 200_000
	draw := func(l scenario.Latency) []float64 {
		s, r := newSampler(&l), random.New(7, l.Distribution)
		out := make([]float64, n)
		for i := range out {
			out[i] = float64(s.draw(&r))
		}
		slices.Sort(out)
		return out
	}
	share := func(v []float64, limit float64) float64 { // of values at or below
		i, _ := slices.BinarySearch(v, limit+0.5)
		return float64(i) / n
	}
	within := func(name string, got, p float64) {
		if tolerance := 5 * math.Sqrt(p*(1-p)/n); math.Abs(got-p) > tolerance {
			t.Errorf("%s: share %v, want %v ± %v", name, got, p, tolerance)
		}
	}
	ms := float64(time.Millisecond)
	within("uniform", share(draw(scenario.Latency{Distribution: "uniform", Min: 10 * time.Millisecond, Max: 20 * time.Millisecond}), 12*ms), 0.2)
	e := draw(scenario.Latency{Distribution: "exponential", Mean: 10 * time.Millisecond})
	within("exponential at its mean", share(e, 10*ms), 1-1/math.E)
	within("exponential at 3 means", share(e, 30*ms), 1-math.Exp(-3))
	l := draw(scenario.Latency{Distribution: "lognormal", P50: 40 * time.Millisecond, P99: 400 * time.Millisecond})
	within("lognormal p50", share(l, 40*ms), 0.5)
	within("lognormal p99", share(l, 400*ms), 0.99)
	p := draw(scenario.Latency{Distribution: "empirical", Percentiles: []scenario.Percentile{{Rank: 0, Value: time.Millisecond}, {Rank: 50, Value: 3 * time.Millisecond}, {Rank: 100, Value: 11 * time.Millisecond}}})
	within("empirical p25", share(p, 2*ms), 0.25)
	within("empirical p75", share(p, 7*ms), 0.75)
	if p[0] < ms || p[n-1] > 11*ms {
		t.Errorf("empirical values from %v to %v", p[0], p[n-1])
	}
}

// TestArrivals checks numbers and times of each process.
func TestArrivals(t *testing.T) {
	times := func(a scenario.Arrivals, duration time.Duration) []int64 {
		s := newArrivals(&a, duration, random.New(3, "arrivals"))
		var out []int64
		for {
			at, ok := s.next()
			if !ok {
				return out
			}
			if len(out) > 0 && at < out[len(out)-1] {
				t.Fatalf("%s: %d after %d", a.Process, at, out[len(out)-1])
			}
			if at < int64(a.From) || at >= int64(duration) {
				t.Fatalf("%s: arrival at %d, outside its time", a.Process, at)
			}
			out = append(out, at)
		}
	}
	c := times(scenario.Arrivals{Process: "constant", Rate: 3, From: time.Second, To: 3 * time.Second}, time.Minute)
	if want := []int64{1e9, 1333333333, 1666666667, 2e9, 2333333333, 2666666667}; !slices.Equal(c, want) {
		t.Errorf("constant: %v, want %v", c, want)
	}
	if b := times(scenario.Arrivals{Process: "burst", At: time.Second, Count: 4}, time.Minute); !slices.Equal(b, []int64{1e9, 1e9, 1e9, 1e9}) {
		t.Errorf("burst: %v", b)
	}
	p := times(scenario.Arrivals{Process: "poisson", Rate: 1000}, 100*time.Second)
	if off := math.Abs(float64(len(p)) - 100_000); off > 5*math.Sqrt(100_000) {
		t.Errorf("poisson: %d arrivals, expected 100000", len(p))
	}
	u := times(scenario.Arrivals{Process: "trace", Counts: []int32{1000, 0, 50_000}, Within: "uniform"}, 3*time.Minute)
	if n, _ := slices.BinarySearch(u, int64(time.Minute)); n != 1000 || len(u) != 51_000 || u[1000] < 2*int64(time.Minute) {
		t.Errorf("trace: %d in the first minute, %d altogether", n, len(u))
	}
	// Uniform inside a minute: a quarter of the calls in each 15 s.
	for quarter := range 4 {
		from, _ := slices.BinarySearch(u, int64(2*time.Minute+time.Duration(quarter)*15*time.Second))
		to, _ := slices.BinarySearch(u, int64(2*time.Minute+time.Duration(quarter+1)*15*time.Second))
		if off := math.Abs(float64(to-from) - 12_500); off > 5*math.Sqrt(50_000*0.25*0.75) {
			t.Errorf("trace: %d of 50000 in quarter %d of the minute", to-from, quarter)
		}
	}
	if cut := times(scenario.Arrivals{Process: "trace", Counts: []int32{100, 100}, Within: "poisson"}, 90*time.Second); len(cut) < 100 || len(cut) > 200 {
		t.Errorf("trace cut at the duration: %d arrivals", len(cut))
	}
}

// TestChangingRates: in each tenth of a ramp and of a sine there are as many calls as
// the integral of the rate says, within 5 standard deviations, and gaps are
// exponential: their squares have twice the square of the mean.
func TestChangingRates(t *testing.T) {
	const from, to = 100, 1100 // s
	for name, c := range map[string]struct {
		arrivals scenario.Arrivals
		integral func(s float64) float64 // of the rate, from 0 to s seconds after from
	}{
		"up":    {scenario.Arrivals{Process: "ramp", Rate: 5, ToRate: 105}, func(s float64) float64 { return 5*s + s*s/20 }},
		"down":  {scenario.Arrivals{Process: "ramp", Rate: 80, ToRate: 0}, func(s float64) float64 { return 80*s - 0.04*s*s }},
		"level": {scenario.Arrivals{Process: "ramp", Rate: 50, ToRate: 50}, func(s float64) float64 { return 50 * s }},
		"sine":  {scenario.Arrivals{Process: "sine", Rate: 50, Amplitude: 0.8, Period: 400 * time.Second}, func(s float64) float64 { return 50*s + 50*0.8*400/2/math.Pi*(1-math.Cos(2*math.Pi*s/400)) }},
		"to 0":  {scenario.Arrivals{Process: "sine", Rate: 50, Amplitude: 1, Period: 250 * time.Second}, func(s float64) float64 { return 50*s + 50*250/2/math.Pi*(1-math.Cos(2*math.Pi*s/250)) }},
	} {
		c.arrivals.From, c.arrivals.To = from*time.Second, to*time.Second
		s := newArrivals(&c.arrivals, 2000*time.Second, random.New(11, name))
		var counts [10]float64
		last, squares, n := 0.0, 0.0, 0.0
		for {
			at, ok := s.next()
			if !ok {
				break
			}
			since := float64(at)/1e9 - from
			if since < 0 || since >= to-from {
				t.Fatalf("%s: a call at %v s", name, since+from)
			}
			counts[int(since/100)]++
			gap := c.integral(since) - last // of rate 1
			last += gap
			squares += gap * gap
			n++
		}
		for i, got := range counts {
			want := c.integral(float64(100*(i+1))) - c.integral(float64(100*i))
			if math.Abs(got-want) > 5*math.Sqrt(want) {
				t.Errorf("%s: %v calls in tenth %d, want %v", name, got, i, want)
			}
		}
		if off := math.Abs(squares/n - 2); off > 5*math.Sqrt(20/n) {
			t.Errorf("%s: the mean square of gaps is %v, of exponential ones it is 2", name, squares/n)
		}
	}
}

// TestPauses double, and move by up to half either way.
func TestPauses(t *testing.T) {
	l := Load{Decl: &scenario.Load{Callers: scenario.Callers{Retries: 9, Backoff: 100 * time.Millisecond}}, pauses: random.New(1, "x")}
	for n, mean := 1, 100e6; n < 8; n, mean = n+1, 2*mean {
		sum := 0.0
		for range 2000 {
			p := float64(l.Pause(n))
			if p < mean/2 || p > 1.5*mean {
				t.Fatalf("pause %d is %v", n, p)
			}
			sum += p
		}
		if math.Abs(sum/2000-mean) > 5*mean*math.Sqrt(1./12/2000) {
			t.Errorf("pause %d is %v on average", n, sum/2000)
		}
	}
	if p := l.Pause(1000); p <= 0 || float64(p) > maxSample {
		t.Errorf("the thousandth pause is %v", p)
	}
}
