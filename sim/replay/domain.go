package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

// domain is one registration's part of a recording.
type domain struct {
	Function
	steps   []core.Step // in their order
	bases   []*core.Base
	refused []core.Step
	damaged string // what no replay would notice
}

// sorted groups what was recorded by function, each in the order of its steps,
// and notes in the report when it began and how long it is.
func sorted(rec *recording.Recording, r *Report) []*domain {
	byNumber := map[uint32]*domain{}
	of := func(n uint32) *domain {
		d := byNumber[n]
		if d == nil {
			d = &domain{Function: Function{Number: n}}
			byNumber[n] = d
		}
		return d
	}
	counts := map[uint32]int{}
	for i := range rec.Steps {
		counts[rec.Steps[i].Domain]++
	}
	var end int64
	for i := range rec.Steps {
		s := &rec.Steps[i]
		if s.Kind != core.StepMore && s.Kind != core.StepKey { // those have other things in place of the times
			if r.Begin == (core.Instant{}) || s.Mono < r.Begin.Mono {
				r.Begin = core.Instant{Wall: s.Wall, Mono: s.Mono}
			}
			end = max(end, s.Mono)
		}
		d := of(s.Domain)
		switch {
		case s.Seq != 0 && s.Kind != core.StepRefuse:
			if d.steps == nil {
				d.steps = make([]core.Step, 0, counts[s.Domain])
			}
			d.steps = append(d.steps, *s)
		case s.Seq == 0 && s.Kind == core.StepRefuse:
			d.refused = append(d.refused, *s)
		default:
			d.damaged = fmt.Sprintf("a record of kind %v has the number %d", s.Kind, s.Seq)
		}
	}
	r.Length = time.Duration(end - r.Begin.Mono)
	for _, b := range rec.Bases {
		d := of(b.Domain)
		d.bases = append(d.bases, b)
		if b.Spec != nil && d.Name == "" {
			d.Name = b.Spec.Name
		}
	}
	all := make([]*domain, 0, len(byNumber))
	for _, d := range byNumber {
		d.sort()
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *domain) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// sort puts steps and bases in their order. The numbers wrap, and a recording has
// far fewer steps than there are numbers.
func (d *domain) sort() {
	if len(d.steps) > 0 {
		first := d.steps[0].Seq
		after := func(s uint32) int32 { return int32(s - first) }
		inOrder := true
		for i := 1; i < len(d.steps) && inOrder; i++ {
			inOrder = after(d.steps[i-1].Seq) < after(d.steps[i].Seq)
		}
		if !inOrder {
			slices.SortStableFunc(d.steps, func(a, b core.Step) int { return cmp.Compare(after(a.Seq), after(b.Seq)) })
		}
		slices.SortStableFunc(d.bases, func(a, b *core.Base) int { return cmp.Compare(after(a.Seq), after(b.Seq)) })
	}
}

// only are the registrations of a function.
func only(all []*domain, function string) []*domain {
	number, byNumber := strings.CutPrefix(function, "#")
	return slices.DeleteFunc(all, func(d *domain) bool {
		if byNumber {
			n, err := strconv.ParseUint(number, 10, 32)
			return err != nil || d.Number != uint32(n)
		}
		return d.Name != function
	})
}

// after is the place in the steps behind a base; -1 when what follows it is not
// there.
func (d *domain) after(b *core.Base) int {
	if len(d.steps) == 0 {
		return -1
	}
	switch at := int(int32(b.Seq + 1 - d.steps[0].Seq)); {
	case at >= 0 && at < len(d.steps) && d.steps[at].Seq == b.Seq+1:
		return at
	case at == len(d.steps) && d.steps[at-1].Seq == b.Seq:
		return at
	}
	// Numbers are missing, or there twice.
	return slices.IndexFunc(d.steps, func(s core.Step) bool { return s.Seq == b.Seq+1 })
}

// begin is the oldest whole base, not before a place, and the place behind it.
func (d *domain) begin(from int) (*core.Base, int) {
	for _, b := range d.bases {
		if b.Whole {
			if at := d.after(b); at >= from {
				return b, at
			}
		}
	}
	return nil, len(d.steps)
}

// cut leaves out the steps from a time on, in ns since the recording's first.
func (d *domain) cut(r *Report, until int64) {
	for i := range d.steps {
		if until > 0 && d.steps[i].Kind != core.StepMore && r.at(&d.steps[i]) >= until {
			d.steps = d.steps[:i]
			return
		}
	}
}

// stepsIn counts steps without their further records.
func stepsIn(records []core.Step) (n int64) {
	for i := range records {
		if records[i].Kind != core.StepMore {
			n++
		}
	}
	return n
}

// replay takes the steps again. A function of which no whole state is recorded
// cannot be replayed.
func (d *domain) replay(rec *recording.Recording, opts Options, r *Report) {
	d.cut(r, int64(opts.Until))
	d.Steps = stepsIn(d.steps)
	if d.Unusable = d.damaged; d.Unusable != "" || d.Steps == 0 {
		return
	}
	if _, keys := core.KeyDomain(d.Number); keys {
		d.replayKeys(rec, opts.Context)
		return
	}
	base, at := d.begin(0)
	switch {
	case base == nil:
		d.Before = d.Steps
		d.Unusable = "no whole state of it is recorded from which its steps could be taken again"
		return
	case rec.Header.Whole && at > 0:
		d.Unusable = fmt.Sprintf("record %d comes before its first state, in a recording that begins with that", d.steps[0].Seq)
		return
	}
	d.Before = stepsIn(d.steps[:at])
	states := map[uint32]*core.Base{}
	for _, b := range d.bases {
		if old := states[b.Seq]; old == nil || !old.Whole {
			states[b.Seq] = b
		}
	}
	for base != nil {
		again, err := core.NewReplay(rec.Header.Config, base)
		if err != nil {
			d.Unusable = err.Error()
			break
		}
		if at = d.run(again, states, at, r.Truncated, opts.Context); at == len(d.steps) || !opts.All {
			break
		}
		base, at = d.begin(at)
	}
	d.Behind = d.Steps - d.Before - d.Identical - d.Elsewhere - d.Diverged
}

// run takes steps from a place on, up to the first that differs, and returns the
// place behind that.
func (d *domain) run(again *core.Replay, states map[uint32]*core.Base, at int, truncated bool, context int) int {
	for at < len(d.steps) {
		end := at + 1 + int(d.steps[at].More)
		if end > len(d.steps) {
			if !truncated {
				d.unusable(fmt.Sprintf("record %d has %d further records, and %d are there", d.steps[at].Seq, d.steps[at].More, len(d.steps)-at-1))
			}
			return len(d.steps)
		}
		recorded := d.steps[at:end:end]
		switch v := again.Next(recorded, states[recorded[len(recorded)-1].Seq]); v.Result {
		case core.ReplayIdentical:
			d.Identical++
		case core.ReplayUnverified:
			d.Elsewhere++
		case core.ReplayDiverged:
			d.differs(recorded, v, at, context)
			return end
		default:
			d.unusable(v.Why)
			return end
		}
		at = end
	}
	return at
}

// replayKeys takes the decisions of a shard of idempotency keys again. They have
// no state to begin with: what does not begin with the first cannot be verified.
func (d *domain) replayKeys(rec *recording.Recording, context int) {
	again, err := core.NewKeyReplay(rec.Header.Config, d.Number)
	if err != nil {
		d.Unusable = err.Error()
		return
	}
	if rec.Header.Whole && d.steps[0].Seq != 1 {
		d.Unusable = fmt.Sprintf("record %d comes first, in a recording that begins with the first", d.steps[0].Seq)
		return
	}
	for at := range d.steps {
		switch v := again.Next(&d.steps[at]); v.Result {
		case core.ReplayIdentical:
			d.Identical++
		case core.ReplayUnverified:
			d.Before++
		case core.ReplayDiverged:
			d.differs(d.steps[at:at+1], v, at, context)
		default:
			d.unusable(v.Why)
		}
		if d.Diverged > 0 || d.Unusable != "" {
			break
		}
	}
	d.Behind = d.Steps - d.Before - d.Identical - d.Diverged
}

// differs notes a decision that comes out differently.
func (d *domain) differs(recorded []core.Step, v core.Verdict, at, context int) {
	if d.Diverged++; d.First == nil {
		d.First = &Divergence{Function: &d.Function, Why: v.Why, Recorded: slices.Clone(recorded), Again: slices.Clone(v.Again), Before: d.before(at, context)}
		d.names = d.number(at + len(recorded))
	}
}

func (d *domain) unusable(why string) {
	if d.Unusable == "" {
		d.Unusable = why
	}
}

// before are the last n steps before a place.
func (d *domain) before(at, n int) (steps []core.Step) {
	for at--; at >= 0 && len(steps) < n; at-- {
		if d.steps[at].Kind != core.StepMore {
			steps = append(steps, d.steps[at])
		}
	}
	slices.Reverse(steps)
	return steps
}
