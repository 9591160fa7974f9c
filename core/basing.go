package core

import (
	"slices"
	"strings"
)

// A function that falls idle leaves a Base when it has taken a few steps since the
// last one, and some time has passed or it has taken many: it is small then. A busy
// one does now and then, unless it has more executions than the steps that the Base
// is to pay for.
const (
	baseWhenIdle = 64
	basePause    = 50_000_000 // ns
	baseWhenFast = 1024
	baseWhenBusy = 4096
)

// recordFirst begins the records of a new function; nobody else knows it yet.
func (fn *Function) recordFirst(now Instant) {
	c := fn.core
	if c.recorder == nil {
		return
	}
	fn.domain = c.domains.functions.Add(1)
	c.recorder.Base(fn.base(now, true))
}

// recordBase has the recorder keep a Base if one is due after this step; the
// caller holds fn.mu.
func (fn *Function) recordBase(in *input, fx *effects) {
	if fn.core.replays {
		return
	}
	fn.sinceBase++
	whole := in.kind == StepRestore || fn.baseDue(in.now)
	if whole || fx.spec != nil {
		fn.core.recorder.Base(fn.base(in.now, whole))
	}
	if whole {
		fn.sinceBase, fn.basedAt = 0, in.now.Mono
	}
}

// baseDue says that it is time for a Base, and that it is not too large for that.
func (fn *Function) baseDue(now Instant) bool {
	switch {
	case fn.sinceBase < baseWhenIdle, fn.sinceBase < baseWhenFast && now.Mono-fn.basedAt < basePause:
		return false
	case fn.sinceBase < baseWhenBusy && (fn.queue.live > 0 || fn.running.Load() > 0 || fn.pauses.Load() > 0):
		return false
	}
	return fn.queue.live+len(fn.deadlines.items) <= min(int(fn.sinceBase), baseWhenBusy)
}

// base is the function's state; the caller holds fn.mu, or nobody else knows fn.
func (fn *Function) base(now Instant, whole bool) *Base {
	spec := *fn.spec.Load()
	spec.Data = nil
	b := &Base{
		Domain: fn.domain, Seq: fn.recorded, Check: fn.check, Wall: now.Wall, Mono: now.Mono,
		Spec: &spec, NoInstances: spec.NoInstances, Whole: whole,
	}
	if !whole {
		return b
	}
	b.Deleted, b.Ready = fn.deleted, fn.ready
	b.ReplicasWanted, b.ReplicasReady = fn.DesiredReplicas(), fn.ReadyReplicas()
	b.Service = [3]int64{fn.service.samples, fn.service.mean, fn.service.dev}
	b.Autoscale = fn.auto.Load().base()
	items := slices.Clone(fn.deadlines.items)
	slices.SortFunc(items, func(a, b deadlineItem) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for _, it := range items {
		live := it.ex.base()
		live.Deadline, live.Heap = it.at, int(it.ex.heapIndex)
		b.Live = append(b.Live, live)
	}
	b.Queue = fn.queue.fresh.base(b)
	b.Late = fn.queue.late.base(b)
	return b
}

// base are the ids of the queued, in their order. Those without a deadline are
// added to the live ones of b.
func (r *ring) base(b *Base) (ids []ID) {
	for at := r.head; at != r.tail; at++ {
		ex := r.buf[at&uint64(len(r.buf)-1)]
		if ex == nil {
			continue
		}
		ids = append(ids, ex.id)
		if ex.heapIndex < 0 {
			b.Live = append(b.Live, ex.base())
		}
	}
	return ids
}

// base is an execution as a Base has it; the caller holds its function's lock.
func (ex *execution) base() BaseExecution {
	b := BaseExecution{
		ID: ex.id, Status: ex.status, Attempt: ex.attempt, Created: Instant{ex.created, ex.createdMono}, Started: Instant{ex.started, ex.startedMono},
		Queued: ex.queuedMono, Finished: ex.finished, QueueEnd: ex.queueDeadline, LookAt: ex.lookAt, Timeout: ex.timeout, Init: ex.initMs,
		Input: len(ex.input), Sync: ex.sync, Slot: ex.holdsSlot, Answered: ex.answered, Cold: ex.coldStart, Cleaned: ex.cleaned,
	}
	waiters := []Waiter{ex.waiter}
	if x := ex.more; x != nil {
		waiters = append(waiters, x.waiters...)
		b.More = true
		b.Metadata, b.Key = len(x.metadata), x.idempotencyKey != ""
		b.Other = int(x.payloadBytes()-attemptBytes(x.attempts)) - b.Metadata
		b.Joins, b.RetryAt, b.Moved, b.Awaited = x.joins, x.retryAt, x.moved, x.attemptEnded != nil
		b.Failed, b.Pausing = len(x.attempts), ex.pausing
		if x.facts != nil {
			b.LSNs = []LSN{x.facts.accepted(), x.facts.last()}
			b.Held, b.Until = x.facts.held, x.facts.until
		}
	}
	b.Waiters = waiterLetters(waiters)
	return b
}

// waiterLetters has a letter for each: l for a Leaver, w for another, - for none.
func waiterLetters(waiters []Waiter) string {
	var s strings.Builder
	for _, w := range waiters {
		switch f := waiterFlags(w); {
		case f&FlagLeaver != 0:
			s.WriteByte('l')
		case f&FlagWaiter != 0:
			s.WriteByte('w')
		default:
			s.WriteByte('-')
		}
	}
	return s.String()
}
