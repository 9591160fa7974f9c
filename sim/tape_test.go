package sim

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"simplane/core"
)

// Every published scenario is recorded and taken again, and nearly all of that is
// verified.
func TestRunsAreTakenAgain(t *testing.T) {
	for _, sc := range published(t) {
		r, err := newRun(sc, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r.toTheEnd()
		if v := r.witness.violation; v != nil {
			t.Fatal(v)
		}
		steps, unverified := r.taken()
		if steps < r.witness.number/2 || unverified > steps/5 {
			t.Errorf("%s: %d steps for %d executions, %d of them not verified", sc.Name, steps, r.witness.number, unverified)
		}
	}
}

// taken is how many steps were taken again.
func (r *run) taken() (steps, unverified int64) {
	if r.several != nil {
		return r.several.steps, r.several.unverified
	}
	return r.tape.steps, r.tape.unverified
}

// changedRecorder changes one field of one record.
type changedRecorder struct {
	core.Recorder
	at, field int
	random    *rand.Rand
	changed   bool
}

func (c *changedRecorder) Step(s core.Step) {
	if c.at--; c.at == 0 {
		c.changed = true
		f := reflect.ValueOf(&s).Elem().Field(c.field)
		switch {
		case f.CanUint():
			f.SetUint(f.Uint() ^ 1)
		case f.CanInt():
			f.SetInt(f.Int() ^ 1)
		default:
			f.Index(c.random.IntN(f.Len())).SetUint(uint64(c.random.IntN(256)))
		}
	}
	c.Recorder.Step(s)
}

// A record that is not what was decided breaks the run's invariant, and the report
// has the records before it.
func TestAChangedRecordIsFound(t *testing.T) {
	const text = `
name: changed
duration: 4s
functions:
  - {name: f, concurrency: 2, queueSize: 8, maxRetries: 2, retryBackoff: {initialMs: 20}, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.3}}
load:
  - {function: f, mode: invoke, idempotencyKeys: 40, arrivals: {process: poisson, rate: 30}}
  - {function: f, arrivals: {process: poisson, rate: 10}}
`
	sc := parse(t, text)
	random := rand.New(rand.NewPCG(1, 2))
	steps, found := int(0), 0
	r, err := newRun(sc, Options{recorder: func(to core.Recorder) core.Recorder { return &counting{to, &steps} }})
	if err != nil {
		t.Fatal(err)
	}
	if r.toTheEnd(); r.witness.violation != nil || steps < 400 {
		t.Fatalf("%d records, %v", steps, r.witness.violation)
	}
	const tries = 120
	for i := range tries {
		var c *changedRecorder
		r, err := newRun(sc, Options{recorder: func(to core.Recorder) core.Recorder {
			c = &changedRecorder{Recorder: to, at: 1 + random.IntN(steps), field: i % reflect.TypeFor[core.Step]().NumField(), random: random}
			return c
		}})
		if err != nil {
			t.Fatal(err)
		}
		r.toTheEnd()
		v := r.witness.violation
		if v == nil || !c.changed {
			continue // a byte of the id may stay what it was
		}
		if v.Invariant != divergence || !strings.Contains(v.Detail, "as it was recorded:") {
			t.Errorf("field %d: %v", c.field, v)
		}
		found++
	}
	if found < tries*9/10 {
		t.Errorf("%d of %d changed records are found", found, tries)
	}
}

// counting counts records.
type counting struct {
	core.Recorder
	n *int
}

func (c *counting) Step(s core.Step) {
	*c.n++
	c.Recorder.Step(s)
}

// Of a long run, which begins here with its first step, a part of the steps is taken
// again, of every function, and a record of those that is changed is found.
func TestLongRunsAreTakenAgainInPart(t *testing.T) {
	sc := parse(t, `
name: long
duration: 60s
core: {rateMaxPerSecond: 0}
functions:
  - {name: f, copies: 5, concurrency: 4, queueSize: 50, behavior: {latency: {distribution: exponential, mean: 30ms}}}
load:
  - {function: f, arrivals: {process: poisson, rate: 60}}
`)
	run := func(after int) (*run, *changedRecorder) {
		var c *changedRecorder
		r, err := newRun(sc, Options{recorder: func(to core.Recorder) core.Recorder {
			to.(*tape).wholly = 1
			c = &changedRecorder{Recorder: to, at: after, field: stepCheck, random: rand.New(rand.NewPCG(1, 2))}
			return c
		}})
		if err != nil {
			t.Fatal(err)
		}
		r.toTheEnd()
		return r, c
	}
	whole, _ := run(-1)
	if v := whole.witness.violation; v != nil {
		t.Fatal(v)
	}
	n := whole.witness.number
	if share := float64(whole.tape.steps) / float64(n); share < 0.05 || share > 1 { // of six for each execution
		t.Errorf("%d steps are taken again, for %d executions", whole.tape.steps, n)
	}
	for _, tr := range whole.tape.inOrder {
		if tr.keys == nil && tr.records == 0 {
			t.Errorf("no stretch of %s is taken again", tr.name)
		}
	}
	found := 0
	const tries = 16
	for i := range tries {
		if r, c := run(1000 + i*5777); c.changed && r.witness.violation != nil {
			found++
		}
	}
	if found == 0 || found == tries {
		t.Errorf("%d of %d changed records are found", found, tries)
	}
}

// stepCheck is the field with the running check.
var stepCheck = func() int { f, _ := reflect.TypeFor[core.Step]().FieldByName("Check"); return f.Index[0] }()

// seeing counts the steps at which a second replay has begun with executions that have not ended,
// which is not a recorded base's.
type seeing struct {
	*tape
	begun *int
	was   *core.Replay
}

func (s *seeing) Step(step core.Step) {
	s.tape.Step(step)
	if tr := s.of(step.Domain); tr.late != nil && tr.late != s.was && tr.until != math.MaxInt && len(tr.late.Base().Live) > 0 {
		s.was = tr.late
		*s.begun++
	}
}

// TestReplaysBeginInTheMiddle of the work, in some runs, by their seed.
func TestReplaysBeginInTheMiddle(t *testing.T) {
	with, all := 0, 20
	for seed := range all {
		sc := parse(t, `
name: middle
duration: 20s
core: {rateMaxPerSecond: 0}
functions: [{name: f, concurrency: 2, queueSize: 50, maxRetries: 2, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.3}}]
load: [{function: f, arrivals: {process: poisson, rate: 25}}]
`)
		sc.Seed = uint64(seed)
		begun := 0
		r, err := newRun(sc, Options{recorder: func(to core.Recorder) core.Recorder { return &seeing{tape: to.(*tape), begun: &begun} }})
		if err != nil {
			t.Fatal(err)
		}
		if r.toTheEnd(); r.witness.violation != nil {
			t.Fatal(r.witness.violation)
		}
		if begun > 2 {
			with++
		} else if begun > 0 {
			t.Errorf("seed %d: only %d have begun", seed, begun)
		}
	}
	if with < all/4 || with > all*3/4 {
		t.Errorf("in %d of %d runs, want half of them", with, all)
	}
}
