//go:build interleave

package interleave

import (
	"flag"
	"testing"

	"simplane/core"
)

var (
	from  = flag.Uint64("from", 1, "the first seed")
	seeds = flag.Uint64("seeds", 50000, "how many seeds are tried")
)

// TestInterleavings tries seeds. The first that breaks a rule is shrunk, and shown with
// how to see it again.
func TestInterleavings(t *testing.T) {
	points := 0
	for seed := *from; seed < *from+*seeds; seed++ {
		p, opts := Draw(seed), options(seed)
		out := Run(p, opts)
		points += out.Points
		if out.Err == nil {
			continue
		}
		small, switches, last := Shrink(p, opts)
		t.Fatalf("RULE %s\tafter %d schedules\n%v\nagain: go test -tags interleave ./sim/interleave -args -from %d -seeds 1\nshrunk:\n%vswitches %v\n%v", out.rule(), seed-*from+1, out.Err, seed, small, switches, last.Err)
	}
	t.Logf("%d schedules with %d points", *seeds, points)
}

// TestFoundSeeds: schedules beyond those that a test run tries, which have found something.
func TestFoundSeeds(t *testing.T) {
	for name, seed := range map[string]uint64{
		"an execution is evicted before its end is durable": 108657,
	} {
		if out := Run(Draw(seed), options(seed)); out.Err != nil {
			t.Errorf("%s: %v", name, out.Err)
		}
	}
}

// TestSameSeedSameRun: every point is passed by the same task again.
func TestSameSeedSameRun(t *testing.T) {
	for seed := range uint64(200) {
		a, b := Run(Draw(seed), options(seed)), Run(Draw(seed), options(seed))
		if a.History != b.History || a.Points != b.Points {
			t.Fatalf("seed %d: %d points with %x, and then %d with %x", seed, a.Points, a.History, b.Points, b.History)
		}
	}
}

// TestAnswerBeforeDispatchReturns: an attempt that another goroutine answers while its
// dispatch has not returned may leave work, a retry here. Either of the two serves it.
func TestAnswerBeforeDispatchReturns(t *testing.T) {
	p := &Plan{Slots: 2, QueueSize: 2, Retries: 2, Shards: 1, Room: 10, Tasks: [][]Op{{{Kind: "invoke", Answer: "failing"}}}}
	for seed := range uint64(2000) {
		opts := options(seed)
		opts.Points = 100
		if out := Run(p, opts); out.Err != nil {
			t.Fatalf("seed %d: %v", seed, out.Err)
		}
	}
}

// TestAdaptedPlansReachEverything: while callers meet, pauses end, and functions get replicas, lose
// the last one, and get some again.
func TestAdaptedPlansReachEverything(t *testing.T) {
	seen, zero, again := map[core.EventKind]int{}, 0, 0
	for seed := uint64(1); seed < 6*300; seed += 6 {
		out := Run(Draw(seed), options(seed))
		if out.Err != nil {
			t.Fatalf("seed %d: %v", seed, out.Err)
		}
		for kind, n := range out.Seen {
			seen[kind] += n
		}
		if zero += out.ToZero; out.ToZero > 0 && out.Seen[core.EventScaled] > 2*out.ToZero {
			again++
		}
	}
	t.Logf("%v, %d times to zero, and in %d plans from there", seen, zero, again)
	for _, kind := range []core.EventKind{core.EventRequeued, core.EventScaled, core.EventReplicasReady, core.EventConcurrencyChanged} {
		if seen[kind] < 10 {
			t.Errorf("%v only %d times", kind, seen[kind])
		}
	}
	if zero < 10 || again < 3 {
		t.Errorf("%d times to zero, and in %d plans from there", zero, again)
	}
}
