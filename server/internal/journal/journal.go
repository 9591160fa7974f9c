// Package journal makes core's facts durable: it gathers what core appends
// while the last commit runs, and commits it as one batch.
package journal

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"simplane/core"
)

// Options size a Journal.
type Options struct {
	Log Log
	// Timeout is how long a commit may take until those who wait for it are
	// told that its outcome is unknown. > 0.
	Timeout time.Duration
	// MaxBytes is what the log may take on its disk before there is no room for
	// new work; 0 = as much as there is.
	MaxBytes int64
	// Advanced is told after each commit up to where facts are durable. Calls
	// come one at a time.
	Advanced func(core.LSN)
	// Fatal is called when a commit has failed: nothing is known about what the
	// log holds. It must not return.
	Fatal  func(error)
	Logger *slog.Logger
	// Space of the log is looked at this often; 0 = each second.
	LookEvery time.Duration
}

// Journal implements core.Journal over a Log. One goroutine commits all that
// was appended while its last commit ran; it never waits for more to come.
type Journal struct {
	o Options

	mu        sync.Mutex
	filling   *Batch // takes what is appended
	spare     *Batch // empty, for the next turn
	flight    *Batch // being committed; nil = none
	flightEnd core.LSN
	next      core.LSN
	closed    bool

	wake, advanced chan struct{} // of capacity 1
	stop           chan struct{}
	workers        sync.WaitGroup
	durable        atomic.Uint64
	room           room
	counts         Counts
}

// releasesAlone is how many releases are committed although no fact comes with
// them.
const releasesAlone = 1024

// Start begins to commit. Restore must have read the log before.
func Start(o Options) *Journal {
	if o.LookEvery == 0 {
		o.LookEvery = time.Second
	}
	j := &Journal{
		o: o, filling: &Batch{}, spare: &Batch{}, next: core.LSN(o.Log.Next()),
		wake: make(chan struct{}, 1), advanced: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	j.filling.next, j.counts, j.room.most = o.Log.Next(), newCounts(), o.MaxBytes
	j.durable.Store(uint64(j.next) - 1)
	j.look()
	j.workers.Go(func() {
		defer close(j.advanced)
		j.commitAll()
	})
	j.workers.Go(j.tellAll)
	j.workers.Go(j.watchSpace)
	return j
}

// Append implements core.Journal.
func (j *Journal) Append(p core.Partition, f *core.Fact) core.LSN {
	j.mu.Lock()
	lsn := j.next
	j.next++
	b := j.filling
	first := len(b.places) == 0
	b.Add(Place{uint8(p), uint64(lsn)}, f.AppendTo)
	if first {
		j.begin(b)
	}
	j.mu.Unlock()
	if first {
		signal(j.wake)
	}
	return lsn
}

// begin makes b a batch that can be waited for.
func (j *Journal) begin(b *Batch) {
	settled, late := make(chan struct{}), make(chan struct{})
	b.settled, b.late = settled, late
	timer := time.AfterFunc(j.o.Timeout, func() { close(late) })
	b.settle = func() { timer.Stop(); close(settled) }
}

// Release implements core.Journal. It rides in the next commit.
func (j *Journal) Release(p core.Partition, l core.LSN) {
	j.mu.Lock()
	b := j.filling
	b.Remove(Place{uint8(p), uint64(l)})
	b.next = uint64(j.next)
	due := len(b.removed) == releasesAlone
	j.mu.Unlock()
	if due {
		signal(j.wake)
	}
}

// Durable implements core.Journal.
func (j *Journal) Durable() core.LSN { return core.LSN(j.durable.Load()) }

// Room implements core.Journal.
func (j *Journal) Room() bool { return j.room.enough() }

// Gone implements core.Journal: a data directory has one process only.
func (j *Journal) Gone() bool { return false }

// Wait returns nil when the fact at lsn is durable. The error is
// ErrUnavailable when its commit takes longer than the timeout, or ctx ends: it
// is not known then whether it becomes durable.
func (j *Journal) Wait(ctx context.Context, lsn core.LSN) error {
	if lsn <= j.Durable() {
		return nil
	}
	j.mu.Lock()
	b := j.filling
	if j.flight != nil && lsn <= j.flightEnd {
		b = j.flight
	}
	if lsn <= j.Durable() {
		j.mu.Unlock()
		return nil
	}
	settled, late := b.settled, b.late // nil, and so for ever, only if nothing was appended
	j.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-late:
	case <-ctx.Done():
	}
	return ErrUnavailable
}

// Sync waits until everything appended so far is durable, as Wait does.
func (j *Journal) Sync(ctx context.Context) error {
	j.mu.Lock()
	last := j.next - 1
	j.mu.Unlock()
	return j.Wait(ctx, last)
}

// commitAll commits until the journal is closed and nothing is left.
func (j *Journal) commitAll() {
	for {
		for j.commit() {
		}
		select {
		case <-j.wake:
		case <-j.stop:
			for j.commit() {
			}
			return
		}
	}
}

// commit commits what was appended since the last one; false when that is
// nothing.
func (j *Journal) commit() bool {
	j.mu.Lock()
	b := j.filling
	if len(b.places) == 0 && len(b.removed) < releasesAlone && !(j.closed && len(b.removed) > 0) {
		j.mu.Unlock()
		return false
	}
	j.filling, j.spare = j.spare, nil
	j.filling.next = uint64(j.next)
	end := j.next - 1
	j.flight, j.flightEnd = b, end
	j.mu.Unlock()

	began := time.Now()
	if err := j.o.Log.Commit(context.Background(), b); err != nil {
		j.o.Fatal(fmt.Errorf("the journal could not be written, and what its files hold is unknown: %w", err))
		return false // Fatal returns in tests only
	}
	j.counts.committed(b, time.Since(began))
	j.room.took(b.Bytes())
	facts := b.Len() > 0
	j.mu.Lock()
	if facts {
		j.durable.Store(uint64(end))
	}
	j.flight = nil
	settle := b.settle
	b.reset()
	j.spare = b
	j.mu.Unlock()
	if facts {
		settle()
		signal(j.advanced)
	}
	return true
}

// tellAll tells core of what has become durable, beside the next commit.
func (j *Journal) tellAll() {
	told := uint64(0)
	for range j.advanced {
		if durable := j.durable.Load(); durable > told {
			told = durable
			j.o.Advanced(core.LSN(durable))
		}
	}
}

// Close commits what is left and closes the log. Nothing may be appended any
// more.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	j.workers.Wait()
	return j.o.Log.Close()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one
	}
}
