package server

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"simplane/core"
)

// syncWaiter waits for one execution. An execution that ends before the
// caller starts to wait, as an in-process handler's does, costs no channel
// operation and no switch of goroutines. And a caller that has nothing to do
// but wait makes the blocking call to its function itself, see offer.
//
// Waiters are pooled. The state word holds the phase and a token that changes
// with each use, so that whoever comes late finds the door shut.
type syncWaiter struct {
	state atomic.Uint64 // token << 8 | phase
	token uint32
	snap  core.Snapshot
	woken chan struct{}
	job   job // valid in phaseJob and phaseWokenJob
}

// job is a blocking call that completes a task.
type job struct {
	task core.Task
	call func(core.Task) core.Outcome
}

const (
	phaseFresh    = iota
	phaseParked   // the caller sleeps
	phaseWoken    // the execution has ended
	phaseOffering // a job is being put in; takes a moment
	phaseJob      // the caller is to make the call
	phaseWokenJob // the execution has ended before the caller came to the call
)

var waiters = sync.Pool{New: func() any { return &syncWaiter{woken: make(chan struct{}, 1)} }}

func newWaiter() *syncWaiter {
	w := waiters.Get().(*syncWaiter)
	w.token++
	w.state.Store(w.in(phaseFresh))
	return w
}

func (w *syncWaiter) in(phase uint64) uint64 { return waiterState(w.token, phase) }

func waiterState(token uint32, phase uint64) uint64 { return uint64(token)<<8 | phase }

func (w *syncWaiter) move(from, to uint64) bool {
	return w.state.CompareAndSwap(w.in(from), w.in(to))
}

func (w *syncWaiter) phase() uint64 { return w.state.Load() & 0xff }

// offer leaves a task's blocking call to the task's own caller, which spares a
// goroutine and two switches; false when that sleeps already or is gone. Only
// a first attempt can be left: a later one may run past the caller's deadline.
func offer(t core.Task, call func(core.Task) core.Outcome) bool {
	w, ok := t.Caller.(*syncWaiter)
	if !ok || t.Attempt != 1 {
		return false
	}
	if !w.state.CompareAndSwap(waiterState(t.CallerToken, phaseFresh), waiterState(t.CallerToken, phaseOffering)) {
		return false
	}
	// Nobody leaves phaseOffering but us.
	w.job = job{task: t, call: call}
	w.state.Store(waiterState(t.CallerToken, phaseJob))
	return true
}

// Wake implements core.Waiter.
func (w *syncWaiter) Wake(s core.Snapshot) {
	w.snap = s
	for {
		switch w.phase() {
		case phaseFresh:
			if w.move(phaseFresh, phaseWoken) {
				return
			}
		case phaseJob:
			if w.move(phaseJob, phaseWokenJob) {
				return
			}
		case phaseParked:
			w.state.Store(w.in(phaseWoken))
			w.woken <- struct{}{}
			return
		default:
			runtime.Gosched()
		}
	}
}

// wait returns the ended execution.
func (w *syncWaiter) wait() core.Snapshot {
	for {
		switch w.phase() {
		case phaseFresh:
			if w.move(phaseFresh, phaseParked) {
				<-w.woken
				return w.snap
			}
		case phaseJob:
			if w.move(phaseJob, phaseFresh) {
				j := w.job
				complete(j.task, j.call(j.task))
			}
		case phaseWokenJob:
			// Ended at its deadline, say, with the call not made. Somebody must
			// still answer for the dispatch, or its slot stays taken.
			complete(w.job.task, core.Outcome{Status: core.Timeout})
			return w.snap
		case phaseWoken:
			return w.snap
		default:
			runtime.Gosched()
		}
	}
}

// waitFor is wait with a limit, for a caller whose execution is another's;
// false when the limit passed first.
func (w *syncWaiter) waitFor(limit time.Duration) (core.Snapshot, bool) {
	if !w.move(phaseFresh, phaseParked) {
		return w.wait(), true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.woken:
		return w.snap, true
	case <-timer.C:
		return core.Snapshot{}, false
	}
}

// recycle gives w back; nobody may be about to wake it.
func (w *syncWaiter) recycle() {
	w.snap, w.job = core.Snapshot{}, job{}
	waiters.Put(w)
}
