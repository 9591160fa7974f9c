package replay

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

// TestPublishedScenariosReplay: what the simulator records of every scenario file
// comes out identical.
func TestPublishedScenariosReplay(t *testing.T) {
	for _, file := range published(t) {
		sc, err := scenario.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sc.Duration > 10*time.Minute && testing.Short() || sc.Nodes > 0 { // a recording is of one process
			continue
		}
		sc.Duration = min(sc.Duration, 30*time.Minute)
		t.Run(sc.Name, func(t *testing.T) {
			rec := record(t, sc)
			if rec.Dropped == "" && sc.Core.Journal.Enabled && slices.ContainsFunc(sc.Faults, func(f scenario.Fault) bool { return f.Kind == "crash" }) {
				t.Error("a crash was not noticed by the recorder")
			}
			identical(t, rec)
		})
	}
}

// identical fails unless all steps are found identical but those about executions
// that are gone.
func identical(t *testing.T, rec *recording.Recording) {
	t.Helper()
	r := replayed(t, rec, Options{Context: 40})
	var all, verified int64
	for _, f := range r.Functions {
		all, verified = all+f.Steps, verified+f.Identical
	}
	if r.Exit() != ExitIdentical || verified == 0 && all > 0 || verified < all*9/10 || r.Held != r.Refusals {
		var b bytes.Buffer
		_ = r.WriteText(&b, "recording", Program{})
		t.Errorf("%d of %d steps identical:\n%s", verified, all, b.String())
	}
}

// TestSwarmReplays: so do random scenarios with every kind of fault.
func TestSwarmReplays(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	steps := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		sc, err := scenario.Parse("swarm.yaml", scenario.Marshal(swarm.Generate(seed, 10*time.Second), ""))
		if err != nil {
			t.Fatal(err)
		}
		rec := &recording.Recording{}
		if _, err := sim.Run(sc, sim.Options{Record: rec, Unchecked: true}); err != nil {
			t.Fatal(err)
		}
		if len(rec.Steps) > 0 {
			identical(t, rec)
			steps += len(rec.Steps)
		}
	}
	if steps < 1000*int(seeds) {
		t.Errorf("%d records of %d seeds: hardly anything happened", steps, seeds)
	}
}

