package sim

import (
	"strconv"

	"simplane/core"
)

// Observe implements core.Observer: it keeps the records, the counts and the
// log, and lets the checker look at each event first.
func (e *engine) Observe(ev core.Event) {
	if e.violation != nil {
		return // what a broken core does next says nothing more
	}
	var f *fnState
	var g *group
	if ev.Function != nil {
		f = ev.Function.Handle().(*fnState)
		g = f.group
	} else if e.calling != nil {
		g = e.calling.group
	}
	switch ev.Kind {
	case core.EventAccepted:
		e.accepted(&ev, f)
	case core.EventRejected:
		if e.check != nil {
			e.check.rejected(&ev, f)
		}
		if g != nil {
			g.counts[rejectionCounter(ev.Code)]++
		}
		e.writeRejected(&ev)
	case core.EventIdempotentHit:
		rec, slot := e.find(ev.ID)
		if e.check != nil {
			e.check.joined(&ev, f, rec, slot)
		}
		g.counts[cIdempotentHits]++
		e.write(&ev, f, rec, saysHit)
	case core.EventDispatched:
		e.dispatched(&ev, f)
	case core.EventRetried:
		e.retried(&ev, f)
	case core.EventEnded:
		e.ended(&ev, f)
	case core.EventSlotReleased:
		rec, _ := e.find(ev.ID)
		if e.check != nil {
			e.check.released(&ev, f, rec)
		}
		if rec != nil {
			rec.holdsSlot = false
		}
		f.elapse(e.now)
		f.inFlight--
		f.group.inFlight--
		e.slotsHeld--
		e.write(&ev, f, rec, saysFree)
	case core.EventLateResult:
		rec, _ := e.find(ev.ID)
		if e.check != nil && rec != nil && rec.state != stEnded {
			e.fail("results after the end are late", "a result for execution #%d was dropped as late, but it has not ended", rec.number)
		}
		g.counts[cLate]++
		e.write(&ev, f, rec, saysLate)
	case core.EventDuplicateResult:
		rec, _ := e.find(ev.ID)
		g.counts[cDuplicate]++
		e.write(&ev, f, rec, saysDuplicate)
	case core.EventCleaned:
		rec, slot := e.find(ev.ID)
		if e.check != nil {
			e.check.cleaned(&ev, rec, slot)
		}
		if rec != nil {
			rec.cleaned = true
		}
		g.counts[cCleaned]++
		e.write(&ev, f, rec, saysClean)
	case core.EventEvicted:
		rec, slot := e.find(ev.ID)
		if e.check != nil {
			e.check.evicted(&ev, rec, slot)
		}
		g.counts[cEvicted]++
		e.write(&ev, f, rec, saysEvict)
		if rec != nil {
			e.release(slot)
		}
	case core.EventKeysEvicted:
		line := append(e.log.begin(e.now), "evict-keys "...)
		e.log.end(strconv.AppendInt(line, int64(ev.Count), 10))
	case core.EventFunctionAdded:
		e.writeFunction(f, "add")
	case core.EventFunctionDeleted:
		f.deleted = true
		e.writeFunction(f, "delete")
	case core.EventReconfigured:
		if e.pending != nil && e.pending.QueueSize > 0 {
			f.queueSize = e.pending.QueueSize
		}
		if e.pending != nil && e.pending.Concurrency > 0 && !f.perPod() {
			f.slots = e.pending.Concurrency
		}
		e.writeFunction(f, "reconfigure")
		if e.check != nil {
			e.check.touch(f)
		}
	case core.EventScaled:
		if e.check != nil {
			e.check.wantsReplicas(f, ev.Count)
		}
		e.scaled(f, ev.Count)
	case core.EventReplicasReady:
		e.replicasReady(f, ev.Count)
	case core.EventConcurrencyChanged:
		e.concurrencyChanged(f, ev.Count)
	}
}

