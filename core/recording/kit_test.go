package recording

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"

	"simplane/core"
)

// anyStep has any bits.
func anyStep(t *rapid.T) core.Step {
	word := rapid.Uint64()
	s := core.Step{
		Wall: int64(word.Draw(t, "wall")), Mono: int64(word.Draw(t, "mono")), Extra: word.Draw(t, "extra"),
		Domain: rapid.Uint32().Draw(t, "domain"), Seq: rapid.Uint32().Draw(t, "seq"), A: rapid.Uint32().Draw(t, "a"),
		B: rapid.Uint32().Draw(t, "b"), Check: rapid.Uint32().Draw(t, "check"),
		Kind: core.StepKind(rapid.Byte().Draw(t, "kind")), More: rapid.Byte().Draw(t, "more"),
		Flags: core.StepFlags(rapid.Uint16().Draw(t, "flags")),
	}
	if rapid.Bool().Draw(t, "has id") {
		s.ID[0], s.ID[15] = rapid.Byte().Draw(t, "id"), rapid.Byte().Draw(t, "id")
	}
	return s
}

// callSteps are the steps of n executions of some functions, as calls make them:
// accepted, for a part of them a turn in the queue, and the answer.
func callSteps(seed uint64, functions, n int) []core.Step {
	r := rand.New(rand.NewPCG(seed, 1))
	var steps []core.Step
	var open []core.Step
	seqs := make([]uint32, functions+1)
	wall, depth := int64(1_700_000_000_000_000_000), 0
	begin := wall
	add := func(s core.Step) {
		wall += 1 + int64(r.ExpFloat64()*25_000)
		seqs[s.Domain]++
		s.Wall, s.Mono, s.Seq, s.Check = wall, wall-begin, seqs[s.Domain], r.Uint32()
		s.B = uint32(depth)<<16 | uint32(len(open))
		steps = append(steps, s)
	}
	end := func() {
		i := r.IntN(len(open))
		s := open[i]
		open = append(open[:i], open[i+1:]...)
		s.Kind, s.A, s.Extra = core.StepAnswer, uint32(20+r.IntN(20)), uint64(r.ExpFloat64()*1e6)
		s.Flags = core.StepFlags(1+core.EventEnded)<<11 | 2
		add(s)
	}
	for range n {
		s := core.Step{Domain: uint32(1 + r.IntN(functions)), Kind: core.StepAccept, A: 64, Extra: 30_000,
			Flags: core.FlagSync | core.FlagWaiter | core.StepFlags(1+core.EventAccepted)<<11}
		for i := range s.ID {
			s.ID[i] = byte(r.Uint32())
		}
		s.ID[6], s.ID[8], s.ID[9], s.ID[10] = 0x40, 0x80, 0, 0
		open = append(open, s)
		add(s)
		if r.IntN(4) == 0 {
			depth = r.IntN(5)
			s.Kind, s.A, s.Extra, s.Flags = core.StepTick, 1, 0, core.StepFlags(1+core.EventDispatched)<<11
			add(s)
		}
		for len(open) > 8 {
			end()
		}
	}
	for len(open) > 0 {
		end()
	}
	return steps
}

// someBase is the state of a function with n executions that are queued.
func someBase(domain, seq uint32, n int) *core.Base {
	b := &core.Base{Domain: domain, Seq: seq, Check: domain * seq, Wall: 1_700_000_000_000_000_000 + int64(seq), Mono: int64(seq), Whole: true,
		Spec: &core.Spec{Name: "secret-name", Concurrency: 4, QueueSize: 100, TimeoutMillis: 30_000, Generation: 3,
			ScalingConfig: &core.ScalingConfig{Strategy: "INTERNAL", MinReplicas: 1, MaxReplicas: 4,
				Metrics: []core.ScalingMetric{{Type: "prometheus", Target: 2.5, Name: "secret-metric"}, {Type: "rps", Target: 10}}}},
		Service: [3]int64{10, 20, 30}}
	b.Autoscale = &core.BaseAutoscale{Config: *b.Spec.ScalingConfig, Arrived: 1 << 63, Reports: []core.BaseReport{{Value: 0.1, At: 5}}, Asked: [][2]int64{{1, 2}}}
	for i := range n {
		id := core.ID{byte(i), byte(i >> 8), 3}
		b.Live = append(b.Live, core.BaseExecution{ID: id, Attempt: 1, Deadline: 77, Timeout: 30, Input: 1, Metadata: 2, Other: 3,
			Waiters: "wl", Failed: 2, LSNs: []core.LSN{4, 5}, Sync: true, Held: i%2 == 0})
		b.Queue = append(b.Queue, id)
	}
	return b
}

func header() Header {
	return Header{Version: "1.2.3", Commit: "abc", Platform: "linux/amd64", Made: 1_700_000_000_000_000_000, Why: "test", Names: true}
}

// written is a recording of what add adds.
func written(t testing.TB, h Header, add func(*Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	if err != nil {
		t.Fatal(err)
	}
	add(w)
	if err := w.Close(""); err != nil {
		t.Fatal(err)
	}
	if w.Written() != int64(b.Len()) {
		t.Errorf("Written says %d; there are %d bytes", w.Written(), b.Len())
	}
	return b.Bytes()
}

// version1 is what small made when the format was new.
func version1(t testing.TB) []byte {
	t.Helper()
	file, err := os.ReadFile("testdata/version1.rec")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// small is a recording with a block of each kind.
func small(t testing.TB) []byte {
	return written(t, header(), func(w *Writer) {
		for _, err := range []error{w.Base(someBase(1, 1, 1)), w.Steps(callSteps(1, 2, 10)), w.Flush(), w.Steps(callSteps(2, 1, 3))} {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
