package history

import (
	"cmp"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// Step implements core.Recorder.
func (h *History) Step(s core.Step) {
	if s.Kind == core.StepMore {
		h.more(&s)
		return
	}
	if s.Kind == core.StepKey {
		return
	}
	d := h.domain(s.Domain)
	h.last, h.lastID, h.kind, h.mono, h.wall = d, s.ID, s.Kind, s.Mono, s.Wall
	if s.Kind == core.StepRefuse {
		d.refuse(h, s.Mono, s.Reason(), s.Flags, s.A)
		if _, bound := s.Compared(); bound > 0 {
			d.Bounds[s.Reason()] = bound
		}
		return
	}
	d.begin(h, s.Mono)
	before, queued := d.running, d.depth
	d.running, d.depth = s.Running(), s.Depth()
	d.sample(h, s.Mono)
	switch event, happened := s.Outcome().Event(); {
	case s.Kind == core.StepAccept && !happened:
		why := core.CodeQueueFull
		if s.Flags&core.FlagLetterGone != 0 {
			why = core.CodeNotFound
		}
		d.refuse(h, s.Mono, why, s.Flags, s.A)
	case s.Kind == core.StepAccept:
		d.accept(h, &s, d.running > before)
	case s.Kind == core.StepJoin && s.Outcome() != core.OutcomeRefused && h.counts(s.Mono):
		d.Joined++
	case s.Kind == core.StepTick || s.Kind == core.StepDrain:
		d.turn(h, &s, happened && event == core.EventEnded, d.running > before)
	case s.Kind == core.StepAnswer || s.Kind == core.StepComplete:
		d.answer(h, &s, event, happened, d.depth > queued)
	case s.Kind == core.StepDue || s.Kind == core.StepCancel || s.Kind == core.StepInterrupt:
		d.due(h, &s, event, happened, before-d.running)
	case s.Kind == core.StepEmpty:
		d.empty(h, &s)
	}
}

// more takes a further record of the latest step.
func (h *History) more(s *core.Step) {
	d := h.last
	if d == nil {
		return
	}
	switch h.kind {
	case core.StepAccept:
		if e := d.live[h.lastID]; e != nil && s.Wall > 0 {
			e.timeout, e.queueEnd = s.Wall, s.Mono
		}
	case core.StepExpire:
		// It is one that a sweep has looked at. Those that have not ended by then
		// end if nothing has become of them for the time that makes them stale.
		if e := d.live[s.ID]; e != nil && !e.ended && h.opts.StaleTTL > 0 && h.wall-e.moved > int64(h.opts.StaleTTL) {
			d.end(h, e, h.mono, core.Timeout, core.CodeStale)
		}
	}
}

func (d *domain) accept(h *History, s *core.Step, started bool) {
	e := &execution{
		id: s.ID, created: s.Mono, moved: s.Wall, input: s.A, sync: s.Flags&core.FlagSync != 0,
	}
	if d.spec != nil {
		e.timeout = int64(d.spec.TimeoutMillis) * int64(time.Millisecond)
	}
	if started {
		e.slot, e.started = true, s.Mono
	} else {
		d.queueUp(e)
	}
	d.live[s.ID] = e
	if d.crossed {
		d.arrive(h, e, s.Mono)
	}
}

func (d *domain) queueUp(e *execution) {
	d.queuedNo++
	e.queuedNo = d.queuedNo
}

// arrive counts an execution as a call at an instant.
func (d *domain) arrive(h *History, e *execution, mono int64) {
	e.arrived = mono
	if !h.counts(mono) {
		return
	}
	if e.carried {
		d.Carried++
	}
	d.Accepted++
	d.call(h, mono, e.sync, e.input)
}

func (d *domain) call(h *History, mono int64, sync bool, input uint32) {
	d.Calls = append(d.Calls, Call{At: h.at(mono), Sync: sync, Input: input})
	d.Plot.Arrived[h.bin(mono)]++
}

func (d *domain) refuse(h *History, mono int64, why string, flags core.StepFlags, input uint32) {
	if !h.counts(mono) {
		return
	}
	if why == "" {
		why = "?"
	}
	d.Refused[why]++
	d.Plot.Refused[h.bin(mono)]++
	d.call(h, mono, flags&core.FlagSync != 0, input)
}

// turn is a tick: the execution that it is about starts, or has ended because
// nobody waits for it.
func (d *domain) turn(h *History, s *core.Step, ended, started bool) {
	e := d.live[s.ID]
	switch {
	case e == nil:
	case ended:
		d.end(h, e, s.Mono, core.Error, core.CodeCancelled)
	case started:
		d.start(e, s)
	}
}

func (d *domain) start(e *execution, s *core.Step) {
	e.slot, e.started, e.moved, e.pausing = true, s.Mono, s.Wall, false
}

func (d *domain) answer(h *History, s *core.Step, event core.EventKind, happened, requeued bool) {
	e := d.live[s.ID]
	if e == nil || !happened || event == core.EventDuplicateResult {
		return
	}
	status := [...]core.Status{core.Success, core.Error, core.Timeout, core.Error}[s.Flags&3]
	how := scenario.Succeeded
	switch {
	case status == core.Timeout:
		how = scenario.Unanswered
	case status == core.Error && (s.Flags&core.FlagPermanent != 0 || s.Kind == core.StepComplete):
		how = scenario.FailedForGood
	case status == core.Error:
		how = scenario.Failed
	}
	e.cold = s.Flags&core.FlagCold != 0
	d.attempted(h, e, s.Mono, how)
	switch event {
	case core.EventRetried:
		if h.counts(s.Mono) {
			d.Retries++
			d.Plot.Retried[h.bin(s.Mono)]++
		}
		e.moved, e.pausing = s.Wall, !requeued
		d.queueUp(e)
	case core.EventEnded:
		code := ""
		if status == core.Error {
			code = "error"
		}
		d.end(h, e, s.Mono, status, code)
	}
	d.forget(e)
}

// due is a deadline, a cancellation or an interruption; released slots are those
// that the step gave back.
func (d *domain) due(h *History, s *core.Step, event core.EventKind, happened bool, released int) {
	e := d.live[s.ID]
	if !happened && released > 0 && len(d.outliving) > 0 {
		// The attempt of one that has ended is over its time.
		d.attempted(h, d.outliving[0], s.Mono, scenario.Unanswered)
		d.forget(d.outliving[0])
		return
	}
	if e == nil || !happened {
		return
	}
	switch {
	case event == core.EventRequeued:
		e.pausing, e.moved = false, s.Wall
		d.queueUp(e)
		return
	case event == core.EventRetried: // of an interrupted attempt: the next one follows in its slot
		e.started, e.moved = s.Mono, s.Wall
		return
	case event != core.EventEnded:
		return
	}
	status, code := core.Timeout, ""
	switch {
	case s.Kind == core.StepCancel:
		status, code = core.Error, core.CodeCancelled
	case s.Kind == core.StepInterrupt:
		status, code = core.Error, core.CodeInterrupted
	case e.pausing:
		status, code = core.Error, core.CodeQueueFull
	case !e.slot && e.queueEnd > 0 && s.Mono >= e.queueEnd && s.Mono < e.created+e.timeout:
		status, code = core.Error, core.CodeQueueWait
	}
	if released > 0 {
		d.attempted(h, e, s.Mono, scenario.Unanswered)
	}
	d.end(h, e, s.Mono, status, code)
	d.forget(e)
}

// empty ends the first of a deleted function's queue.
func (d *domain) empty(h *History, s *core.Step) {
	var waiting []*execution
	for _, e := range d.live {
		if !e.ended && !e.slot {
			waiting = append(waiting, e)
		}
	}
	slices.SortFunc(waiting, func(a, b *execution) int { return cmp.Compare(a.queuedNo, b.queuedNo) })
	for _, e := range waiting[:min(len(waiting), int(s.A))] {
		d.end(h, e, s.Mono, core.Error, core.CodeFunctionDeleted)
	}
}

// attempted notes that an attempt is over.
func (d *domain) attempted(h *History, e *execution, mono int64, how scenario.Ending) {
	if !e.slot {
		return
	}
	if began := max(e.started, h.opts.From); mono >= h.opts.From && began < h.opts.Until {
		d.Attempts = append(d.Attempts, scenario.Attempt{At: h.at(began), Took: time.Duration(mono - began), Ending: how, Cold: e.cold})
	}
	e.slot, e.started, e.cold = false, 0, false
}

// end counts the end of an execution.
func (d *domain) end(h *History, e *execution, mono int64, status core.Status, code string) {
	if e.ended {
		return
	}
	e.ended = true
	if e.slot {
		d.outliving = append(d.outliving, e)
		slices.SortFunc(d.outliving, func(a, b *execution) int { return cmp.Compare(a.started+a.timeout, b.started+b.timeout) })
	} else {
		delete(d.live, e.id)
	}
	if !h.counts(mono) {
		return
	}
	bin := h.bin(mono)
	d.Plot.Ended[bin]++
	took := mono - e.created
	if e.carried {
		took = mono - e.arrived
	}
	switch {
	case status == core.Success:
		d.Success++
		d.Latencies = append(d.Latencies, took)
		d.Plot.Latency[bin] = append(d.Plot.Latency[bin], took)
	case status == core.Timeout:
		d.Timeouts++
	case code == core.CodeQueueWait: // its caller is refused, late
		d.Refused[code]++
	case code == core.CodeCancelled:
		d.Cancelled++
	default:
		d.Errors++
	}
	if status != core.Success {
		d.Plot.Failed[bin]++
	}
	if d := time.Duration(took); !e.carried && d > h.Slowest.Took {
		h.Slowest.ID, h.Slowest.Took = e.id, d
	}
}

// forget drops an execution that has ended and has no slot.
func (d *domain) forget(e *execution) {
	if e.ended && !e.slot {
		delete(d.live, e.id)
		if i := slices.Index(d.outliving, e); i >= 0 {
			d.outliving = slices.Delete(d.outliving, i, i+1)
		}
	}
}
