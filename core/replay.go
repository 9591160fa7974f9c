package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Replay takes the recorded steps of one function again, with the code that took
// them first, and compares each with its record. It is for one goroutine.
type Replay struct {
	core  *Core
	fn    *Function
	known knownTable
	// gaps says that there were steps before the first Base: then there are
	// executions that the replay does not know.
	gaps     bool
	deletion *Deletion
	journal  replayJournal
	specFail bool
	inputs   zeros
	outputs  zeros
	again    records
	records  slab[execution]
	expiry   expiry // of one step, reused for the next
}

// Verdict is how a step that was taken again compares with its record.
type Verdict struct {
	Result ReplayResult
	// Again are the records of the step as it was taken now.
	Again []Step
	// Why says what is wrong of a step that has not been found identical.
	Why string
}

// ReplayResult is the kind of a Verdict.
type ReplayResult uint8

// Results. An unverified step is about an execution that had ended before the
// replay begins: it changes nothing that is known. A diverged one was decided in
// another way. After an unusable one, which is no record of this place, and after
// a diverged one the replay cannot go on.
const (
	ReplayIdentical ReplayResult = iota
	ReplayUnverified
	ReplayDiverged
	ReplayUnusable
)

func (r ReplayResult) String() string {
	switch r {
	case ReplayIdentical:
		return "identical"
	case ReplayUnverified:
		return "unverified"
	case ReplayDiverged:
		return "diverged"
	}
	return "unusable"
}

// NewReplay begins with a whole Base of the function. The error says what is
// wrong with the configuration or the Base.
func NewReplay(cfg ReplayConfig, from *Base) (*Replay, error) {
	if !from.Whole || from.Spec == nil {
		return nil, errors.New("replay: it must begin with a whole base")
	}
	r := &Replay{}
	full := Config{
		TTL: cfg.TTL, CleanupTTL: cfg.CleanupTTL, StaleTTL: cfg.StaleTTL, SchedulerOff: cfg.SchedulerOff, PassOverLate: cfg.PassOverLate,
		AutoscaleInterval: cfg.AutoscaleInterval, ScaleUpCooldown: cfg.ScaleUpCooldown, ScaleDownCooldown: cfg.ScaleDownCooldown,
		ScaleDownWindow: cfg.ScaleDownWindow, ScaleToZeroGrace: cfg.ScaleToZeroGrace,
		Shards: 1, MaxDeadLetters: -1, Recorder: &r.again,
	}
	if cfg.Journal {
		full.Journal, full.Specs = &r.journal, (*replayCodec)(r)
	}
	if cfg.Scaler {
		full.Scaler = noScaler{}
	}
	c, err := New(full, noClock{}, nil, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("replay: its configuration: %w", err)
	}
	c.replays, c.store.detached = true, true
	r.core = c
	if err := r.begin(from); err != nil {
		return nil, fmt.Errorf("replay: the base at %d: %w", from.Seq, err)
	}
	return r, nil
}

// Next takes a step again: recorded is its record, with its further ones. base is
// the Base recorded with the last of them, nil for none.
func (r *Replay) Next(recorded []Step, base *Base) Verdict {
	if why := r.place(recorded); why != "" {
		return Verdict{Result: ReplayUnusable, Why: why}
	}
	if recorded[0].Kind == StepRestore {
		return r.restore(recorded, base)
	}
	var in input
	switch known, err := r.input(&in, recorded, base); {
	case err != nil:
		return Verdict{Result: ReplayUnusable, Why: err.Error()}
	case !known:
		return r.pass(recorded, &in)
	}
	r.again = r.again[:0]
	var fx effects
	r.fn.step(&in, &fx)
	r.learn(&in, &fx)
	v := compared(recorded, r.again)
	if v.Result == ReplayIdentical && base != nil && base.Whole {
		if v.Why = r.differs(base); v.Why != "" {
			v.Result = ReplayDiverged
		}
	}
	return v
}

// Base is the function's state after the last step, as a recording has it: a replay that
// begins with it goes on as this one does.
func (r *Replay) Base() *Base { return r.fn.base(Instant{}, true) }

// place says what is wrong with the records as the next ones; "" = nothing.
func (r *Replay) place(recorded []Step) string {
	switch {
	case len(recorded) == 0:
		return "no record"
	case recorded[0].Kind >= StepRefuse:
		return fmt.Sprintf("record %d is no step but %v", recorded[0].Seq, recorded[0].Kind)
	case int(recorded[0].More) != len(recorded)-1:
		return fmt.Sprintf("step %d has %d further records instead of %d", recorded[0].Seq, len(recorded)-1, recorded[0].More)
	}
	for i := range recorded {
		s := &recorded[i]
		switch {
		case s.Domain != r.fn.domain:
			return fmt.Sprintf("record %d is of function %d instead of %d", s.Seq, s.Domain, r.fn.domain)
		case s.Seq != r.fn.recorded+1+uint32(i):
			return fmt.Sprintf("record %d comes where %d is to come", s.Seq, r.fn.recorded+1+uint32(i))
		case i > 0 && s.Kind != StepMore:
			return fmt.Sprintf("record %d is %v instead of more of step %d", s.Seq, s.Kind, recorded[0].Seq)
		}
	}
	return ""
}