func (e *engine) accepted(ev *core.Event, f *fnState) {
	rec, slot := e.adopt(ev.ID)
	if rec == nil {
		e.fail("ids are the source's", "an execution was accepted under id %s, which the id source has not just handed out", ev.ID)
		return
	}
	rec.fn, rec.sync, rec.attempt, rec.state = f, ev.Sync, 1, stQueued
	rec.created, rec.createdMono, rec.queuedMono = ev.At.Wall, ev.At.Mono, ev.At.Mono
	rec.timeout = int64(e.req.Timeout)
	if rec.timeout == 0 {
		rec.timeout = int64(f.group.decl.TimeoutMillis) * 1e6
	}
	if e.check != nil {
		e.check.accepted(ev, f, rec, slot)
	}
	f.elapse(e.now)
	f.queued++
	f.group.queued++
	e.append(f, rec, slot)
	e.unended++
	f.group.counts[cAccepted]++
	f.backend.rival.arrived()
	e.writeAccepted(ev, f, rec)
}

func (e *engine) dispatched(ev *core.Event, f *fnState) {
	rec, slot := e.find(ev.ID)
	if e.check != nil {
		if e.check.dispatched(ev, f, rec, slot); e.violation != nil {
			return
		}
	}
	f.elapse(e.now)
	f.queued--
	f.group.queued--
	f.inFlight++
	f.group.inFlight++
	e.slotsHeld++
	if rec != nil {
		e.unlink(f, rec)
		rec.state, rec.holdsSlot, rec.startedMono = stRunning, true, ev.At.Mono
	}
	f.group.latency[seriesQueueWait].Record(int64(ev.QueueWait))
	e.write(ev, f, rec, saysStart)
}

func (e *engine) retried(ev *core.Event, f *fnState) {
	rec, slot := e.find(ev.ID)
	if e.check != nil {
		if e.check.retried(ev, f, rec, slot); e.violation != nil {
			return
		}
	}
	f.elapse(e.now)
	f.queued++
	f.group.queued++
	if rec != nil {
		rec.state, rec.attempt, rec.queuedMono, rec.startedMono = stQueued, ev.Attempt, ev.At.Mono, 0
		rec.passed = false
		e.append(f, rec, slot)
	}
	f.group.counts[cRetries]++
	if ev.Cold {
		f.group.counts[cColdStarts]++
	}
	e.write(ev, f, rec, saysRetry)
}

func (e *engine) ended(ev *core.Event, f *fnState) {
	rec, slot := e.find(ev.ID)
	if e.check != nil {
		if e.check.ended(ev, f, rec, slot); e.violation != nil {
			return
		}
	}
	g := f.group
	if rec != nil {
		if rec.state == stQueued {
			f.elapse(e.now)
			f.queued--
			g.queued--
			e.unlink(f, rec)
		} else {
			g.latency[seriesService].Record(int64(ev.Service))
		}
		rec.state, rec.finished = stEnded, ev.At.Wall
		rec.stale = ev.Code == core.CodeStale
		rec.success = ev.Status == core.Success
	}
	e.unended--
	switch ev.Status {
	case core.Success:
		g.counts[cSuccess]++
	case core.Error:
		g.counts[cError]++
	default:
		g.counts[cTimeout]++
	}
	switch {
	case ev.Code == core.CodeStale:
		g.counts[cStale]++
	case ev.Code == core.CodeQueueWait:
		g.counts[cQueueWait]++
	}
	if ev.Cold {
		g.counts[cColdStarts]++
	}
	g.latency[seriesE2E].Record(int64(ev.E2E))
	if e.plot != nil {
		e.plot.ended(ev)
	}
	e.writeEnded(ev, f, rec)
}

// append puts a record at the tail of its lane of its function's queue.
func (e *engine) append(f *fnState, rec *record, slot int32) {
	head, tail := f.lane(rec)
	rec.queue = link{prev: *tail, next: -1}
	if *tail >= 0 {
		e.all[*tail].queue.next = slot
	} else {
		*head = slot
	}
	*tail = slot
}

// unlink takes a record out of its function's queue.
func (e *engine) unlink(f *fnState, rec *record) {
	head, tail := f.lane(rec)
	if rec.queue.prev >= 0 {
		e.all[rec.queue.prev].queue.next = rec.queue.next
	} else {
		*head = rec.queue.next
	}
	if rec.queue.next >= 0 {
		e.all[rec.queue.next].queue.prev = rec.queue.prev
	} else {
		*tail = rec.queue.prev
	}
	rec.queue = link{-1, -1}
}

// lane is the part of the queue that a record is in.
func (f *fnState) lane(rec *record) (head, tail *int32) {
	if rec.passed {
		return &f.lateHead, &f.lateTail
	}
	return &f.head, &f.tail
}
