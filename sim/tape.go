package sim

import (
	"fmt"
	"math"
	"strings"
	"time"

	"simplane/core"
	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// tape is the core.Recorder of every run: what a core has recorded it takes again,
// function by function and shard by shard of the keys, and compares. It does so
// while the run goes on, a few steps behind, so that no more than the last steps are
// kept however long the run is. That costs as much as all else in a run. So of a long
// run all of the first wholly steps are taken again, and later one in sparsely of the
// stretches from one of a function's bases to the next.
type tape struct {
	w       *witness
	also    core.Recorder // is told everything, too; nil = nobody is
	cfg     core.ReplayConfig
	few     []*track        // by domain, where that is a small number
	left    domainSet       // of those; nearly all steps of a long run are looked up here only
	rates   core.RateReplay // of this process
	domains map[uint32]*track
	inOrder []*track
	wholly  int64 // steps
	often   bool  // second replays begin in the middle of the work

	steps, unverified int64
}

const (
	wholly   = 500_000
	sparsely = 16
)

// In one run of someRuns, by its seed, a second replay of each function begins again and again in
// the middle of the work, where the recorded bases, which are of idle functions nearly all,
// never are.
const (
	someRuns  = 2
	lateSteps = 512 // of each; one in lateAfter of the steps without one begins one
	lateAfter = 32
	lateSize  = 64      // most executions that are queued or run then
	lateUntil = 100_000 // steps of the run
)

// A run with more than fewTracks takes the steps of each again in batches of
// batched: what a replay needs of memory is out of the caches after the steps of so
// many others, and is fetched once for a batch (10,000 functions: 8 % of a run). Of
// fewer tracks each step is taken again before the next one, where a report is most
// use.
const (
	fewTracks = 64
	batched   = 16
)

func newTape(w *witness, also core.Recorder, seed uint64) *tape {
	return &tape{w: w, also: also, wholly: wholly, often: random.Mix(seed)%someRuns == 0}
}

// track is what is recorded of one domain: a function, or a shard of keys.
type track struct {
	domain  uint32
	name    string
	replay  *core.Replay
	late    *core.Replay // begun later than replay, as a recording may that kept the last hour only; nil = none
	until   int          // records: so long late goes on
	keys    *core.KeyReplay
	chosen  bool        // its steps are taken again up to the next base, though the run is long
	due     []core.Step // steps that are to be taken again, with their further records; a base may still follow
	steps   int         // of due
	base    *core.Base  // the one that came with the last of them
	recent  []core.Step // in a circle
	records int
}

// leave stops taking a track's steps again, up to some base; false if there are too
// many tracks to be told of that.
func (t *tape) leave(tr *track) bool {
	if tr.domain >= uint32(len(t.few)) {
		return false
	}
	t.left.set(tr.domain, true)
	tr.chosen, tr.replay, tr.late, tr.due, tr.steps, tr.base, tr.recent = false, nil, nil, nil, 0, nil, nil
	return true
}

// chosen says whether a base begins a stretch that is taken again though the run is
// long.
func chosen(b *core.Base) bool {
	return b.Whole && random.Mix(uint64(b.Domain)<<32|uint64(b.Seq))%sparsely == 0
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
	if c := t.w.check; c != nil && s.Seq != 0 {
		c.stepped(&s)
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
	if t.left.has(s.Domain) {
		return
	}
	tr := t.of(s.Domain)
	if s.Kind != core.StepMore {
		leaves := t.steps >= t.wholly && !tr.chosen && tr.replay != nil
		if leaves || tr.base != nil || tr.steps == batched || len(t.inOrder) <= fewTracks {
			t.again(tr)
		}
		if leaves && t.leave(tr) {
			return
		}
		tr.steps++
	}
	tr.due = append(tr.due, s)
}

// Base implements core.Recorder.
func (t *tape) Base(b *core.Base) {
	if t.also != nil {
		t.also.Base(b)
	}
	if c := t.w.check; c != nil && b.Spec != nil {
		c.based(b)
	}
	tr := t.of(b.Domain)
	begins := chosen(b) || t.steps < t.wholly
	switch {
	case t.w.violation != nil:
		return
	case tr.replay != nil:
		tr.base = b
		if !b.Whole {
			return
		}
		if tr.chosen = chosen(b); !begins {
			t.again(tr)
			t.leave(tr)
		}
		return
	case !begins && t.leave(tr):
		return
	}
	if tr.chosen, tr.records = chosen(b), 0; t.left.has(tr.domain) {
		t.left.set(tr.domain, false)
	}
	tr.name, tr.replay = b.Spec.Name, t.from(b)
	tr.due, tr.steps = tr.due[:0], 0
}

// from is a replay that begins with a base.
func (t *tape) from(b *core.Base) *core.Replay {
	r, err := core.NewReplay(t.cfg, b)
	if err != nil {
		t.w.fail(divergence, "%s: %v", b.Spec.Name, err)
	}
	return r
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
		t.few = append(t.few, make([]*track, more)...)
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

// again takes a track's due steps again, and compares.
func (t *tape) again(tr *track) {
	due, base := tr.due, tr.base
	tr.due, tr.steps, tr.base = tr.due[:0], 0, nil
	for len(due) > 0 && t.w.violation == nil {
		n := 1
		for n < len(due) && due[n].Kind == core.StepMore {
			n++
		}
		step, with := due[:n], base
		if due = due[n:]; len(due) > 0 {
			with = nil
		}
		t.compare(tr, step, with)
		for i := range step {
			tr.note(&step[i])
		}
	}
}

// compare takes a step again, base being the one that came with it.
func (t *tape) compare(tr *track, step []core.Step, base *core.Base) {
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
	if tr.late != nil && agrees(v) {
		if late := tr.late.Next(step, base); !agrees(late) {
			v = late
		}
	}
	switch {
	case v.Result == core.ReplayUnverified:
		t.unverified++
	case !agrees(v):
		t.w.fail(divergence, "%s, step %d, %v: %v: %s\n%s", tr.name, step[0].Seq, step[0].Kind, v.Result, v.Why, tr.report(step, v.Again))
	}
	t.later(tr, &step[len(step)-1], base)
}

// agrees says that nothing speaks against a step.
func agrees(v core.Verdict) bool {
	return v.Result == core.ReplayIdentical || v.Result == core.ReplayUnverified
}

// later ends a track's late replay when its time is over, and begins another one: with a
// recorded base, or with the state of the first replay after a step.
func (t *tape) later(tr *track, last *core.Step, base *core.Base) {
	switch {
	case tr.replay == nil || t.w.violation != nil:
	case base != nil && base.Whole:
		if tr.late = nil; t.steps < t.wholly && chosen(base) {
			tr.late, tr.until = t.from(base), math.MaxInt
		}
	case tr.late != nil && tr.records >= tr.until:
		tr.late = nil
	case tr.late == nil && t.often && t.steps < lateUntil && last.Depth()+last.Running() <= lateSize &&
		random.Mix(uint64(tr.domain)<<32|uint64(last.Seq))%lateAfter == 0:
		tr.late, tr.until = t.from(tr.replay.Base()), tr.records+lateSteps
	}
}

// note keeps a record for reports.
func (tr *track) note(s *core.Step) {
	if len(tr.recent) < recentSteps {
		if tr.recent == nil {
			tr.recent = make([]core.Step, 0, recentSteps)
		}
		tr.recent = append(tr.recent, *s)
	} else {
		tr.recent[tr.records%recentSteps] = *s
	}
	tr.records++
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
