package core

import (
	"encoding/binary"
	"math"
)

// What a record has, by kind, beside its instant and the function's depth and
// slots. "More" is a further record of kind StepMore.
//
//	accept     ID; A input bytes; Extra places in the rate windows of the function
//	           (high half) and of all, 0 without a limit; flags
//	           more, unless all is the default: Wall timeout (ns), Mono end of the
//	           longest first wait, A metadata bytes, B bytes of ids and keys, ID
//	           the dead letter
//	join       ID; flags
//	forget     ID; A the waiter's place
//	tick,drain ID who waits for it was asked; Extra the joins then; flags
//	answer,    ID; Extra attempt; A output bytes; flags
//	complete   more of an error, a start time or a wanted pause: A code bytes, B
//	           message bytes, Mono start time (ns), Wall pause (ns)
//	expire     A executions looked at; more for each: ID, Wall its look's time
//	relieve    A payloads dropped; flags; more: ID and Wall (end) of another
//	           function's oldest; then one for each dropped: ID
//	empty      A executions ended; with a journal more for each: ID, Extra LSN
//	update     Extra expected generation; flags; a Base has the new spec
//	report     A the metric's place in the scaling configuration, from 1; Extra
//	           value (IEEE 754 bits)
//	set_replicas, replicas  A the number
//	cancel, interrupt       ID
//	durable    ID; A attempt to be dispatched; flags
//	restore    A executions; a Base has the state after it
//
// With a journal, a last more of a step that appended facts or asked how far the
// journal is: FlagPlaces; Extra the LSN of its last fact, Mono the place up to which all was
// durable.
//
// A refusal before any step has no place in the order (Seq 0): A input bytes, B
// its reason, Extra and the first half of ID the two figures that were compared.

// recordStep tells the recorder of the step that fn has just taken; the caller
// holds fn.mu.
func (fn *Function) recordStep(in *input, fx *effects) {
	s := Step{Wall: in.now.Wall, Mono: in.now.Mono, Kind: in.kind}
	more, hasMore := Step{Kind: StepMore}, false
	switch in.kind {
	case StepAccept:
		hasMore = fn.acceptRecord(in, &s, &more)
	case StepAnswer, StepComplete:
		hasMore = answerRecord(in, &s, &more)
	case StepTick, StepDrain:
		turnRecord(in, fx, &s)
	default:
		fn.otherRecord(in, fx, &s)
	}
	setFlag(&s.Flags, FlagGone, fx.gone)
	s.Flags |= fx.outcome() << outcomeShift
	list, journal := listOf(in, fx), fx.lsn != 0 || fx.askedJournal
	s.More = uint8(list.n)
	if hasMore {
		s.More++
	}
	if journal {
		s.More++
	}
	s.B = fn.load()
	fn.tell(&s, fn.decided(fx))
	if hasMore {
		fn.tell(&more, 0)
	}
	for i := range list.n {
		more = list.at(i)
		fn.tell(&more, 0)
	}
	if journal {
		more = Step{Kind: StepMore, Extra: uint64(fx.lsn), Mono: int64(fx.durable), Flags: FlagPlaces}
		fn.tell(&more, 0)
	}
	fn.recordBase(in, fx)
	fn.selfCheck()
}

// load is the queue depth and the slots in use as Step.B has them.
func (fn *Function) load() uint32 {
	return uint32(min(fn.depth.Load(), math.MaxUint16))<<16 | uint32(min(fn.running.Load(), math.MaxUint16))
}

// listed are the executions that a step has taken together, for a further record
// each. It is by value and without functions: it is made at every step.
type listed struct {
	n      int
	due    []appointment[execution] // StepExpire
	relief *reliefStep              // StepRelieve
	ends   []effects                // StepEmpty
}

func listOf(in *input, fx *effects) listed {
	switch in.kind {
	case StepExpire:
		return listed{n: in.expiry.looked, due: in.expiry.due}
	case StepRelieve:
		return listed{n: in.relief.listed(), relief: in.relief}
	case StepEmpty:
		if fx.fn.core.cfg.Journal != nil {
			return listed{n: len(in.deletion.ends), ends: in.deletion.ends}
		}
	}
	return listed{}
}

// at is the further record of the i-th.
func (l *listed) at(i int) Step {
	switch {
	case l.due != nil:
		return Step{Kind: StepMore, ID: l.due[i].item.id, Wall: l.due[i].due}
	case l.relief != nil:
		return l.relief.record(i)
	}
	m := Step{Kind: StepMore, Extra: uint64(l.ends[i].lsn)}
	if ex := l.ends[i].ended; ex != nil {
		m.ID = ex.id
	}
	return m
}

// listed is how many there are of the oldest execution of the function that comes
// next, if there is one, and of those whose payloads were dropped.
func (s *reliefStep) listed() int {
	n := len(s.dropped) - s.from
	if s.before != nil {
		n++
	}
	return n
}

func (s *reliefStep) record(i int) Step {
	if s.before != nil {
		if i == 0 { // which may be of this function, if it is just being deleted
			return Step{Kind: StepMore, ID: s.before.id, Wall: s.before.finished}
		}
		i--
	}
	return Step{Kind: StepMore, ID: s.dropped[s.from+i].id}
}

// tell gives a record its place and hands it to the recorder. A further record
// has decided nothing.
func (fn *Function) tell(s *Step, decided uint64) {
	fn.recorded++
	s.Domain, s.Seq = fn.domain, fn.recorded
	fn.check = s.sum(fn.check, decided)
	s.Check = fn.check
	fn.core.recorder.Step(*s)
}

