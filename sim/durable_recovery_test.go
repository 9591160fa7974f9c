package sim

import (
	"testing"

	"simplane/sim/scenario"
)

// The process crashes at each point, and then at every point of the recovery from
// that: before the facts are read, after each thing that Restorer.Done writes, when
// it is done, and at the two points that follow. Then all these recoveries crash
// three times at the same point, so that each begins from what the one before has
// left half done.
func TestCrashInEveryRecovery(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 5
	}
	const commit = "6ms"
	r, whole := crashRun(t, 1, commit)
	if !whole.Holds() {
		t.Fatal(whole.Violation)
	}
	runs, writes := 0, 0
	for first := 1; first <= r.world.Points(); first += step {
		once, _ := crashRun(t, 1, commit, first)
		recovery := once.world.Recoveries()[0]
		writes += recovery.Last - recovery.First - 2
		for at := recovery.First; at <= recovery.Last+2; at++ {
			crashes := []int{first, at}
			for len(crashes) < 5 {
				again, got := crashRun(t, 1, commit, crashes...)
				if got.Violation != nil {
					t.Fatalf("crashes at points %v: %v\n%v", crashes, got.Violation, got.Violation.Tail)
				}
				runs++
				recoveries := again.world.Recoveries()
				if len(recoveries) != len(crashes) {
					if at <= recovery.Last {
						t.Fatalf("crashes at points %v, and %d recoveries", crashes, len(recoveries))
					}
					break // the run ends before
				}
				next := recoveries[len(recoveries)-1]
				crashes = append(crashes, min(next.First+at-recovery.First, next.Last))
			}
		}
	}
	if runs < 100 || writes < 20 {
		t.Errorf("%d runs, and %d writes in recoveries: hardly anything was tried", runs, writes)
	}
	t.Logf("%d runs, %d writes in recoveries", runs, writes)
}

// A recovery that crashes as the run would end is waited for: with the process down there is
// nothing to compare with the facts.
func TestTheLastRecoveryEnds(t *testing.T) {
	sc, err := scenario.Parse("test.yaml", []byte(`
name: last
seed: 1
duration: 2s
settle: 10s
core: {rateMaxPerSecond: 0, journal: {enabled: true}}
functions:
  - {name: f}
load:
  - {function: f, arrivals: {process: burst, at: 1s, count: 1}}
faults:
  - {at: 10.5s, kind: crash, for: 1500ms, again: 3}
`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRun(sc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.toTheEnd()
	if v := r.witness.violation; v != nil {
		t.Fatal(v)
	}
	if n := len(r.world.Recoveries()); n != 4 || r.world.Down() {
		t.Fatalf("%d recoveries, down %v; want 4, and a process at the end", n, r.world.Down())
	}
}

// What a process took before anything was durable does not count after it: nobody was told
// of it, and the journal looks like that of a first start. What it took later does.
func TestRatesOverACrash(t *testing.T) {
	for _, crash := range []string{"90ms", "340ms"} {
		sc, err := scenario.Parse("test.yaml", []byte(`
name: rates
seed: 1
duration: 900ms
core:
  rateMaxPerSecond: 1
  journal: {enabled: true, commitLatency: 137ms}
functions:
  - name: f
load:
  - {function: f, mode: enqueue, arrivals: {process: constant, rate: 20}}
faults:
  - {at: `+crash+`, kind: crash, for: 1ms}
`))
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(sc, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Violation != nil {
			t.Errorf("a crash at %s: %v\n%v", crash, r.Violation, r.Violation.Tail)
		}
		if got, want := r.Total.Get("accepted"), map[string]int64{"90ms": 2, "340ms": 1}[crash]; got != want {
			t.Errorf("a crash at %s: %d calls are accepted in one second, want %d", crash, got, want)
		}
	}
}
