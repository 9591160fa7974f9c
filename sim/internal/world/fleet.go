package world

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
)

// fleet simulates the provider of one scaled function: it starts and stops
// instances as it is asked, and gives dispatches to those that are ready. A dispatch for which none is free waits there, first come first
// served.
type fleet struct {
	w        *World
	b        *backend
	startup  time.Duration
	capacity int

	wanted   int
	ready    int
	starting []*loop.Timer // newest last
	stalled  int           // due to be ready, but the provider is out
	busy     int           // dispatches that run
	waiting  []waitingTask
	outages  int    // running ones
	usage    *usage // nil unless modelled

	// Time integral of instances that exist: ns.
	changedAt, area int64
}

// waitingTask is a dispatch without an instance.
type waitingTask struct {
	task core.Task
	at   int64 // virtual ns
	cold bool  // no instance was ready
}

// set is what a provider does when it is asked for n instances. The newest go
// first, those that start before those that are ready; what runs on one that
// goes may finish.
func (f *fleet) set(n int) {
	if f.outages > 0 {
		return // the call is lost
	}
	f.elapse()
	f.wanted = n
	for f.ready+len(f.starting) < n {
		f.start()
	}
	for f.ready+len(f.starting) > n && len(f.starting) > 0 {
		last := len(f.starting) - 1
		f.starting[last].Stop()
		f.starting = f.starting[:last]
	}
	f.becomes(min(f.ready, n))
}

func (f *fleet) start() {
	var t *loop.Timer
	t = f.w.loop.AfterFunc(f.startup, func() {
		f.elapse()
		for i, other := range f.starting {
			if other == t {
				f.starting = append(f.starting[:i], f.starting[i+1:]...)
				break
			}
		}
		if f.outages > 0 {
			f.stalled++
			return
		}
		f.becomes(f.ready + 1)
	})
	f.starting = append(f.starting, t)
}

// becomes changes how many are ready, tells core, and starts waiting dispatches.
func (f *fleet) becomes(ready int) {
	if ready == f.ready {
		return
	}
	f.useCPU()
	f.ready = ready
	f.w.core.ReplicasReady(f.b.name, ready)
	f.serve()
}

// outage begins or ends a time in which calls to the provider are lost and no
// instance becomes ready.
func (f *fleet) outage(ends bool) {
	if !ends {
		f.outages++
		return
	}
	f.outages--
	for ; f.outages == 0 && f.stalled > 0; f.stalled-- {
		f.elapse()
		f.start()
	}
}

// elapse brings the time integral up to now.
func (f *fleet) elapse() {
	f.area += (f.w.loop.Now() - f.changedAt) * int64(f.ready+len(f.starting)+f.stalled)
	f.changedAt = f.w.loop.Now()
}

// take gives a dispatch to an instance; false when it has to wait.
func (f *fleet) take(t core.Task) bool {
	if len(f.waiting) == 0 && f.busy < f.ready*f.capacity {
		f.runs(1)
		return true
	}
	f.waiting = append(f.waiting, waitingTask{task: t, at: f.w.loop.Now(), cold: f.ready == 0})
	return false
}

// runs counts a dispatch that begins or ends.
func (f *fleet) runs(by int) {
	f.useCPU()
	f.busy += by
}

func (f *fleet) useCPU() { f.usage.elapse(f.w.loop.Now(), f.busy, f.ready) }

// done frees an instance's place.
func (f *fleet) done() {
	f.runs(-1)
	f.serve()
}

func (f *fleet) serve() {
	for len(f.waiting) > 0 && f.busy < f.ready*f.capacity {
		w := f.waiting[0]
		f.waiting = f.waiting[1:]
		if f.w.loop.Now()-w.at >= int64(w.task.Timeout) {
			continue // core has ended it
		}
		f.runs(1)
		o := f.w.success()
		if w.cold {
			o.ColdStart, o.Init = true, f.startup
		}
		f.w.perform(f.b, w.task, o)
	}
}

// close ends what waits, as a provider does when its function is deleted.
func (f *fleet) close() {
	f.elapse()
	for _, t := range f.starting {
		t.Stop()
	}
	f.useCPU()
	f.starting, f.stalled, f.ready, f.wanted = nil, 0, 0, 0
	waiting := f.waiting
	f.waiting = nil
	for i := range waiting {
		f.w.deliver(waiting[i].task, core.Outcome{Status: core.Error, Code: CodeFailed, Message: f.w.tokens.text("deleted ", 24)})
	}
}

// SetReplicas implements core.Scaler.
func (w *World) SetReplicas(fn *core.Function, n int) {
	w.backends[fn.Handle().(Handle).Number()].fleet.set(n)
}

func (w *World) newFleet(b *backend) *fleet {
	p := &b.decl.Provider
	return &fleet{w: w, b: b, startup: p.Startup, capacity: p.Capacity, usage: newUsage(p), changedAt: w.loop.Now()}
}
