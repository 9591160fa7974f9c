package flight

import (
	"fmt"
	"sync/atomic"
	"time"

	"simplane/core"
)

// crashPace is the least time between two dumps because something is wrong.
const crashPace = time.Minute

// crashes says when the last of those was made.
type crashes struct{ last atomic.Int64 }

// OnPanic is to be deferred by whatever calls core, and dumps the rings when that
// has not come to *fine = true: there is a panic, and perhaps the end of the
// process. It does not recover. It works on nil.
func (r *Recorder) OnPanic(fine *bool) {
	if !*fine {
		r.Panicked()
	}
}

// Panicked dumps the rings because of a panic, and returns when that is done, or
// after diskPatience. It works on nil.
func (r *Recorder) Panicked() {
	if r == nil || !r.crashDue() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.dumpCrash("panic")
	}()
	select {
	case <-done:
	case <-time.After(r.patience): // where a panic comes from, locks may be held
	}
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

// Broken implements core.Alarm: the state of a function contradicts itself. The
// function's lock is held, so the dump is made elsewhere.
func (r *Recorder) Broken(fn *core.Function, why string) {
	if !r.crashDue() {
		return
	}
	name := fn.Name()
	if !r.o.Header("").Names {
		name = "" // the reason is in the recording's header
	}
	go r.dumpCrash(fmt.Sprintf("self-check of function %q: %s", name, why))
}

// crashDue says that a dump because something is wrong may be made, as it may once
// a minute.
func (r *Recorder) crashDue() bool {
	if r.o.Bytes == 0 {
		return false
	}
	now, last := time.Now().UnixNano(), r.crashes.last.Load()
	return (last == 0 || now-last >= int64(crashPace)) && r.crashes.last.CompareAndSwap(last, now)
}

// dumpCrash dumps the rings into a file because something is wrong, and logs where
// they are.
func (r *Recorder) dumpCrash(why string) {
	if name, err := r.DumpFile(why); err != nil {
		r.o.Log.Error("the flight recorder could not be dumped", "why", why, "error", err)
	} else {
		r.o.Log.Error("flight recorder dumped", "why", why, "file", name)
	}
}
