package core

import (
	"fmt"
	"math"
	"time"
)

// input makes a step's input of its records; known is false for a step about an
// execution that the replay does not know.
func (r *Replay) input(in *input, recorded []Step, base *Base) (known bool, err error) {
	s := &recorded[0]
	in.kind, in.now = s.Kind, Instant{Wall: s.Wall, Mono: s.Mono}
	more := r.takeJournal(recorded)
	switch s.Kind {
	case StepAnswer, StepComplete, StepJoin, StepForget, StepCancel, StepInterrupt:
		if in.ex = r.known.find(s.ID); in.ex != nil {
			r.executionInput(in, s, more)
		}
		return in.ex != nil, nil
	case StepAccept:
		return true, r.acceptInput(in, s, more)
	case StepTick, StepDrain:
		r.turnInput(in, s)
	case StepExpire:
		return r.expireInput(in, more), nil
	case StepRelieve:
		return r.relieveInput(in, s, more), nil
	case StepDurable:
		return r.durableInput(in, s), nil
	case StepUpdate:
		return true, r.updateInput(in, s, base)
	case StepEmpty:
		if r.deletion == nil {
			r.deletion = &Deletion{Function: r.fn}
		}
		r.deletion.ends = r.deletion.ends[:0]
		in.deletion = r.deletion
	case StepReplicas:
		in.n = int(s.A)
	case StepLook, StepLookAgain, StepAsked, StepSetReplicas:
		if r.fn.auto.Load() == nil {
			return false, fmt.Errorf("step %d is the autoscaler's of a function that has none", s.Seq)
		}
		in.n = int(s.A)
	case StepReport:
		in.report = r.reportInput(s)
	}
	return true, nil
}

// executionInput is the rest of input for a step about in.ex.
func (r *Replay) executionInput(in *input, s *Step, more []Step) {
	switch s.Kind {
	case StepAnswer, StepComplete:
		r.answerInput(in, s, more)
	case StepJoin:
		in.waiter = waiterOf(s.Flags)
	case StepForget:
		in.waiter = in.ex.waiterAt(int(s.A))
	}
}

// takeJournal tells the journal what its facts' places are and how far it is, and
// returns the further records without that one.
func (r *Replay) takeJournal(recorded []Step) (more []Step) {
	more = recorded[1:]
	r.journal.gone = recorded[0].Flags&FlagGone != 0
	r.journal.next = r.journal.next[:0]
	if r.core.cfg.Journal == nil || len(more) == 0 {
		return more
	}
	if recorded[0].Kind == StepEmpty {
		for i := range more {
			if at := LSN(more[i].Extra); at != 0 { // memory's have none
				r.journal.next = append(r.journal.next, at)
			}
		}
	}
	last := &more[len(more)-1]
	if last.Flags&FlagPlaces == 0 {
		return more
	}
	r.journal.next = append(r.journal.next, LSN(last.Extra))
	r.core.held.durable.Store(uint64(last.Mono))
	return more[:len(more)-1]
}

func (r *Replay) acceptInput(in *input, s *Step, more []Step) error {
	if r.known.find(s.ID) != nil {
		return fmt.Errorf("step %d accepts execution %v again", s.Seq, s.ID)
	}
	x := Step{Wall: r.fn.timeout()}
	if len(more) > 0 {
		x = more[0]
	}
	if x.Wall <= 0 || x.Wall > maxTimeout {
		return fmt.Errorf("step %d has a timeout of %d ns", s.Seq, x.Wall)
	}
	ex := &r.records.take(1)[0]
	*ex = newRecord(s.ID, r.fn, in.now, s.Flags&FlagSync != 0)
	ex.timeout, ex.queueDeadline = x.Wall, x.Mono
	ex.lookAt = r.core.store.ttl.nextLook(in.now.Wall, in.now.Wall)
	ex.waiter = waiterOf(s.Flags)
	var err error
	if ex.input, err = r.inputs.bytes(s.A); err != nil {
		return err
	}
	durable := s.Flags&FlagDurable != 0
	if durable && r.core.cfg.Journal == nil {
		return fmt.Errorf("step %d is durable, and there is no journal", s.Seq)
	}
	if x.A|x.B != 0 || durable {
		if ex.more, err = r.extras(x.A, x.B, s.Flags&FlagKey != 0); err != nil {
			return err
		}
	}
	if durable {
		ex.more.facts = newFactLog(Partition(r.fn.tag))
	}
	in.ex, in.waiter, in.places = ex, ex.waiter, placesOf(s)
	in.callerRuns = s.Flags&FlagCallerRuns != 0
	if s.Flags&FlagLetter != 0 {
		in.letter, in.letterGone = x.ID, s.Flags&FlagLetterGone != 0
	}
	return nil
}