// pass goes on behind a step of an execution that is not known. It cannot have
// changed what the function has in its queue and its slots.
func (r *Replay) pass(recorded []Step, in *input) Verdict {
	s := &recorded[0]
	if len(in.due()) > 0 { // some of them are known
		var fx effects
		r.again = r.again[:0]
		r.fn.step(in, &fx)
		r.learn(in, &fx)
	}
	r.follow(recorded)
	late := slices.Contains([]StepOutcome{OutcomeRefused, outcomeOf(EventDuplicateResult), outcomeOf(EventLateResult)}, s.Outcome())
	switch {
	case s.B != r.fn.load():
		return Verdict{Result: ReplayDiverged, Why: fmt.Sprintf("an execution that is not there has changed queue or slots to %d and %d", s.Depth(), s.Running())}
	case !r.gaps && !late && !slices.Contains([]StepKind{StepForget, StepRelieve, StepExpire, StepDurable}, s.Kind): // they may come after its eviction
		return Verdict{Result: ReplayDiverged, Why: fmt.Sprintf("there is no execution %v", s.ID)}
	}
	return Verdict{Result: ReplayUnverified, Why: "it is about an execution from before the base"}
}

// follow takes the records as they are.
func (r *Replay) follow(recorded []Step) {
	last := &recorded[len(recorded)-1]
	r.fn.recorded, r.fn.check = last.Seq, last.Check
}

// restore takes over what a restart has brought back.
func (r *Replay) restore(recorded []Step, base *Base) Verdict {
	if base == nil || !base.Whole {
		return Verdict{Result: ReplayUnusable, Why: "there is no base with what came back"}
	}
	if err := r.begin(base); err != nil {
		return Verdict{Result: ReplayUnusable, Why: err.Error()}
	}
	return Verdict{Result: ReplayUnverified, Why: "executions of an earlier process come back"}
}

// learn notes executions that the step has added or removed.
func (r *Replay) learn(in *input, fx *effects) {
	switch {
	case in.kind == StepAccept && fx.why == nil:
		r.known.add(in.ex)
	case in.kind == StepExpire:
		for _, ex := range in.expiry.evicted {
			if ex.answered || ex.startedMono < 0 { // else its attempt may still answer
				r.known.remove(ex.id)
			}
		}
	}
}

// differs says in what the function's state is not that of a Base; "" = in
// nothing.
func (r *Replay) differs(recorded *Base) string {
	is, was := *r.fn.base(Instant{Wall: recorded.Wall, Mono: recorded.Mono}, true), *recorded
	spec := *was.Spec
	spec.Data, spec.LSN, spec.NoInstances = nil, is.Spec.LSN, is.Spec.NoInstances
	was.Spec = &spec
	placed := was.hasPlaces()
	for _, b := range []*Base{&is, &was} {
		b.Live = append([]BaseExecution(nil), b.Live...)
		for i := range b.Live {
			if !placed {
				b.Live[i].Heap = 0
			}
			b.Live[i].LSNs = nil // a replay knows the last one of each step only
		}
		if b.Autoscale != nil {
			a := *b.Autoscale
			a.Reports, a.Arrivals, a.Asked = append([]BaseReport(nil), a.Reports...), append([][2]int64(nil), a.Arrivals...), append([][2]int64(nil), a.Asked...)
			b.Autoscale = &a
		}
	}
	v, w := reflect.ValueOf(is), reflect.ValueOf(was)
	for i := range v.NumField() {
		if !reflect.DeepEqual(v.Field(i).Interface(), w.Field(i).Interface()) {
			return fmt.Sprintf("the state after record %d differs in %s", recorded.Seq, v.Type().Field(i).Name)
		}
	}
	return ""
}

// compared says how records compare with those of the step taken again.
func compared(recorded, again []Step) Verdict {
	if slices.Equal(recorded, again) {
		return Verdict{Result: ReplayIdentical, Again: again}
	}
	return Verdict{Result: ReplayDiverged, Again: again, Why: differences(recorded, again)}
}

// differences names the fields in which the first differing record differs.
func differences(recorded, again []Step) string {
	for i := range min(len(recorded), len(again)) {
		v, w := reflect.ValueOf(recorded[i]), reflect.ValueOf(again[i])
		for f := range v.NumField() {
			if name := v.Type().Field(f).Name; !v.Field(f).Equal(w.Field(f)) {
				return fmt.Sprintf("record %d was %s %v, and is %v now", recorded[i].Seq, name, v.Field(f), w.Field(f))
			}
		}
	}
	return fmt.Sprintf("step %d had %d records, and has %d now", recorded[0].Seq, len(recorded), len(again))
}
