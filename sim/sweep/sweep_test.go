package sweep

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"simplane/sim/scenario"
)

const queue = `
name: queue
seed: 7
duration: 200s
core: {rateMaxPerSecond: 0}
functions:
  - {name: a.b, concurrency: 2, queueSize: 100000, behavior: {latency: {distribution: exponential, mean: 100ms}}}
  - {name: a, concurrency: 1}
load:
  - {function: a.b, arrivals: {process: poisson, rate: 40}}
`

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("queue.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func axes(t *testing.T, all ...string) (out []Axis) {
	t.Helper()
	for _, s := range all {
		a, err := ParseAxis(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func slos(t *testing.T, sc *scenario.Scenario, all ...string) (out []SLO) {
	t.Helper()
	for _, s := range all {
		o, err := ParseSLO(s, sc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func TestAxes(t *testing.T) {
	for s, want := range map[string]string{
		"functions.f.concurrency=1,2,8":           "1 2 8",
		"x=1..4":                                  "1 2 3 4",
		"x=0,4..16:4,100":                         "0 4 8 12 16 100",
		"x=0.1..0.4:0.1":                          "0.1 0.2 0.3 0.4",
		"x=10ms..1s:330ms":                        "10ms 340ms 670ms 1s",
		"x={distribution: uniform, max: 1s},40ms": "{distribution: uniform, max: 1s} 40ms",
		"functions.f.durability=disk,memory":      "disk memory",
		"x=5..5":                                  "5",
		"x=1..6:2":                                "1 3 5",
	} {
		if a, err := ParseAxis(s); err != nil || strings.Join(a.Values, " ") != want {
			t.Errorf("%s: %q, %v; want %s", s, a.Values, err, want)
		}
	}
	for s, want := range map[string]string{
		"x":          "write SETTING=VALUES",
		"=1":         "write SETTING=VALUES",
		"x=":         "an empty value",
		"x=1,,2":     "an empty value",
		"x=1..":      "is not a range",
		"x=a..b":     "is not a range",
		"x=4..1":     "write 1..4",
		"x=1..4:0":   "not above 0",
		"x=1..4:-1":  "not above 0",
		"x=1ms..5ms": "has no step; write one behind a colon, such as 1ms..5ms:10ms",
		"x=0.1..0.5": "has no step",
		"x=1..5000":  "more than 1000 values",
		"x=1..4:1ms": "is not a range",
		"x=1,2,1":    "1 is there twice",
	} {
		if _, err := ParseAxis(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", s, err, want)
		}
	}
}

func TestSLOs(t *testing.T) {
	sc := parse(t, queue)
	o := slos(t, sc, "a.b:e2e.p99 <= 200ms", "success.share>=99.9%", "rejected.queue_full<1", "utilisation > 0.5")
	for i, want := range []float64{0.2, 0.999, 1, 0.5} {
		if o[i].value != want {
			t.Errorf("%s: %v, want %v", o[i].Text, o[i].value, want)
		}
	}
	for s, want := range map[string]string{
		"e2e.p99":           "write FIGURE<=VALUE",
		"e2e.p98<=1s":       `unknown figure "e2e.p98"; did you mean "e2e.p90"`,
		"e2e.p99<=1":        "is compared with a duration such as 200ms",
		"success<=1s":       "is compared with a number",
		"ab:e2e.p99<=1s":    `function "ab" is not in the scenario`,
		"sucess.share>=0.9": `did you mean "success.share"`,
	} {
		if _, err := ParseSLO(s, sc); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", s, err, want)
		}
	}
}

// TestIntervals cover the mean of normal values in 95 of 100 samples.
func TestIntervals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{2, 5, 40} {
		const samples = 20_000
		covered := 0
		for range samples {
			values := make([]float64, n)
			for i := range values {
				values[i] = 3 + 2*r.NormFloat64()
			}
			if in := interval(values); math.Abs(in.Mean-3) <= in.Half {
				covered++
			}
		}
		// Five standard deviations of the number covered, and the table's rounding.
		if off := math.Abs(float64(covered)/samples - 0.95); off > 5*math.Sqrt(0.95*0.05/samples)+0.0005 {
			t.Errorf("%d values: %d of %d intervals have the mean", n, covered, samples)
		}
	}
	if in := interval([]float64{math.NaN(), 4}); in.Mean != 4 || in.Half != 0 || in.Runs != 1 {
		t.Errorf("%+v", in)
	}
	if in := interval([]float64{math.NaN()}); !math.IsNaN(in.Mean) {
		t.Errorf("%+v", in)
	}
}

// waitOf is the mean wait of M/M/c by Erlang's formula, in seconds.
func waitOf(c int, rate, mean float64) float64 {
	load, term, sum := rate*mean, 1.0, 0.0
	for k := range c {
		sum += term
		term *= load / float64(k+1)
	}
	last := term * float64(c) / (float64(c) - load)
	return last / (sum + last) / (float64(c)/mean - rate)
}

// TestCheapestOfErlang: with so many slots a queue keeps a mean wait as Erlang's
// formula says, and the intervals have its value.
func TestCheapestOfErlang(t *testing.T) {
	sc := parse(t, queue)
	// 5 slots wait 55 ms, 6 wait 14 ms, 7 wait 4.5 ms on average.
	r, err := Run(context.Background(), sc, axes(t, "functions.a.b.concurrency=5..9"), Options{Seeds: 8, SLOs: Served(slos(t, sc, "a.b:queue_wait.mean<=20ms"))})
	if err != nil {
		t.Fatal(err)
	}
	if r.Cheapest == nil || r.Cells[*r.Cheapest].Values[0] != "6" || r.Broken() != "" {
		t.Fatalf("cheapest %v of %+v", r.Cheapest, r.Cells)
	}
	for i, slots := range []int{5, 6, 7, 8, 9} {
		want := waitOf(slots, 40, 0.1)
		if in := r.Cells[i].SLO[0]; math.Abs(in.Mean-want) > 2*in.Half {
			t.Errorf("%d slots wait %v ± %v s, by the formula %v", slots, in.Mean, in.Half, want)
		}
		if got, want := r.Cells[i].Figure(costFigure).Mean, float64(slots+1)*200; got != want {
			t.Errorf("%d slots cost %v slot seconds, want %v", slots, got, want)
		}
		if got, want := r.Cells[i].Figure("utilisation").Mean, 4/float64(slots+1); math.Abs(got-want) > 0.03 {
			t.Errorf("%d slots are used %v, want %v", slots, got, want)
		}
	}
	if !strings.Contains(r.Answer(), "functions.a.b.concurrency=6") {
		t.Error(r.Answer())
	}
}

// TestRefusingKeepsNoSLO: a queue that refuses most calls is quick for the rest.
func TestRefusingKeepsNoSLO(t *testing.T) {
	sc := parse(t, strings.Replace(queue, "queueSize: 100000", "queueSize: 1", 1))
	run := func(more ...string) *Result {
		r, err := Run(context.Background(), sc, axes(t, "functions.a.b.concurrency=1,12"), Options{Seeds: 3, SLOs: Served(slos(t, sc, append([]string{"e2e.p50<=200ms"}, more...)...))})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run(); r.Cheapest == nil || *r.Cheapest != 1 || !strings.Contains(r.Answer(), "success.share>=99%") {
		t.Errorf("%v", r.Answer())
	}
	if r := run("success.share>=10%"); r.Cheapest == nil || *r.Cheapest != 0 {
		t.Errorf("%v", r.Answer())
	}
	if r := run("success.share>=100.1%"); r.Cheapest != nil || !strings.HasPrefix(r.Answer(), "No setting") {
		t.Errorf("%v", r.Answer())
	}
}

// TestGridIsTheSameOnAnyNumberOfProcessors, to the byte, in every form, and in the
// order of the axes.
func TestGridIsTheSameOnAnyNumberOfProcessors(t *testing.T) {
	sc := parse(t, strings.Replace(queue, "200s", "20s", 1))
	var first string
	for _, procs := range []int{1, 3, 8} {
		before := runtime.GOMAXPROCS(procs)
		r, err := Run(context.Background(), sc, axes(t, "functions.a.b.concurrency=3,5", "load.a.b.arrivals.rate=20,40"), Options{Seeds: 3, SLOs: slos(t, sc, "e2e.p99<=1s")})
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		for _, h := range r.HeatMaps() {
			b.WriteString(string(h.SVG()))
		}
		for _, c := range r.Curves() {
			b.WriteString(string(c.SVG()))
		}
		if first == "" {
			first = b.String()
		}
		if b.String() != first {
			t.Errorf("on %d processors:\n%s\non 1:\n%s", procs, b.String(), first)
		}
		if got := r.Cells[1].Values; got[0] != "3" || got[1] != "40" {
			t.Errorf("the second setting is %v", got)
		}
		if low, high := r.Cells[0].Figure("goodput/s").Mean, r.Cells[1].Figure("goodput/s").Mean; low > 22 || high < 25 {
			t.Errorf("goodput %v at 20 calls a second, %v at 40", low, high)
		}
	}
	if !strings.Contains(first, "<rect") || strings.Contains(first, "NaN") {
		t.Error(first)
	}
}

// TestSharesLeaveHitsOut: a call that its key answers has no execution of its own that
// could succeed; with keys that come back all can be well.
func TestSharesLeaveHitsOut(t *testing.T) {
	sc, err := scenario.Parse("x.yaml", []byte(`
name: x
duration: 20s
functions: [{name: f, maxRetries: 0, behavior: {latency: 10ms, failureRate: 1}}, {name: g, behavior: {latency: 10ms}}]
load:
  - {function: f, idempotencyKeys: 3, arrivals: {process: constant, rate: 10}}
  - {function: g, idempotencyKeys: 3, arrivals: {process: constant, rate: 10}}
`))
	if err != nil {
		t.Fatal(err)
	}
	o := slos(t, sc, "g:success.share>=100%", "f:failed.share>=100%", "f:idempotent_hits.share>=98.5%", "f:idempotent_hits.share<=98.5%")
	r, err := Run(context.Background(), sc, axes(t, "functions.g.concurrency=1"), Options{Seeds: 2, SLOs: o})
	if err != nil || r.Cheapest == nil {
		t.Errorf("%v %+v", err, r)
	}
}

// TestMistakes are refused before anything runs.
func TestMistakes(t *testing.T) {
	sc := parse(t, queue)
	for want, all := range map[string][]string{
		`function "ab" is not in it; did you mean`:            {"functions.ab.concurrency=1"},
		`unknown key "concurency" in function; did you mean`:  {"functions.a.b.concurency=1"},
		`unknown key "raet" in arrivals; did you mean "rate"`: {"load.a.b.arrivals.raet=1"},
		`"a" has no load`:          {"load.a.mode=invoke"},
		"is out of range":          {"functions.a.b.concurrency=1,0"},
		"is given twice":           {"functions.a.b.concurrency=1", "functions.a.b.concurrency=2"},
		"more than 10000 settings": {"functions.a.b.concurrency=1..200", "functions.a.concurrency=1..200"},
		`"name" cannot be set`:     {"functions.a.b.name=x"},
		`unknown setting "confurrency"; did you mean "concurrency`: {"confurrency=1"},
	} {
		if _, err := Run(context.Background(), sc, axes(t, all...), Options{Seeds: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", all, err, want)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Run(stopped, sc, axes(t, "functions.a.b.concurrency=4"), Options{Seeds: 1}); err == nil {
		t.Error("a sweep that was stopped has a result")
	}
}

// TestCompare: of a scenario and itself no difference is seen; more slots wait less.
func TestCompare(t *testing.T) {
	sc := parse(t, strings.Replace(queue, "200s", "50s", 1))
	same, err := Compare(context.Background(), sc, sc, "A", "B", Options{Seeds: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range same.Rows {
		if row.Differs || row.Difference.Mean != 0 {
			t.Errorf("%+v", row)
		}
	}
	more, err := Changed(sc, "functions.a.b.concurrency=6")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(context.Background(), sc, more, "A", "B", Options{Seeds: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.Rows {
		if row.Figure == "wait p99" && (!row.Differs || row.Difference.Mean > 0) {
			t.Errorf("%+v", row)
		}
	}
	if sc.Functions[0].Concurrency != 2 {
		t.Error("the scenario itself was changed")
	}
	var b bytes.Buffer
	if err := c.WriteText(&b); err != nil || !strings.Contains(b.String(), "lower") {
		t.Error(b.String(), err)
	}
}
