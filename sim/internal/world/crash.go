package world

import (
	"errors"
	"fmt"
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
)

// A process that crashes takes core, its timers, its attempts and its callers'
// connections with it. The disk stays, and a new core is made from it later.

// ErrDown is what a caller gets while there is no process to call.
var ErrDown = errors.New("connection refused: the process is down")

// Node is one process at a time.
type node struct {
	boot  func() (*core.Core, error) // makes a core from what is on the disk
	clock *lifeClock
	disk  *Disk
	life  int32
	downs int // crashes whose time is not over

	reached int // points so far
	crashAt int // of them; 0 = none
	crashIn time.Duration
}

// lifeClock is the clock of one process: its timers do not outlive it.
type lifeClock struct {
	*Clock
	dead bool
}

// AfterFunc implements core.Clock.
func (c *lifeClock) AfterFunc(d time.Duration, f func()) core.Timer {
	return c.loop.AfterFunc(d, func() {
		if !c.dead {
			f()
		}
	})
}

// Point is a place at which a crash is worth trying.
type Point uint8

// Points: before and after each commit, and before and after what core lets out.
const (
	commitBegins Point = iota
	commitDone         // and core has not heard of it
	dispatchBegins
	dispatchDone
	wakeBegins
	wakeDone
)

// crashNow unwinds the calls of a core that has crashed.
type crashNow struct{}

// nodeWaiter waits for calls of a process that may crash before or after it is
// told.
type nodeWaiter struct{ w *World }

// Wake implements core.Waiter.
func (n nodeWaiter) Wake(s core.Snapshot) {
	n.w.reach(wakeBegins)
	n.w.witness.Wake(s)
	n.w.reach(wakeDone)
}

// Disk is the node's journal; nil without one.
func (w *World) Disk() *Disk { return w.node.disk }

// NodeClock is the clock for the core that is made next.
func (w *World) NodeClock() core.Clock {
	if w.node.disk == nil {
		return w.clock
	}
	w.node.clock = &lifeClock{Clock: w.clock}
	return w.node.clock
}

// Keeps says how the node's process is made: boot makes a core from what is on
// the disk, watch is told what becomes durable.
func (w *World) Keeps(boot func() (*core.Core, error), watch DiskWatch) {
	w.node.boot = boot
	w.node.disk.watch = watch
	w.node.disk.advanced = func(l core.LSN) {
		w.core.JournalAdvanced(l)
		w.witness.Advanced()
	}
}

// CrashAt has the process crash once, at the nth point, for a time. Points says
// how many there were.
func (w *World) CrashAt(n int, down time.Duration) { w.node.crashAt, w.node.crashIn = n, down }

// Points is how many points have been reached.
func (w *World) Points() int { return w.node.reached }

// reach counts a point, and crashes there if that was asked for.
func (w *World) reach(p Point) {
	if w.node.disk == nil || w.core == nil {
		return
	}
	w.node.reached++
	if w.node.reached != w.node.crashAt {
		return
	}
	w.crash()
	w.restarts.In(int64(w.node.crashIn), 0)
	if p > commitDone { // inside a call of core's
		panic(crashNow{})
	}
}

// Crashed reports whether a recovered panic was a crash's.
func Crashed(p any) bool {
	_, ok := p.(crashNow)
	return ok
}

func (w *World) crash() {
	w.node.downs++
	if w.core == nil {
		return
	}
	w.core = nil
	w.node.life++
	w.node.clock.dead = true
	w.node.disk.crash()
	clear(w.deletions)
	for _, b := range w.backends {
		b.service.Forget()
	}
	w.witness.Crashed()
}

// restart makes a new process, unless another crash's time is not over. The
// operator registers the functions again that are not there: nobody had been told
// that they were.
func (w *World) restart(int32) {
	if w.node.downs--; w.node.downs > 0 {
		return
	}
	c, err := w.node.boot()
	if err != nil {
		panic(fmt.Errorf("the process does not start again: %w", err))
	}
	w.core = c
	w.witness.Restarted()
	for _, b := range w.backends {
		if b.registered && c.Function(b.name) == nil {
			_ = w.register(b) // the witness judges the answer
		}
	}
}

// restartTies is the stream of the restarts' tie-breaks; see arrivalTies.
const restartTies = 8

// addNode gives a world with a journal its disk.
func (w *World) addNode() (restarts *loop.Source) {
	if !w.sc.Core.Journal.Enabled {
		return nil
	}
	w.node.disk = newDisk(w)
	return w.loop.Source(restartTies, w.restart)
}
