package world

import (
	"maps"
	"slices"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// diskFaults is what is wrong with a disk at a time.
type diskFaults struct {
	luck    random.Stream
	running []*scenario.Fault // disk-… kinds
	left    int64             // while it is full: bytes that still fit
	failAt  int               // so many commits from now; 0 = none

	// While a lying disk says that commits are synced: what has really been, and
	// the commits since then.
	synced  map[core.LSN]storedFact
	reached core.LSN
	commits [][]diskOp
	open    []diskOp // of the commit that is being stored
}

// diskFault begins or ends a fault of the disk.
func (d *Disk) diskFault(f *scenario.Fault, end bool) {
	x := &d.faults
	switch {
	case !end:
		x.running = append(x.running, f)
	default:
		x.running = slices.Delete(x.running, slices.Index(x.running, f), slices.Index(x.running, f)+1)
	}
	switch {
	case f.Kind == "disk-full" && !end:
		x.left = f.Bytes
	case f.Kind == "disk-lies" && !end && x.synced == nil:
		x.trust(d)
	case f.Kind == "disk-lies" && !x.lies():
		x.synced, x.commits = nil, nil // what it had in its cache is on it now
	}
}

func (x *diskFaults) any(kind string) *scenario.Fault {
	for _, f := range x.running {
		if f.Kind == kind {
			return f
		}
	}
	return nil
}

func (x *diskFaults) isFull() bool { return x.any("disk-full") != nil }
func (x *diskFaults) lies() bool   { return x.any("disk-lies") != nil }

// slowed is how long a commit takes that begins now.
func (x *diskFaults) slowed(latency int64) int64 {
	for _, f := range x.running {
		if f.Kind == "disk-slow" {
			latency = draws.Nanos(float64(float64(latency) * f.Factor))
		}
	}
	return latency
}

// FailCommit has the nth commit from now fail, from 1.
func (d *Disk) FailCommit(n int) { d.faults.failAt = n }

// fails says that the commit that runs fails. One that does not fit stores nothing.
// What one stores whose sync fails nobody knows: all of it or nothing, as in a
// crash.
func (d *Disk) fails() bool {
	x := &d.faults
	if x.failAt--; x.failAt == 0 {
		return true
	}
	for _, f := range x.running {
		if f.Kind == "disk-failure" && x.luck.Hit(f.Share) {
			return true
		}
	}
	if !x.isFull() {
		return false
	}
	for _, op := range d.pending[:d.taken] {
		x.left -= int64(len(op.stored))
	}
	if x.left >= 0 {
		return false
	}
	d.taken, x.left = 0, 0
	return true
}

// cache notes what a disk is told to sync, and does not, if it lies.
func (x *diskFaults) cache(op diskOp) {
	if x.synced != nil {
		x.open = append(x.open, op)
	}
}

func (x *diskFaults) committed() {
	if len(x.open) > 0 {
		x.commits, x.open = append(x.commits, x.open), nil
	}
}

// newest is how many facts one may be lost from.
const newest = 20

// loseCache is what a crash does to a disk that lies: the last commits are gone,
// however many, or one of the newest facts is.
func (d *Disk) loseCache() {
	x := &d.faults
	f := x.any("disk-lies")
	if f == nil {
		return
	}
	kept, lost := len(x.commits), -1
	if f.Loses == "tail" {
		kept = x.luck.Below(kept + 1)
	} else if n := x.cached(); n > 0 {
		lost = n - 1 - x.luck.Below(min(n, newest))
	}
	d.stored, d.bytes, d.durable = map[core.LSN]storedFact{}, 0, x.reached
	for _, s := range x.synced {
		d.store(s)
	}
	d.durable = x.reached
	for _, ops := range x.commits[:kept] {
		for _, op := range ops {
			if op.stored == nil {
				d.remove(op.at)
			} else if lost--; lost != -1 {
				d.store(storedFact{op.at, op.stored})
			}
		}
	}
	x.trust(d)
}

// cached is the number of facts that are not really synced.
func (x *diskFaults) cached() (n int) {
	for _, ops := range x.commits {
		for _, op := range ops {
			if op.stored != nil {
				n++
			}
		}
	}
	return n
}

// trust says that all that is stored is really synced.
func (x *diskFaults) trust(d *Disk) {
	x.synced, x.reached, x.commits = maps.Clone(d.stored), d.durable, nil
}
