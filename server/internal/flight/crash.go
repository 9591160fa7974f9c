package flight

import (
	"sync/atomic"
	"time"
)

// crashPace is the least time between two dumps after panics.
const crashPace = time.Minute

// crashes says when a panic was dumped last.
type crashes struct{ last atomic.Int64 }

// OnPanic is to be deferred by whatever calls core, and dumps the rings when that
// has not come to *fine = true: there is a panic, and perhaps the end of the
// process. It does not recover. It works on nil.
func (r *Recorder) OnPanic(fine *bool) {
	if *fine || r == nil {
		return
	}
	r.Broken("panic")
}

// Guarded is f with OnPanic.
func (r *Recorder) Guarded(f func()) func() {
	return func() {
		fine := false
		defer r.OnPanic(&fine)
		f()
		fine = true
	}
}

// Broken dumps the rings into a file because something is wrong, once a minute at
// most, and logs where they are. It returns when that is done, or after diskPatience: where
// a panic comes from, locks may be held.
func (r *Recorder) Broken(why string) {
	if r == nil || r.o.Bytes == 0 {
		return
	}
	now := time.Now().UnixNano()
	if last := r.crashes.last.Load(); last != 0 && now-last < int64(crashPace) || !r.crashes.last.CompareAndSwap(last, now) {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if name, err := r.DumpFile(why); err != nil {
			r.o.Log.Error("the flight recorder could not be dumped", "why", why, "error", err)
		} else {
			r.o.Log.Error("flight recorder dumped", "why", why, "file", name)
		}
	}()
	select {
	case <-done:
	case <-time.After(r.patience):
	}
}
