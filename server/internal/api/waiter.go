package api

import (
	"sync"
	"sync/atomic"
	"time"

	"simplane/core"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/sock"
)

// syncWaiter waits for one execution. If the execution has ended before the
// caller begins to wait, as that of a LOCAL function has, no channel
// operation and no goroutine switch is needed. Waiters are pooled: Wake must
// not touch w after it has released the caller.
type syncWaiter struct {
	state atomic.Uint32
	snap  core.Snapshot
	woken chan struct{}
	stop  sock.Stop                 // of the call that the caller makes itself
	from  atomic.Pointer[sock.Conn] // of the caller; nil when it is not to be looked at

	parked bool // of wait and task: woken is to be read
}

const (
	waiterFresh  = iota
	waiterParked // the caller sleeps
	waiterWoken  // the execution has ended
)

var waiters = sync.Pool{New: func() any { return &syncWaiter{woken: make(chan struct{}, 1)} }}

// newWaiter is for a caller on a connection, which may be nil: then it is taken
// to stay.
func newWaiter(from *sock.Conn) *syncWaiter {
	w := waiters.Get().(*syncWaiter)
	w.state.Store(waiterFresh)
	w.stop.Reset()
	w.from.Store(from)
	return w
}

// Gone implements core.Leaver. Core may ask late, when w has gone back to the
// pool and belongs to another call: that answer decides nothing, since the
// execution it is about has ended.
func (w *syncWaiter) Gone() bool {
	from := w.from.Load()
	return from != nil && from.HasLeft()
}

// Wake implements core.Waiter. It breaks off the caller's own call if that
// still runs: the execution has ended without it.
func (w *syncWaiter) Wake(s core.Snapshot) {
	w.snap = s
	w.stop.Now()
	if w.state.Swap(waiterWoken) == waiterParked {
		w.woken <- struct{}{}
	}
}

// park reports whether the caller has to wait for a value from woken.
func (w *syncWaiter) park() bool { return w.state.CompareAndSwap(waiterFresh, waiterParked) }

// wait returns the ended execution.
func (w *syncWaiter) wait() core.Snapshot {
	if w.parked || w.park() {
		<-w.woken
	}
	return w.snap
}

// task waits for an attempt of a raw call, or for the end of its execution.
func (w *syncWaiter) task(way *dispatch.RawCall) (t core.Task, ended bool) {
	if !w.parked && !w.park() {
		return t, true
	}
	w.parked = true
	select {
	case <-w.woken:
		return t, true
	case t = <-way.Tasks():
		return t, false
	}
}

// waitFor is wait with a limit, for a caller that has joined another
// request's execution; false when the limit passed first, or lost or given is closed.
func (w *syncWaiter) waitFor(limit time.Duration, lost, given <-chan struct{}) (core.Snapshot, bool) {
	if !w.park() {
		return w.snap, true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.woken:
		return w.snap, true
	case <-timer.C:
		return core.Snapshot{}, false
	case <-lost:
		return core.Snapshot{}, false
	case <-given:
		return core.Snapshot{}, false
	}
}

// recycle returns w to the pool; no Wake may still be due.
func (w *syncWaiter) recycle() {
	w.snap, w.parked = core.Snapshot{}, false
	w.from.Store(nil)
	waiters.Put(w)
}
