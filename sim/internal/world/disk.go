package world

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"simplane/core"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/random"
)

// Disk is the core.Journal of a node: a disk with group commit on the virtual
// clock. A commit has all that came while the one before ran. A crash loses what
// is in no commit; of the commit that runs it loses all or nothing. What can go
// wrong with it is in diskfaults.go.
type Disk struct {
	commits  *loop.Source
	loop     *loop.Loop
	latency  int64
	maxBytes int64
	luck     random.Stream
	watch    DiskWatch
	advanced func(core.LSN) // a commit is done
	failed   func()         // a commit has failed
	wrote    func()         // something is pending
	at       func(Point)

	pending   []diskOp // not durable
	taken     int      // of them in the commit that runs
	since     int64    // when the first fact came that is in no commit
	flight    int64    // the same of the commit that runs
	flightEnd core.LSN // its last fact
	running   bool     // a commit runs, or begins at this instant
	life      int32    // of the process that commits
	stored    map[core.LSN]storedFact
	bytes     int64
	last      core.LSN // appended
	durable   core.LSN
	faults    diskFaults
}

// DiskWatch is told what becomes durable, in order.
type DiskWatch interface {
	// Appended comes when core puts a fact into the journal.
	Appended(at core.LSN, f *core.Fact)
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
		latency: int64(j.CommitLatency), maxBytes: j.MaxBytes, loop: w.loop,
		luck: random.New(w.sc.Seed, "disk"), stored: map[core.LSN]storedFact{}, at: w.reach,
	}
	d.faults.luck = random.New(w.sc.Seed, "disk faults")
	d.failed = func() {
		w.crash()
		w.restarts.In(restartPause, 0)
	}
	d.wrote = func() {
		if w.node.recovering {
			w.reach(recoveryWrites)
		}
	}
	d.commits = w.loop.Source(diskTies, d.step)
	return d
}

// Append implements core.Journal.
func (d *Disk) Append(_ core.Partition, f *core.Fact) core.LSN {
	if d.last == max(d.flightEnd, d.durable) {
		d.since = d.loop.Now()
	}
	d.last++
	if d.watch != nil {
		d.watch.Appended(d.last, f)
	}
	d.add(diskOp{d.last, f.AppendTo(nil)})
	return d.last
}

// Release implements core.Journal.
func (d *Disk) Release(_ core.Partition, l core.LSN) { d.add(diskOp{at: l}) }

// Durable implements core.Journal.
func (d *Disk) Durable() core.LSN { return d.durable }

// Room implements core.Journal.
func (d *Disk) Room() bool { return !d.faults.isFull() && (d.maxBytes == 0 || d.bytes < d.maxBytes) }

// Gone implements core.Journal.
func (d *Disk) Gone() bool { return false }

// Idle says that all is durable.
func (d *Disk) Idle() bool { return len(d.pending) == 0 }

// Since is when the first fact came of the commit that has the fact at l, or will
// have it, ns; now if it is durable.
func (d *Disk) Since(l core.LSN) int64 {
	switch {
	case l <= d.durable:
		return d.loop.Now()
	case l <= d.flightEnd:
		return d.flight
	}
	return d.since
}

// Has says that the fact at l is stored.
func (d *Disk) Has(l core.LSN) bool { return d.stored[l].bytes != nil }

// Each calls f for every fact that is stored, in order.
func (d *Disk) Each(f func(core.LSN, *core.Fact)) {
	for _, s := range d.inOrder() {
		f(s.at, s.fact())
	}
}

func (d *Disk) inOrder() []storedFact {
	return slices.SortedFunc(maps.Values(d.stored), func(a, b storedFact) int { return cmp.Compare(a.at, b.at) })
}

func (s *storedFact) fact() *core.Fact {
	f, err := core.DecodeFact(s.bytes)
	if err != nil {
		panic(err) // core has encoded it
	}
	return &f
}

func (d *Disk) add(op diskOp) {
	d.pending = append(d.pending, op)
	if !d.running {
		d.running = true
		d.commits.In(0, d.life<<1)
	}
	d.wrote()
}

// step begins or ends a commit.
func (d *Disk) step(what int32) {
	switch {
	case what>>1 != d.life: // of a process that has crashed
	case what&1 == 0:
		d.taken = len(d.pending)
		d.flight, d.flightEnd = d.since, d.last
		d.commits.In(d.faults.slowed(d.latency), what|1)
		d.at(commitBegins)
	case d.fails():
		d.failed()
	default:
		d.finish(d.taken)
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

// finish makes the first n of what is pending durable.
func (d *Disk) finish(n int) {
	for _, op := range d.pending[:n] {
		d.faults.cache(op)
		if op.stored == nil {
			d.remove(op.at)
			d.watch.Released(op.at)
			continue
		}
		s := storedFact{op.at, op.stored}
		d.store(s)
		d.watch.Stored(op.at, s.fact())
	}
	d.faults.committed()
	d.pending = slices.Delete(d.pending, 0, n)
	d.taken = 0
}

func (d *Disk) store(s storedFact) {
	d.bytes += int64(len(s.bytes))
	d.stored[s.at] = s
	d.durable = s.at
}

func (d *Disk) remove(at core.LSN) {
	d.bytes -= int64(len(d.stored[at].bytes))
	delete(d.stored, at)
}

// crash ends the process that commits. One that recovers has been fast: all it has
// written is there, so that crashes after each write try every beginning of it.
func (d *Disk) crash(recovering bool) {
	switch {
	case recovering:
		d.finish(len(d.pending))
	case d.taken > 0 && d.luck.Hit(0.5):
		d.finish(d.taken)
	}
	d.life++
	d.pending, d.taken, d.running = nil, 0, false
	d.loseCache()
	d.last, d.flightEnd = d.durable, d.durable
}

// Restore applies all that is stored.
func (d *Disk) Restore(r *core.Restorer) error {
	for _, s := range d.inOrder() {
		if err := r.Apply(s.at, s.fact()); err != nil {
			return err
		}
	}
	d.at(factsRead)
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
