package world

import (
	"errors"
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/random"
)

// A process that crashes takes core, its timers, its attempts and its callers'
// connections with it. The disk stays, and a new core is made from it later.

// ErrDown is what a caller gets while there is no process to call.
var ErrDown = errors.New("connection refused: the process is down")

// node is one process at a time.
type node struct {
	boot       func() (*core.Core, error) // makes a core from what is on the disk
	clock      *lifeClock
	disk       *Disk
	life       int32
	downs      int  // crashes whose time is not over
	recovering bool // a process restores what is on the disk
	lost       bool // the process does not start any more

	reached    int   // points so far
	crashAt    []int // of them, in order
	crashIn    time.Duration
	recoveries []Span

	again int // recoveries to come that crash at a random point
	pause time.Duration
	odds  float64 // of each point of the recovery under way
	luck  random.Stream
}

// Span is a stretch of points, the first to the last.
type Span struct{ First, Last int }

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

// Points: before and after each commit, before and after what core lets out, and
// in a recovery before the facts are read, after that, after each fact or release
// that Restorer.Done writes, and after it.
const (
	commitBegins Point = iota
	commitDone         // and core has not heard of it
	dispatchBegins
	dispatchDone
	wakeBegins
	wakeDone
	recoveryBegins
	factsRead
	recoveryWrites
	recoveryDone // and nobody has called
)

// crashNow unwinds the calls of a core that has crashed.
type crashNow struct{}

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

// CrashAt has the process crash at some points, given in order, for a time each.
func (w *World) CrashAt(down time.Duration, points ...int) {
	w.node.crashAt, w.node.crashIn = points, down
}

// Points is how many points have been reached, and Recoveries which of them were
// in a recovery.
func (w *World) Points() int        { return w.node.reached }
func (w *World) Recoveries() []Span { return w.node.recoveries }

// reach counts a point, and crashes there if that was asked for.
func (w *World) reach(p Point) {
	n := &w.node
	if n.disk == nil || w.core == nil && !n.recovering {
		return
	}
	n.reached++
	if n.recovering {
		n.recoveries[len(n.recoveries)-1].Last = n.reached
	}
	down := n.crashIn
	switch {
	case len(n.crashAt) > 0 && n.reached == n.crashAt[0]:
		n.crashAt = n.crashAt[1:]
	case n.recovering && n.crashes(p):
		down = n.pause
	default:
		return
	}
	w.crash()
	w.restarts.In(int64(down), 0)
	if p > commitDone { // inside a call of core's, or of boot
		panic(crashNow{})
	}
}

// Crashed reports whether a recovered panic was a crash's.
func Crashed(p any) bool {
	_, ok := p.(crashNow)
	return ok
}

// crash ends the process, if there is one, for a time.
func (w *World) crash() {
	w.node.downs++
	w.end()
}

// end ends the process, if there is one.
func (w *World) end() {
	n := &w.node
	if w.core == nil && !n.recovering {
		return
	}
	n.disk.crash(n.recovering)
	w.core, n.recovering = nil, false
	n.life++
	n.clock.dead = true
	clear(w.deletions)
	for _, b := range w.backends {
		b.service.Forget()
	}
	w.witness.Crashed()
}

// restartTies is the stream of the restarts' tie-breaks; see arrivalTies.
const restartTies = 8

// addNode gives a world with a journal its disk.
func (w *World) addNode() (restarts *loop.Source) {
	if !w.sc.Core.Journal.Enabled {
		return nil
	}
	w.node.disk = newDisk(w)
	w.node.luck = random.New(w.sc.Seed, "recovery")
	return w.loop.Source(restartTies, w.restart)
}