// extras has lengths of metadata and of all else.
func (r *Replay) extras(metadata, other uint32, key bool) (*executionExtras, error) {
	m, err := r.outputs.bytes(metadata)
	if err != nil {
		return nil, err
	}
	rest, err := r.outputs.bytes(other)
	if err != nil {
		return nil, err
	}
	x := &executionExtras{metadata: m}
	if key && other > 0 {
		x.idempotencyKey, rest = string(rest[:1]), rest[1:]
	}
	x.traceID = string(rest)
	return x, nil
}

func (r *Replay) answerInput(in *input, s *Step, more []Step) {
	in.attempt = int32(uint32(s.Extra))
	o := &in.outcome
	o.Status = [...]Status{Success, Error, Timeout, Error}[s.Flags&3]
	o.ColdStart, o.Permanent = s.Flags&FlagCold != 0, s.Flags&FlagPermanent != 0
	if s.Flags&FlagEcho != 0 {
		o.Output = in.ex.input
	} else {
		o.Output, _ = r.outputs.bytes(s.A)
	}
	if len(more) > 0 {
		code, _ := r.outputs.bytes(more[0].A)
		message, _ := r.outputs.bytes(more[0].B)
		o.Code, o.Message = string(code), string(message)
		o.RetryAfter, o.Init = time.Duration(more[0].Wall), time.Duration(more[0].Mono)
	}
}

func (r *Replay) turnInput(in *input, s *Step) {
	if s.Flags&FlagAwaited != 0 {
		in.done = func() {}
	}
	in.draining = s.Flags&FlagDraining != 0
	if s.Flags&FlagAsked == 0 {
		return
	}
	ex := r.known.find(s.ID)
	if ex == nil {
		// It has ended since it was asked about: what was answered decides nothing.
		ex = &execution{id: s.ID}
	}
	in.asked, in.nobody = question{ex: ex, joins: uint32(s.Extra)}, s.Flags&FlagNobody != 0
}

// expireInput has those of the executions that are known; false unless all are.
func (r *Replay) expireInput(in *input, more []Step) (all bool) {
	in.expiry = &r.expiry
	in.expiry.begin(in.expiry.due[:0])
	for i := range more {
		if ex := r.known.find(more[i].ID); ex != nil {
			in.expiry.due = append(in.expiry.due, appointment[execution]{due: more[i].Wall, item: ex})
		}
	}
	return len(in.expiry.due) == len(more)
}

// due are the executions of an expiry.
func (in *input) due() []appointment[execution] {
	if in.expiry == nil {
		return nil
	}
	return in.expiry.due
}

// relieveInput drops as many payloads as were dropped. Those that are not known
// were the oldest: then the step cannot be taken, and the known ones follow it.
func (r *Replay) relieveInput(in *input, s *Step, more []Step) (all bool) {
	step := &reliefStep{exactly: int(s.A)}
	if s.Flags&FlagBefore != 0 && len(more) > 0 {
		step.before, more = &execution{id: more[0].ID, finished: more[0].Wall}, more[1:]
	}
	in.relief = step
	for i := range more {
		if r.known.find(more[i].ID) == nil {
			r.dropKnown(more)
			return false
		}
	}
	return true
}

func (r *Replay) dropKnown(more []Step) {
	for i := range more {
		if ex := r.known.find(more[i].ID); ex != nil && ex.answerable() {
			r.fn.dropPayload(ex)
		}
	}
}

func (r *Replay) durableInput(in *input, s *Step) (known bool) {
	ex := r.known.find(s.ID)
	if ex == nil {
		return false
	}
	in.held = &heldEffects{ex: ex, attempt: int32(s.A), ended: s.Flags&FlagEnded != 0, breakOff: s.Flags&FlagBreakOff != 0}
	if s.Flags&FlagDone != 0 {
		in.held.attemptEnded = func() {}
	}
	return true
}

func (r *Replay) updateInput(in *input, s *Step, base *Base) error {
	in.generation, in.spec = s.Extra, r.fn.Spec()
	if r.specFail = s.Flags&FlagFailed != 0; r.specFail {
		spec := *in.spec
		spec.Durability = DurabilityDisk // without a journal that is what fails
		in.spec = &spec
	}
	if s.NeedsBase() {
		if base == nil || base.Spec == nil {
			return fmt.Errorf("step %d has a new spec, and there is no base with it", s.Seq)
		}
		in.spec = base.spec()
	}
	return nil
}

func (r *Replay) reportInput(s *Step) *metricReport {
	m := &metricReport{value: math.Float64frombits(s.Extra)}
	if a := r.fn.auto.Load(); a != nil && s.A > 0 && int(s.A) <= len(a.spec.Metrics) {
		metric := a.spec.Metrics[s.A-1]
		m.metric, m.name = metric.Type, metric.Name
	}
	return m
}

// waiterAt is the waiter at a place that removeWaiter has returned.
func (ex *execution) waiterAt(place int) Waiter {
	switch {
	case place == 1:
		return ex.waiter
	case place > 1 && ex.joined() && place-2 < len(ex.more.waiters):
		return ex.more.waiters[place-2]
	}
	return nil
}
