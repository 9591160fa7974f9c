package sim

import (
	"fmt"
	"strings"
	"time"

	"simplane/core"
)

// tape is the core.Recorder of every run: what a core has recorded it takes again,
// function by function and shard by shard of the keys, and compares. It does so
// while the run goes on, a step behind, so that no more than the last steps are kept
// however long the run is.
type tape struct {
	w       *witness
	also    core.Recorder // is told everything, too; nil = nobody is
	cfg     core.ReplayConfig
	domains map[uint32]*track
	inOrder []*track

	steps, unverified int64
}

// track is what is recorded of one domain: a function, or a shard of keys.
type track struct {
	domain  uint32
	name    string
	replay  *core.Replay
	keys    *core.KeyReplay
	step    []core.Step // the latest one, which a base may still follow
	base    *core.Base  // the one that came with it
	recent  [recentSteps]core.Step
	records int
}

// recentSteps are the records that a report of a divergence shows.
const recentSteps = 24

// restart is called before a process begins. What the one before has recorded is
// taken again, and forgotten.
func (t *tape) restart() {
	t.end()
	t.domains, t.inOrder = map[uint32]*track{}, nil
}

// begin says how the core is configured that records.
func (t *tape) begin(c *core.Core) {
	cfg := c.Config()
	t.cfg = cfg.ForReplay()
}

// Step implements core.Recorder.
func (t *tape) Step(s core.Step) {
	if t.also != nil {
		t.also.Step(s)
	}
	if t.w.violation != nil {
		return
	}
	if s.Seq == 0 {
		if !s.Holds() {
			is, bound := s.Compared()
			t.w.fail(divergence, "a refusal says %s, and compares %d with %d", s.Reason(), is, bound)
		}
		return
	}
	tr := t.of(s.Domain)
	if s.Kind != core.StepMore {
		t.again(tr)
	}
	tr.step = append(tr.step, s)
	tr.recent[tr.records%recentSteps] = s
	tr.records++
}

// Base implements core.Recorder.
func (t *tape) Base(b *core.Base) {
	if t.also != nil {
		t.also.Base(b)
	}
	tr := t.of(b.Domain)
	if tr.replay != nil || t.w.violation != nil {
		tr.base = b
		return
	}
	tr.name = b.Spec.Name
	var err error
	if tr.replay, err = core.NewReplay(t.cfg, b); err != nil {
		t.w.fail(divergence, "%s: %v", tr.name, err)
	}
	tr.step = tr.step[:0]
}

// Broken implements core.Alarm.
func (t *tape) Broken(fn *core.Function, why string) {
	if a, ok := t.also.(core.Alarm); ok {
		a.Broken(fn, why)
	}
	t.w.fail("no function contradicts itself", "%s: %s", fn.Name(), why)
}

func (t *tape) of(domain uint32) *track {
	tr := t.domains[domain]
	if tr != nil {
		return tr
	}
	tr = &track{domain: domain}
	if shard, ok := core.KeyDomain(domain); ok {
		tr.name = fmt.Sprintf("shard %d of the keys", shard)
		var err error
		if tr.keys, err = core.NewKeyReplay(t.cfg, domain); err != nil {
			t.w.fail(divergence, "%s: %v", tr.name, err)
		}
	}
	t.domains[domain] = tr
	t.inOrder = append(t.inOrder, tr)
	return tr
}

// end takes what has been recorded last again. Nothing more is recorded. No tape
// has nothing.
func (t *tape) end() {
	if t == nil {
		return
	}
	for _, tr := range t.inOrder {
		t.again(tr)
	}
}

const divergence = "recorded steps are decided in the same way again"

// again takes a track's latest step again, and compares.
func (t *tape) again(tr *track) {
	if len(tr.step) == 0 || t.w.violation != nil {
		return
	}
	step, base := tr.step, tr.base
	tr.step, tr.base = tr.step[:0], nil
	var v core.Verdict
	switch {
	case tr.keys != nil:
		v = tr.keys.Next(&step[0])
	case tr.replay != nil:
		v = tr.replay.Next(step, base)
	default:
		v = core.Verdict{Result: core.ReplayUnusable, Why: "there is no base to begin with"}
	}
	t.steps++
	switch v.Result {
	case core.ReplayIdentical:
	case core.ReplayUnverified:
		t.unverified++
	default:
		t.w.fail(divergence, "%s, step %d, %v: %v: %s\n%s", tr.name, step[0].Seq, step[0].Kind, v.Result, v.Why, tr.report(step, v.Again))
	}
}

// report lists the records up to a step, and what that is now.
func (tr *track) report(step, again []core.Step) string {
	var b strings.Builder
	b.WriteString("the records before it:\n")
	for i := max(0, tr.records-recentSteps); i < tr.records; i++ {
		if s := &tr.recent[i%recentSteps]; s.Seq < step[0].Seq {
			writeStep(&b, s)
		}
	}
	b.WriteString("as it was recorded:\n")
	for i := range step {
		writeStep(&b, &step[i])
	}
	if len(again) > 0 {
		b.WriteString("as it is now:\n")
		for i := range again {
			writeStep(&b, &again[i])
		}
	}
	return b.String()
}

func writeStep(b *strings.Builder, s *core.Step) {
	fmt.Fprintf(b, "  %d %v at %v: %v", s.Seq, s.Kind, time.Duration(s.Mono), s.Outcome())
	if s.ID != (core.ID{}) {
		fmt.Fprintf(b, " %v", s.ID)
	}
	fmt.Fprintf(b, ", queued %d, running %d, a %d, extra %#x, flags %#x, check %08x\n", s.Depth(), s.Running(), s.A, s.Extra, uint16(s.Flags), s.Check)
}
