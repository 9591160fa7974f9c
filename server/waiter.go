package server

import (
	"sync"
	"sync/atomic"
	"time"

	"simplane/core"
)

// syncWaiter waits for one execution. An execution that ends before the
// caller starts to wait, as an in-process handler's does, costs no channel
// operation and no switch of goroutines.
type syncWaiter struct {
	phase atomic.Uint32
	snap  core.Snapshot
	woken chan struct{}
}

const (
	waiterFresh = iota
	waiterParked
	waiterWoken
)

var waiters = sync.Pool{New: func() any { return &syncWaiter{woken: make(chan struct{}, 1)} }}

func newWaiter() *syncWaiter {
	w := waiters.Get().(*syncWaiter)
	w.phase.Store(waiterFresh)
	return w
}

// Wake implements core.Waiter.
func (w *syncWaiter) Wake(s core.Snapshot) {
	w.snap = s
	if w.phase.Swap(waiterWoken) == waiterParked {
		w.woken <- struct{}{}
	}
}

// wait returns the ended execution.
func (w *syncWaiter) wait() core.Snapshot {
	if w.phase.CompareAndSwap(waiterFresh, waiterParked) {
		<-w.woken
	}
	return w.snap
}

// waitFor is wait with a limit; false when the limit passed first.
func (w *syncWaiter) waitFor(limit time.Duration) (core.Snapshot, bool) {
	if !w.phase.CompareAndSwap(waiterFresh, waiterParked) {
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

// recycle gives w back; nobody may hold on to it.
func (w *syncWaiter) recycle() {
	w.snap = core.Snapshot{}
	waiters.Put(w)
}
