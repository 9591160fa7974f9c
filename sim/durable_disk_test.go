package sim

import (
	"fmt"
	"testing"

	"simplane/sim/scenario"
)

// Each commit fails once, in a run of its own. Whether what it had to store is there
// nobody knows: both happen. The process ends, and starts again from what is there.
func TestEveryCommitFails(t *testing.T) {
	failed := 0
	for seed := range 4 {
		for n, more := 1, true; more; n++ {
			sc := crashPoints(t, seed, "6ms")
			r, err := newRun(sc, Options{})
			if err != nil {
				t.Fatal(err)
			}
			r.world.Disk().FailCommit(n)
			r.toTheEnd()
			if v := r.witness.violation; v != nil {
				t.Fatalf("seed %d, commit %d fails: %v\n%v", seed, n, v, v.Tail)
			}
			if more = len(r.world.Recoveries()) > 0; more {
				failed++
			}
		}
	}
	if failed < 60 {
		t.Errorf("%d commits failed: hardly any", failed)
	}
}

// A disk says that it has synced, and has not: the process crashes at every point.
// Nothing that is lost goes unnoticed, and what the facts that are left show the
// process notices, too: it does not start. That it must is an invariant of these runs.
func TestALyingDisk(t *testing.T) {
	for _, loses := range scenario.Losses {
		var whole, unseen, refused int
		run := func(seed, at int, allowed bool) (*run, *Result) {
			sc := crashPoints(t, seed, "6ms")
			sc.Faults = append(sc.Faults, scenario.Fault{Kind: "disk-lies", At: 1, For: sc.Duration, Loses: loses})
			if allowed {
				sc.Expect = append(sc.Expect, scenario.Check{Count: "lost_facts", Op: ">=", Value: "0"})
			}
			return crashOf(t, sc, at)
		}
		for seed := range 6 { // what is lost is another part in each
			r, alone := run(seed, 0, false)
			if !alone.Holds() {
				t.Fatalf("loses %s, without a crash: %v", loses, alone.Violation)
			}
			for at := 1 + seed%3; at <= r.world.Points(); at += 3 {
				_, strict := run(seed, at, false)
				_, got := run(seed, at, true)
				lost := got.Total[cLostFacts] > 0
				switch v := strict.Violation; {
				case got.Violation != nil:
					t.Fatalf("loses %s, seed %d, crash at point %d: %v\n%v", loses, seed, at, got.Violation, got.Violation.Tail)
				case lost && (v == nil || v.Invariant != "what is synced is kept"), !lost && v != nil:
					t.Fatalf("loses %s, seed %d, crash at point %d: %d facts are lost, and the run says %v", loses, seed, at, got.Total[cLostFacts], v)
				case !lost:
					whole++
				case got.Total[cRefusedStarts] > 0:
					refused++
				default:
					unseen++
				}
			}
		}
		t.Logf("loses %s: nothing lost in %d runs, lost in %d, and in %d more the process did not start", loses, whole, unseen, refused)
		if unseen < 3 || (refused < 5) != (loses == "tail") {
			t.Errorf("loses %s: lost in %d runs, and in %d more the process did not start", loses, unseen, refused)
		}
	}
}

// A journal changes no count of work that it does not keep, crashes aside.
func TestAJournalChangesNoCount(t *testing.T) {
	const text = `
name: counts
duration: 20s
settle: 5s
core:
  rateMaxPerSecond: 0
  syncQueue: {enabled: true, maxConcurrency: 2, maxDepth: 40, maxEstimatedWait: 10s, maxQueueWait: 150ms}
  journal: {enabled: %v}
functions:
  - name: f
    concurrency: 2
    maxRetries: 2
    retryBackoff: {initialMs: 20, jitter: 0} # which depends on ids
    behavior:
      latency: {distribution: exponential, mean: 50ms}
      failureRate: 0.2
      coldStart: {initDuration: 80ms, idleTimeout: 200ms}
load:
  - {function: f, mode: invoke, arrivals: {process: poisson, rate: 30}}
`
	without := mustRun(t, parse(t, fmt.Sprintf(text, false)), Options{Series: true})
	with := mustRun(t, parse(t, fmt.Sprintf(text, true)), Options{Series: true})
	a, b := &without.Functions[0], &with.Functions[0]
	if a.Counts != b.Counts {
		t.Errorf("%v without a journal, %v with one", a.Counts, b.Counts)
	}
	if a.Service != b.Service || a.QueueWait != b.QueueWait || a.E2E != b.E2E {
		t.Errorf("latencies %+v without a journal, %+v with one", a, b)
	}
	for _, c := range []counter{cColdStarts, cQueueWait, cRetries} {
		if a.Counts[c] == 0 {
			t.Errorf("no %s", counterNames[c])
		}
	}
	pausing := 0
	for i, n := range without.Plot.Functions[0].Pausing {
		if pausing += n; n != with.Plot.Functions[0].Pausing[i] {
			t.Fatalf("%d pause at step %d without a journal, %d with one", n, i, with.Plot.Functions[0].Pausing[i])
		}
	}
	if pausing == 0 {
		t.Error("nothing pauses")
	}
}