func (fn *Function) acceptRecord(in *input, s, more *Step) (hasMore bool) {
	ex := in.ex
	s.ID, s.A = ex.id, uint32(len(ex.input))
	in.places.record(s)
	setFlag(&s.Flags, FlagSync, ex.sync)
	setFlag(&s.Flags, FlagCallerRuns, in.callerRuns)
	s.Flags |= waiterFlags(in.waiter)
	if x := ex.more; x != nil {
		setFlag(&s.Flags, FlagDurable, x.facts != nil)
		setFlag(&s.Flags, FlagKey, x.idempotencyKey != "")
		more.A = uint32(len(x.metadata))
		more.B = uint32(x.payloadBytes()) - more.A
	}
	if in.letter != (ID{}) {
		more.ID = in.letter
		s.Flags |= FlagLetter
		setFlag(&s.Flags, FlagLetterGone, in.letterGone)
	}
	more.Wall, more.Mono = ex.timeout, ex.queueDeadline
	return more.A|more.B != 0 || more.Mono != 0 || in.letter != (ID{}) ||
		more.Wall != fn.timeout()
}

func answerRecord(in *input, s, more *Step) (hasMore bool) {
	o := &in.outcome
	s.ID, s.A, s.Extra = in.ex.id, uint32(len(o.Output)), uint64(uint32(in.attempt))
	s.Flags = statusFlags(o.Status)
	setFlag(&s.Flags, FlagCold, o.ColdStart)
	setFlag(&s.Flags, FlagPermanent, o.Permanent)
	setFlag(&s.Flags, FlagEcho, sameBytes(in.ex.input, o.Output))
	more.A, more.B = uint32(len(o.Code)), uint32(len(o.Message))
	more.Wall, more.Mono = int64(o.RetryAfter), int64(o.Init)
	return more.A|more.B != 0 || more.Wall|more.Mono != 0
}

// statusFlags are the two lowest bits of an outcome's flags. What is neither a
// success nor a timeout is an error.
func statusFlags(s Status) StepFlags {
	switch s {
	case Success:
		return 0
	case Timeout:
		return 2
	}
	return 1
}

func turnRecord(in *input, fx *effects, s *Step) {
	if ex := in.asked.ex; ex != nil {
		s.ID, s.Extra = ex.id, uint64(in.asked.joins)
		s.Flags = FlagAsked
		setFlag(&s.Flags, FlagNobody, in.nobody)
	} else if fx.dispatch != nil {
		s.ID = fx.dispatch.id
	}
	setFlag(&s.Flags, FlagAwaited, in.done != nil)
	setFlag(&s.Flags, FlagDraining, in.draining)
}

func (fn *Function) otherRecord(in *input, fx *effects, s *Step) {
	if in.ex != nil {
		s.ID = in.ex.id
	} else if fx.happened {
		s.ID = fx.event.ID
	}
	switch in.kind {
	case StepJoin:
		s.Flags = waiterFlags(in.waiter)
	case StepForget, StepSetReplicas, StepReplicas:
		s.A = uint32(in.n)
	case StepExpire:
		s.A = uint32(in.expiry.looked)
	case StepRelieve:
		s.A = uint32(len(in.relief.dropped) - in.relief.from)
		setFlag(&s.Flags, FlagBefore, in.relief.before != nil)
	case StepEmpty:
		s.A = uint32(len(in.deletion.ends))
	case StepUpdate:
		s.Extra = in.generation
		setFlag(&s.Flags, FlagFailed, fx.failed != nil)
	case StepReport:
		s.A, s.Extra = uint32(fn.metricPlace(in.report)), math.Float64bits(in.report.value)
	case StepDurable:
		h := in.held
		s.ID, s.A = h.ex.id, uint32(h.attempt)
		setFlag(&s.Flags, FlagEnded, h.ended)
		setFlag(&s.Flags, FlagBreakOff, h.breakOff)
		setFlag(&s.Flags, FlagDone, h.attemptEnded != nil)
	case StepRestore:
		s.A = uint32(len(in.restored))
	}
}

func waiterFlags(w Waiter) (f StepFlags) {
	if w != nil {
		f = FlagWaiter
		if _, ok := w.(Leaver); ok {
			f |= FlagLeaver
		}
	}
	return f
}

func setFlag(f *StepFlags, bit StepFlags, on bool) {
	if on {
		*f |= bit
	}
}

// metricPlace is where a report's metric is in the scaling configuration, from 1;
// 0 = it is not there.
func (fn *Function) metricPlace(r *metricReport) int {
	if a := fn.auto.Load(); a != nil {
		for i, m := range a.spec.Metrics {
			if m.Type == r.metric && m.Name == r.name {
				return i + 1
			}
		}
	}
	return 0
}

// recordRefusal tells the recorder of a submission refused before any step, and
// of the figures that were compared.
func (c *Core) recordRefusal(fn *Function, r *Request, now Instant, why *Rejection) {
	s := Step{Wall: now.Wall, Mono: now.Mono, Kind: StepRefuse, A: uint32(len(r.Input)), B: why.reason(), Extra: r.seen[0]}
	binary.BigEndian.PutUint64(s.ID[:], r.seen[1])
	if fn != nil {
		s.Domain = fn.domain
	}
	setFlag(&s.Flags, FlagSync, r.Sync)
	setFlag(&s.Flags, FlagKey, r.IdempotencyKey != "")
	s.Check = s.sum(0, 0)
	c.recorder.Step(s)
}
