package flight

import (
	"testing"

	"simplane/core"
)

// TestDumpsEndWithWholeSteps: a dump comes between two records of one step, or
// before the base that goes with it.
func TestDumpsEndWithWholeSteps(t *testing.T) {
	more := core.Step{Kind: core.StepMore}
	update := core.Step{Kind: core.StepUpdate, Flags: core.StepFlags(core.EventReconfigured+1) << 11}
	if !update.NeedsBase() {
		t.Fatal("an update needs no base")
	}
	for name, tt := range map[string]struct {
		last  []core.Step
		base  bool
		wants int // of last
	}{
		"all of them":     {last: []core.Step{{Kind: core.StepExpire, More: 2}, more, more}, wants: 3},
		"one is missing":  {last: []core.Step{{Kind: core.StepExpire, More: 2}, more}},
		"all are missing": {last: []core.Step{{Kind: core.StepExpire, More: 2}}},
		"no base":         {last: []core.Step{update}},
		"with a base":     {last: []core.Step{update}, base: true, wants: 1},
	} {
		r := New(smallest(t))
		l := tell(r)
		l.base(1, true)
		l.steps(1, 3)
		l.steps(9, 2) // another function of the ring
		for _, s := range tt.last {
			l.seqs[1]++
			s.Domain, s.Seq = 1, l.seqs[1]
			r.Step(s)
		}
		l.steps(9, 1)
		if tt.base {
			l.base(1, false)
		}
		if n := inOrder(t, dumped(t, r).Steps); n[1] != 3+tt.wants || n[9] != 3 {
			t.Errorf("%s: %v", name, n)
		}
	}
}
