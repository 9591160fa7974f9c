package world

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"simplane/core"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/random"
)

// Disk is the core.Journal of a node: a disk with group commit on the virtual
// clock. A commit has all that came while the one before ran. A crash loses what
// is in no commit; of the commit that runs it loses all or nothing.
type Disk struct {
	commits  *loop.Source
	latency  int64
	maxBytes int64
	luck     random.Stream
	watch    DiskWatch
	advanced func(core.LSN) // a commit is done
	at       func(Point)

	pending []diskOp // not durable
	taken   int      // of them in the commit that runs
	running bool     // a commit runs, or begins at this instant
	life    int32    // of the process that commits
	stored  map[core.LSN]storedFact
	bytes   int64
	last    core.LSN // appended
	durable core.LSN
}

// DiskWatch is told what becomes durable, in order.
type DiskWatch interface {
	Stored(at core.LSN, f *core.Fact)
	Released(at core.LSN)
}

type diskOp struct {
	at     core.LSN
	stored []byte // nil: the fact at this place is released
}

type storedFact struct {
	at    core.LSN
	bytes []byte
}

const diskTies = 7 // see arrivalTies

func newDisk(w *World) *Disk {
	j := &w.sc.Core.Journal
	d := &Disk{
		latency: int64(j.CommitLatency), maxBytes: j.MaxBytes,
		luck: random.New(w.sc.Seed, "disk"), stored: map[core.LSN]storedFact{}, at: w.reach,
	}
	d.commits = w.loop.Source(diskTies, d.step)
	return d
}

// Append implements core.Journal.
func (d *Disk) Append(_ core.Partition, f *core.Fact) core.LSN {
	d.last++
	d.add(diskOp{d.last, f.AppendTo(nil)})
	return d.last
}

// Release implements core.Journal.
func (d *Disk) Release(_ core.Partition, l core.LSN) { d.add(diskOp{at: l}) }

// Durable implements core.Journal.
func (d *Disk) Durable() core.LSN { return d.durable }

// Room implements core.Journal.
func (d *Disk) Room() bool { return d.maxBytes == 0 || d.bytes < d.maxBytes }

// Idle says that all is durable.
func (d *Disk) Idle() bool { return len(d.pending) == 0 }

func (d *Disk) add(op diskOp) {
	d.pending = append(d.pending, op)
	if !d.running {
		d.running = true
		d.commits.In(0, d.life<<1)
	}
}

// step begins or ends a commit.
func (d *Disk) step(what int32) {
	switch {
	case what>>1 != d.life: // of a process that has crashed
	case what&1 == 0:
		d.taken = len(d.pending)
		d.commits.In(d.latency, what|1)
		d.at(commitBegins)
	default:
		d.finish()
		d.at(commitDone)
		if d.life != what>>1 {
			return // a crash has come between
		}
		if d.running = len(d.pending) > 0; d.running {
			d.commits.In(0, what&^1)
		}
		d.advanced(d.durable)
	}
}

// finish makes what is in the commit durable.
func (d *Disk) finish() {
	for _, op := range d.pending[:d.taken] {
		if op.stored == nil {
			d.bytes -= int64(len(d.stored[op.at].bytes))
			delete(d.stored, op.at)
			d.watch.Released(op.at)
			continue
		}
		d.bytes += int64(len(op.stored))
		d.stored[op.at] = storedFact{op.at, op.stored}
		d.durable = op.at
		f, err := core.DecodeFact(op.stored)
		if err != nil {
			panic(err)
		}
		d.watch.Stored(op.at, &f)
	}
	d.pending = slices.Delete(d.pending, 0, d.taken)
	d.taken = 0
}

// crash ends the process that commits.
func (d *Disk) crash() {
	if d.taken > 0 && d.luck.Hit(0.5) {
		d.finish()
	}
	d.life++
	d.pending, d.taken, d.running = nil, 0, false
	d.last = d.durable
}

// Restore applies all that is stored.
func (d *Disk) Restore(r *core.Restorer) error {
	all := slices.SortedFunc(maps.Values(d.stored), func(a, b storedFact) int { return cmp.Compare(a.at, b.at) })
	for _, s := range all {
		f, err := core.DecodeFact(s.bytes)
		if err == nil {
			err = r.Apply(s.at, &f)
		}
		if err != nil {
			return fmt.Errorf("fact %d: %w", s.at, err)
		}
	}
	return nil
}

// Specs stores specs as JSON.
type Specs struct{}

// EncodeSpec implements core.SpecCodec.
func (Specs) EncodeSpec(s *core.Spec) ([]byte, error) { return json.Marshal(s) }

// DecodeSpec implements core.SpecCodec.
func (Specs) DecodeSpec(stored []byte) (*core.Spec, error) {
	var s core.Spec
	err := json.Unmarshal(stored, &s)
	return &s, err
}
