package sim

import (
	"fmt"
	"strings"
	"time"

	"simplane/core"
	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// tape is the core.Recorder of every run: what a core has recorded it takes again,
// function by function and shard by shard of the keys, and compares. It does so
// while the run goes on, a step behind, so that no more than the last steps are kept
// however long the run is. That costs as much as all else in a run. So of a long run
// all of the first wholly steps are taken again, and later one in sparsely of the
// stretches from one of a function's bases to the next.
type tape struct {
	w       *witness
	also    core.Recorder // is told everything, too; nil = nobody is
	cfg     core.ReplayConfig
	few     []*track        // by domain, where that is a small number
	left    []bool          // of those; nearly all steps of a long run are looked up here only
	rates   core.RateReplay // of this process
	domains map[uint32]*track
	inOrder []*track
	wholly  int64 // steps

	steps, unverified int64
}

const (
	wholly   = 500_000
	sparsely = 16
)

func newTape(w *witness, also core.Recorder) *tape { return &tape{w: w, also: also, wholly: wholly} }

// track is what is recorded of one domain: a function, or a shard of keys.
type track struct {
	domain  uint32
	name    string
	replay  *core.Replay
	keys    *core.KeyReplay
	chosen  bool        // its steps are taken again up to the next base, though the run is long
	step    []core.Step // the latest one, which a base may still follow
	base    *core.Base  // the one that came with it
	recent  []core.Step // in a circle
	records int
}

// leave stops taking a track's steps again, up to some base; false if there are too
// many tracks to be told of that.
func (t *tape) leave(tr *track) bool {
	if tr.domain >= uint32(len(t.left)) {
		return false
	}
	t.left[tr.domain] = true
	tr.chosen, tr.replay, tr.step, tr.base, tr.recent = false, nil, nil, nil, nil
	return true
}

// choose says whether a base begins a stretch that is taken again.
func (t *tape) choose(b *core.Base) bool {
	return t.steps < t.wholly || b.Whole && random.Mix(uint64(b.Domain)<<32|uint64(b.Seq))%sparsely == 0
}

// recentSteps are the records that a report of a divergence shows.
const recentSteps = 24

// restart is called before a process begins. What the one before has recorded is
// taken again, and forgotten.
func (t *tape) restart() {
	t.end()
	t.rates = core.RateReplay{}
	t.domains, t.few, t.left, t.inOrder = map[uint32]*track{}, nil, nil, nil
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
	if err := t.rates.Next(&s); err != nil {
		t.w.fail("rate window", "%v", err)
	}
	if s.Seq == 0 {
		if !s.Holds() {
			is, bound := s.Compared()
			t.w.fail(divergence, "a refusal says %s, and compares %d with %d", s.Reason(), is, bound)
		}
		return
	}
	if s.Domain < uint32(len(t.left)) && t.left[s.Domain] {
		return
	}
	tr := t.of(s.Domain)
	if s.Kind != core.StepMore {
		t.again(tr)
		if t.steps >= t.wholly && !tr.chosen && tr.replay != nil && t.leave(tr) {
			return
		}
	}
	tr.step = append(tr.step, s)
	if len(tr.recent) < recentSteps {
		tr.recent = append(tr.recent, s)
	} else {
		tr.recent[tr.records%recentSteps] = s
	}
	tr.records++
}

// Base implements core.Recorder.
func (t *tape) Base(b *core.Base) {
	if t.also != nil {
		t.also.Base(b)
	}
	tr := t.of(b.Domain)
	chosen := t.choose(b)
	switch {
	case t.w.violation != nil:
		return
	case tr.replay != nil:
		tr.base = b
		if b.Whole && t.steps >= t.wholly {
			t.again(tr)
			if tr.chosen = chosen; !chosen {
				t.leave(tr)
			}
		}
		return
	case !chosen && t.leave(tr):
		return
	}
	if tr.chosen, tr.records = true, 0; tr.domain < uint32(len(t.left)) {
		t.left[tr.domain] = false
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
	if domain < uint32(len(t.few)) && t.few[domain] != nil {
		return t.few[domain]
	}
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
	if domain < scenario.MaxFunctions { // they are numbered
		more := max(0, int(domain)+1-len(t.few))
		t.few, t.left = append(t.few, make([]*track, more)...), append(t.left, make([]bool, more)...)
		t.few[domain] = tr
	} else {
		t.domains[domain] = tr
	}
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
