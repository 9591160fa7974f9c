package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simplane/core"
	"simplane/sim/scenario"
)

// TestIDs: ids are version-4 UUIDs and never repeat, also when a slot is used
// again, and lead to their slot.
func TestIDs(t *testing.T) {
	r := &records{spare: -1, idSeed: 9}
	seen := map[core.ID]bool{}
	for i := range 50_000 {
		id := r.NewID()
		if seen[id] || id[6]>>4 != 4 || id[8]>>6 != 2 {
			t.Fatalf("id %v: seen before %v", id, seen[id])
		}
		seen[id] = true
		rec, slot := r.adopt(id)
		rec.state = stQueued
		if found, at := r.find(id); found != rec || at != slot {
			t.Fatalf("id %v does not lead to its slot", id)
		}
		if i%3 > 0 {
			r.release(slot)
			if found, _ := r.find(id); found != nil {
				t.Fatalf("id %v found after release", id)
			}
		}
	}
	if most := (50_000/3+1)*4/3 + 4; len(r.all) > most { // a quarter is kept free
		t.Errorf("%d slots for %d ids at a time", len(r.all), 50_000/3+1)
	}
}

// TestAgeList compares with a plain slice under random joins, removals and cuts.
func TestAgeList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newAgeList()
		model := [][]int32{nil} // segments
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			i := int32(rapid.IntRange(0, 15).Draw(t, "member"))
			switch rapid.IntRange(0, 4).Draw(t, "do") {
			case 0:
				l.cut()
				model = append(model, nil)
			case 1, 2:
				l.remove(i)
				for s := range model {
					if at := slices.Index(model[s], i); at >= 0 {
						model[s] = slices.Delete(model[s], at, at+1)
					}
				}
			default:
				if !l.has(i) {
					l.push(i)
					model[len(model)-1] = append(model[len(model)-1], i)
				}
			}
			var heads, want []int32
			for _, s := range l.segments {
				if s.head >= 0 {
					heads = append(heads, s.head)
				}
			}
			for _, s := range model {
				if len(s) > 0 {
					want = append(want, s[0])
				}
			}
			if !slices.Equal(heads, want) {
				t.Fatalf("heads %v, want %v", heads, want)
			}
		}
	})
}

// TestCompareFindsTheFirstDifference in logs that part somewhere.
func TestCompareFindsTheFirstDifference(t *testing.T) {
	write := func(changed int64, n int64) func(from, to int64) (*Result, error) {
		return func(from, to int64) (*Result, error) {
			l := newLogbook()
			l.from, l.to = from, to
			for i := int64(1); i <= n; i++ {
				b := append(l.begin(i*1000), "line"...)
				if i == changed {
					b = append(b, " changed"...)
				}
				l.end(b)
			}
			return &Result{Events: l.lines, Marks: l.marks, Digest: l.digest(), Kept: l.kept}, nil
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		n := 1 + r.Int64N(30_000)
		at := 1 + r.Int64N(n)
		same, other := write(0, n), write(at, n)
		a, _ := same(0, 0)
		b, _ := other(0, 0)
		d, err := Compare(a, b, same, other)
		if err != nil || d == nil || d.Line != at {
			t.Fatalf("of %d lines, number %d differs: found %+v, %v", n, at, d, err)
		}
		if d, err := Compare(a, a, same, same); d != nil || err != nil {
			t.Fatalf("equal logs: %v %v", d, err)
		}
	}
}

// TestGoldenExplains: a changed scenario is reported with what changed in the
// counts and about where.
func TestGoldenExplains(t *testing.T) {
	sc := parse(t, `
name: golden
duration: 60s
functions: [{name: f, maxRetries: 1, behavior: {latency: 10ms, failureRate: 0.1}}]
load: [{function: f, arrivals: {process: constant, rate: 50}}]
`)
	g := NewGolden(mustRun(t, sc, Options{}))
	path := t.TempDir() + "/golden.txt"
	if err := WriteGolden(path, map[string]Golden{g.Scenario: g}); err != nil {
		t.Fatal(err)
	}
	all, err := ReadGolden(path)
	if err != nil {
		t.Fatal(err)
	}
	g = all["golden"]
	sc.Faults = []scenario.Fault{{At: 30 * time.Second, Kind: "outage", Function: "f", For: time.Second}}
	rerun := func(from, to int64) (*Result, error) { return Run(sc, Options{KeepFrom: from, KeepTo: to}) }
	r := mustRun(t, sc, Options{})
	diff, err := g.Explain(r, rerun)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"error was ", "retries was ", "first difference lies at or before 3", "it is among events"} {
		if !strings.Contains(diff, want) {
			t.Errorf("no %q in:\n%s", want, diff)
		}
	}
	sc.Faults = nil
	if diff, err := g.Explain(mustRun(t, sc, Options{}), rerun); diff != "" || err != nil {
		t.Errorf("unchanged, yet: %s %v", diff, err)
	}
}