// TestAnyChangeIsFound: of a recording in which one field of one record has
// another value not all is found identical. (A change of the executions that a
// sweep has looked at may only make the step one that is not verified.)
func TestAnyChangeIsFound(t *testing.T) {
	rec := busyRecording(t)
	whole := replayed(t, rec, Options{})
	for _, f := range whole.Functions {
		if f.Elsewhere+f.Before > 0 {
			t.Fatalf("%s has steps that are not verified: this test would not know which", f.Label())
		}
	}
	if whole.Exit() != ExitIdentical || whole.Refusals < 20 {
		t.Fatalf("%s, %d refusals", whole.Verdict(), whole.Refusals)
	}
	refusals := []int{}
	for i := range rec.Steps {
		if rec.Steps[i].Kind == core.StepRefuse {
			refusals = append(refusals, i)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		changed := *rec
		changed.Steps = slices.Clone(rec.Steps)
		at := rapid.IntRange(0, len(rec.Steps)-1).Draw(t, "record")
		switch rapid.IntRange(0, 9).Draw(t, "where") {
		case 0:
			at = rapid.SampledFrom(refusals).Draw(t, "refusal")
		case 1:
			at = len(rec.Steps) - 1 - rapid.IntRange(0, 20).Draw(t, "from the end")
		}
		name := change(t, &changed.Steps[at])
		if changed.Steps[at] == rec.Steps[at] {
			t.Fatalf("%s was not changed", name)
		}
		r, err := Run(&changed, Options{All: rapid.Bool().Draw(t, "all"), Context: 40})
		if err != nil {
			t.Fatal(err)
		}
		if r.Exit() == ExitIdentical && r.identical() == whole.identical() {
			t.Fatalf("%s of record %d (%+v) was changed to %+v, and all is identical", name, at, rec.Steps[at], changed.Steps[at])
		}
		if err := r.WriteText(&bytes.Buffer{}, "changed", Program{}); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteJSON(&bytes.Buffer{}, Program{}, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func (r *Report) identical() (n int64) {
	for _, f := range r.Functions {
		n += f.Identical
	}
	return n
}

// change gives one field another value: a random one, or one that is near.
func change(t *rapid.T, s *core.Step) string {
	by := rapid.Custom(func(t *rapid.T) uint64 {
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			return 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		case 1:
			return rapid.Uint64Range(1, 8).Draw(t, "small")
		}
		return rapid.Uint64Range(1, 1<<64-1).Draw(t, "any")
	})
	mask := func(bits int) uint64 {
		return by.Filter(func(v uint64) bool { return v<<(64-bits) != 0 }).Draw(t, "change") & (1<<bits - 1)
	}
	name := rapid.SampledFrom([]string{"Wall", "Mono", "Extra", "ID", "Domain", "Seq", "A", "B", "Check", "Kind", "More", "Flags"}).Draw(t, "field")
	switch name {
	case "Wall":
		s.Wall ^= int64(mask(63))
	case "Mono":
		s.Mono ^= int64(mask(63))
	case "Extra":
		s.Extra ^= mask(63)
	case "ID":
		s.ID[rapid.IntRange(0, 15).Draw(t, "byte")] ^= byte(mask(8))
	case "Domain":
		s.Domain ^= uint32(mask(32))
	case "Seq":
		s.Seq ^= uint32(mask(32))
	case "A":
		s.A ^= uint32(mask(32))
	case "B":
		s.B ^= uint32(mask(32))
	case "Check":
		s.Check ^= uint32(mask(32))
	case "Kind":
		s.Kind ^= core.StepKind(mask(8))
	case "More":
		s.More ^= uint8(mask(8))
	case "Flags":
		s.Flags ^= core.StepFlags(mask(16))
	}
	return name
}

// TestOrderDoesNotMatter: steps of several functions may be interleaved in any
// way, and bases anywhere.
func TestOrderDoesNotMatter(t *testing.T) {
	rec := busyRecording(t)
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(rec.Steps), func(i, j int) { rec.Steps[i], rec.Steps[j] = rec.Steps[j], rec.Steps[i] })
	r.Shuffle(len(rec.Bases), func(i, j int) { rec.Bases[i], rec.Bases[j] = rec.Bases[j], rec.Bases[i] })
	identical(t, rec)
}

// TestNumbersWrap: the order of steps goes on behind the largest number.
func TestNumbersWrap(t *testing.T) {
	d := &domain{}
	for _, seq := range []uint32{1<<32 - 2, 0, 2, 1, 1<<32 - 1} { // 0 is a number like others here
		d.steps = append(d.steps, core.Step{Seq: seq})
	}
	d.bases = []*core.Base{{Seq: 1, Whole: true}, {Seq: 1<<32 - 1, Whole: true}}
	d.sort()
	for i, want := range []uint32{1<<32 - 2, 1<<32 - 1, 0, 1, 2} {
		if d.steps[i].Seq != want {
			t.Errorf("step %d has number %d, want %d", i, d.steps[i].Seq, want)
		}
	}
	if b, at := d.begin(0); b == nil || b.Seq != 1<<32-1 || at != 2 {
		t.Errorf("it begins with %+v at %d", b, at)
	}
}

// cut drops the first n records, as a ring does.
func cut(rec *recording.Recording, n int) *recording.Recording {
	out := *rec
	out.Steps, out.Header.Whole = rec.Steps[n:], false
	first := map[uint32]uint32{}
	for i := range out.Steps {
		s := &out.Steps[i]
		if _, ok := first[s.Domain]; !ok && s.Seq != 0 {
			first[s.Domain] = s.Seq
		}
	}
	out.Bases = slices.DeleteFunc(slices.Clone(rec.Bases), func(b *core.Base) bool {
		from, ok := first[b.Domain]
		return !ok || b.Seq < from // as those of a dump are
	})
	return &out
}

// TestRingBeginsAtItsOldestState: steps before it are counted, and not verified.
func TestRingBeginsAtItsOldestState(t *testing.T) {
	rec := cut(record(t, parse(t, `
name: ring
duration: 300s
functions: [{name: f, concurrency: 4, maxRetries: 1, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.1}}]
load: [{function: f, mode: invoke, arrivals: {process: poisson, rate: 50}}]
`)), 1000)
	r := replayed(t, rec, Options{})
	f := r.Functions[0]
	if r.Exit() != ExitIdentical || f.Before == 0 || f.Before > 6000 || f.Identical < 20_000 {
		t.Errorf("exit %d: %+v", r.Exit(), f)
	}
	if f.Before+f.Elsewhere+f.Identical != f.Steps {
		t.Errorf("the steps do not add up: %+v", f)
	}
}

// TestNoState: a function without a whole state cannot be replayed, and others
// can.
func TestNoState(t *testing.T) {
	rec := busyRecording(t)
	rec.Header.Whole = false
	number := uint32(0)
	rec.Bases = slices.DeleteFunc(rec.Bases, func(b *core.Base) bool {
		if b.Spec.Name == "pay" {
			number = b.Domain
			return true
		}
		return false
	})
	r := replayed(t, rec, Options{})
	if r.Exit() != ExitUnusable {
		t.Errorf("exit %d", r.Exit())
	}
	for _, f := range r.Functions {
		if of := f.Number == number; (f.Unusable != "") != of || (f.Identical == 0) != of {
			t.Errorf("%+v", f)
		}
	}
	var b bytes.Buffer
	if err := r.WriteText(&b, "x", Program{}); err != nil || !strings.Contains(b.String(), "no whole state") {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestFirstDifference: both records are shown in words, with the steps before.
func TestFirstDifference(t *testing.T) {
	rec := busyRecording(t)
	at := -1
	for i := range rec.Steps {
		if s := &rec.Steps[i]; i > 500 && s.Kind == core.StepAnswer {
			at = i
			break
		}
	}
	rec.Steps[at].B += 1 << 16 // one more was queued, it says
	r := replayed(t, rec, Options{Context: 40})
	if r.Exit() != ExitDiverged || r.Diverged() != 1 {
		t.Fatalf("exit %d, %d differ", r.Exit(), r.Diverged())
	}
	d := r.First()
	if len(d.Before) != 40 || d.Recorded[0] != rec.Steps[at] || len(d.Again) == 0 || d.Function.Behind == 0 {
		t.Errorf("%+v", d)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b, "x.rec", Program{Version: "2"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first difference at", "the 40 steps before", "answer", "<- differs", "queued", "another version", "status=", "one decision"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

// TestAllGoesOn: with All each difference is counted, from the next state on.
func TestAllGoesOn(t *testing.T) {
	sc := parse(t, `
name: long
duration: 300s
functions: [{name: f, concurrency: 4, behavior: {latency: {distribution: exponential, mean: 60ms}}}]
load: [{function: f, mode: invoke, arrivals: {process: poisson, rate: 50}}]
`)
	rec := record(t, sc)
	changed := 0
	for i, next := 0, 500; i < len(rec.Steps); i++ {
		if i >= next && rec.Steps[i].Kind == core.StepAccept {
			rec.Steps[i].A++
			changed, next = changed+1, i+9000
		}
	}
	first, all := replayed(t, rec, Options{}), replayed(t, rec, Options{All: true})
	if first.Diverged() != 1 || all.Diverged() != int64(changed) || changed < 3 {
		t.Errorf("%d differ and with All %d, of %d that were changed", first.Diverged(), all.Diverged(), changed)
	}
	if f := all.Functions[0]; f.Identical <= first.Functions[0].Identical || f.Identical+f.Behind+f.Diverged+f.Before+f.Elsewhere != f.Steps {
		t.Errorf("%+v", f)
	}
}

// TestUntil leaves out what came later, and Function everything else.
func TestUntil(t *testing.T) {
	rec := busyRecording(t)
	all := replayed(t, rec, Options{})
	part := replayed(t, rec, Options{Until: 2 * second, Function: "pay"})
	if len(part.Functions) != 1 || part.Functions[0].Name != "pay" || part.Exit() != ExitIdentical {
		t.Fatalf("%+v", part.Functions)
	}
	if a, b := all.Functions[0].Steps, part.Functions[0].Steps; b >= a || b == 0 {
		t.Errorf("%d steps of %d until 2s of 6s", b, a)
	}
	byNumber := replayed(t, rec, Options{Function: "#1"})
	if len(byNumber.Functions) != 1 || byNumber.Functions[0].Number != 1 {
		t.Errorf("%+v", byNumber.Functions)
	}
	for _, wrong := range []string{"nobody", "#77", "#x"} {
		if _, err := Run(rec, Options{Function: wrong}); err == nil {
			t.Errorf("no error for function %q", wrong)
		}
	}
}

// TestTimeline: a retried execution's phases follow each other without a gap.
func TestTimeline(t *testing.T) {
	rec := busyRecording(t)
	r := replayed(t, rec, Options{})
	var id core.ID
	for i := range rec.Steps {
		if e, ok := rec.Steps[i].Outcome().Event(); ok && e == core.EventRetried && rec.Steps[i].Mono > rec.Steps[0].Mono+int64(second) {
			id = rec.Steps[i].ID
			break
		}
	}
	tl, err := r.Timeline(rec, id)
	if err != nil {
		t.Fatal(err)
	}
	pausing := false
	for i, p := range tl.Phases {
		if i > 0 && p.From != tl.Phases[i-1].To {
			t.Errorf("phase %d begins at %v, the one before ends at %v", i, p.From, tl.Phases[i-1].To)
		}
		pausing = pausing || p.State == PhasePausing
	}
	if len(tl.Phases) < 3 || !pausing || len(tl.Lines) < 3 || tl.Function == "" {
		t.Errorf("%+v", tl)
	}
	if _, err := r.Timeline(rec, core.ID{1, 2, 3}); err == nil {
		t.Error("no error for an execution that is not there")
	}
}

// TestNothing: an empty recording is unusable and no panic.
func TestNothing(t *testing.T) {
	if r := replayed(t, &recording.Recording{}, Options{}); r.Exit() != ExitUnusable {
		t.Errorf("exit %d", r.Exit())
	}
}

// BenchmarkReplay is the time for a recorded step.
func BenchmarkReplay(b *testing.B) {
	rec := record(b, parse(b, `
name: speed
duration: 200s
functions: [{name: f, concurrency: 64, queueSize: 1000, copies: 4, maxRetries: 1, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.02}}]
load: [{function: f, mode: invoke, arrivals: {process: poisson, rate: 900}}]
core: {ttl: 5s, cleanupTtl: 4s, rateMaxPerSecond: 0}
`))
	b.ResetTimer()
	for range b.N {
		if r, err := Run(rec, Options{}); err != nil || r.Exit() != ExitIdentical {
			b.Fatal(err, r.Verdict())
		}
	}
	b.ReportMetric(float64(len(rec.Steps))*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
