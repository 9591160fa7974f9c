package api

import (
	"sync"
	"sync/atomic"
	"time"

	"simplane/core"
	"simplane/server/internal/dispatch"
)

// syncWaiter waits for one execution. An execution that has ended before the
// caller begins to wait, as that of a LOCAL function has, costs no channel
// operation and no switch of goroutines. Waiters are pooled: Wake's last act is
// to let the caller go.
type syncWaiter struct {
	state atomic.Uint32
	snap  core.Snapshot
	woken chan struct{}
	stop  dispatch.Stop // of the call that the caller makes itself
}

const (
	waiterFresh  = iota
	waiterParked // the caller sleeps
	waiterWoken  // the execution has ended
)

var waiters = sync.Pool{New: func() any { return &syncWaiter{woken: make(chan struct{}, 1)} }}

func newWaiter() *syncWaiter {
	w := waiters.Get().(*syncWaiter)
	w.state.Store(waiterFresh)
	w.stop.Reset()
	return w
}

// Wake implements core.Waiter. A call that the caller still makes is broken off:
// its execution has ended without it.
func (w *syncWaiter) Wake(s core.Snapshot) {
	w.snap = s
	w.stop.Now()
	if w.state.Swap(waiterWoken) == waiterParked {
		w.woken <- struct{}{}
	}
}

// park reports whether the caller has to sleep until something comes from woken.
func (w *syncWaiter) park() bool { return w.state.CompareAndSwap(waiterFresh, waiterParked) }

// wait returns the ended execution.
func (w *syncWaiter) wait() core.Snapshot {
	if w.park() {
		<-w.woken
	}
	return w.snap
}

// waitFor is wait with a limit, for a caller whose execution is another's;
// false when the limit passed first.
func (w *syncWaiter) waitFor(limit time.Duration) (core.Snapshot, bool) {
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
	}
}

// recycle gives w back; nobody may be about to wake it.
func (w *syncWaiter) recycle() {
	w.snap = core.Snapshot{}
	waiters.Put(w)
}
