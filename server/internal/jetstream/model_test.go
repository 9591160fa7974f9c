package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// history is what several members did to an engine and what they were told. A
// claim, a batch or a giving-up that was answered is known; of others only that they
// may have happened.
type history struct {
	mu      sync.Mutex
	records map[core.Partition][]record
	batches []batch
}

// record is an ownership record that an engine said to have stored.
type record struct{ seen, at cluster.Fence }

type batch struct {
	id      string
	frames  map[core.Partition]cluster.Fence // with which epoch
	outcome string
}

const (
	allStored     = "stored"
	nothingStored = "refused"
	notKnown      = "unknown"
)

// modelFrame is what a frame says of itself.
type modelFrame struct {
	Batch string
	Epoch cluster.Fence
	N     int // two frames of each partition in a batch
}

// store is the part of an engine that the model needs; a process may be behind it.
type store interface {
	Claim(context.Context, core.Partition, cluster.Ownership, cluster.Fence) (cluster.Fence, error)
	Free(context.Context, core.Partition, cluster.Ownership, cluster.Fence) (cluster.Fence, error)
	Commit(context.Context, string, []cluster.StoredFrame) (uint64, error)
	Read(context.Context, core.Partition, uint64, cluster.Fence, func(uint64, []byte) error) error
	Newest(context.Context, core.Partition) (cluster.Fence, error)
}

// inProcess is a store of an engine here.
type inProcess struct{ *Engine }

func (e inProcess) Newest(ctx context.Context, p core.Partition) (cluster.Fence, error) {
	m, err := e.newest(ctx, e.frames, e.subjects.own(p))
	if m == nil {
		return 0, err
	}
	return cluster.Fence(m.Sequence), err
}

// member claims, commits and gives up at random until ctx ends. It steals, too: a
// claim needs nobody's leave. newest is how it learns of others, as a watch would.
type member struct {
	name     string
	engine   func() store
	h        *history
	draw     *rand.Rand
	owned    map[core.Partition]cluster.Fence
	newest   func(core.Partition) cluster.Fence
	of       int // partitions
	timeout  time.Duration
	nextID   int
	repeated int
}

func (m *member) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		switch n := m.draw.IntN(10); {
		case n < 3 || len(m.owned) == 0:
			m.claim(ctx, t)
		case n < 4:
			m.free(ctx, t)
		default:
			m.commit(ctx, t)
		}
	}
}

// known calls f until its outcome is known or ctx has ended.
func (m *member) known(ctx context.Context, f func(context.Context, store) error) error {
	for {
		one, cancel := context.WithTimeout(ctx, m.timeout)
		err := f(one, m.engine())
		cancel()
		var fenced *cluster.FencedError
		if err == nil || errors.Is(err, cluster.ErrOvertaken) || errors.As(err, &fenced) || ctx.Err() != nil {
			return err
		}
		m.repeated++
		time.Sleep(5 * time.Millisecond)
	}
}

func (m *member) claim(ctx context.Context, t *testing.T) {
	p := core.Partition(m.draw.IntN(m.of))
	seen := m.newest(p)
	m.write(ctx, t, p, seen, owner(m.name))
}

func (m *member) free(ctx context.Context, t *testing.T) {
	for p, at := range m.owned {
		o := owner(m.name)
		o.Free = true
		m.write(ctx, t, p, at, o)
		delete(m.owned, p)
		return
	}
}

func (m *member) write(ctx context.Context, t *testing.T, p core.Partition, seen cluster.Fence, o cluster.Ownership) {
	var at cluster.Fence
	err := m.known(ctx, func(ctx context.Context, e store) (err error) {
		if o.Free {
			at, err = e.Free(ctx, p, o, seen)
		} else {
			at, err = e.Claim(ctx, p, o, seen)
		}
		return err
	})
	if err != nil {
		return
	}
	if !o.Free {
		m.owned[p] = at
	}
	m.h.mu.Lock()
	m.h.records[p] = append(m.h.records[p], record{seen, at})
	m.h.mu.Unlock()
}

func (m *member) commit(ctx context.Context, t *testing.T) {
	m.nextID++
	b := batch{id: fmt.Sprintf("%s-%d", m.name, m.nextID), frames: map[core.Partition]cluster.Fence{}, outcome: notKnown}
	var frames []cluster.StoredFrame
	for n := range 2 {
		for p, at := range m.owned {
			if n == 0 && len(b.frames) < 4 {
				b.frames[p] = at
			} else if b.frames[p] == 0 {
				continue
			}
			data, _ := json.Marshal(modelFrame{b.id, at, n})
			frames = append(frames, cluster.StoredFrame{Partition: p, Fence: at, Data: data})
		}
	}
	err := m.known(ctx, func(ctx context.Context, e store) error {
		_, err := e.Commit(ctx, b.id, frames)
		return err
	})
	var fenced *cluster.FencedError
	switch {
	case err == nil:
		b.outcome = allStored
	case errors.As(err, &fenced):
		b.outcome = nothingStored
		for _, p := range fenced.Partitions {
			if b.frames[p] == 0 {
				t.Errorf("batch %s is refused for partition %d, of which it has nothing", b.id, p)
			}
			delete(m.owned, p)
		}
		if len(fenced.Partitions) == 0 {
			t.Errorf("batch %s is refused for nothing", b.id)
		}
	case ctx.Err() == nil:
		t.Errorf("batch %s: %v", b.id, err)
	}
	m.h.mu.Lock()
	m.h.batches = append(m.h.batches, b)
	m.h.mu.Unlock()
}

// check holds what members were told against what is in the stream.
func (h *history) check(t *testing.T, e store, of int) {
	t.Helper()
	met := map[string]map[core.Partition]int{} // frames of each batch
	for p := range core.Partition(of) {
		seen, end := takeOver(t, e, p)
		h.chain(t, p, seen)
		var last modelFrame
		var next cluster.Fence
		err := e.Read(within(t), p, 0, end, func(at uint64, data []byte) error {
			var f modelFrame
			if err := json.Unmarshal(data, &f); err != nil {
				return err
			}
			if f.Epoch < last.Epoch {
				t.Errorf("partition %d: epoch %d after %d", p, f.Epoch, last.Epoch)
			}
			if f.Epoch != last.Epoch {
				next = h.after(p, f.Epoch)
			}
			if at < uint64(f.Epoch) || next != 0 && at > uint64(next) {
				t.Errorf("partition %d: a frame of epoch %d at %d, though the next record is at %d", p, f.Epoch, at, next)
			}
			if (f.N == 1) != (last.Batch == f.Batch && last.N == 0) && f.N == 1 {
				t.Errorf("partition %d: the second frame of %s follows %v", p, f.Batch, last)
			}
			if met[f.Batch] == nil {
				met[f.Batch] = map[core.Partition]int{}
			}
			met[f.Batch][p]++
			last = f
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range h.batches {
		var whole, absent = true, true
		for p := range b.frames {
			whole = whole && met[b.id][p] == 2
			absent = absent && met[b.id][p] == 0
		}
		switch {
		case b.outcome == allStored && !whole, b.outcome == nothingStored && !absent, !whole && !absent:
			t.Errorf("batch %s, %s, of partitions %v: frames %v", b.id, b.outcome, b.frames, met[b.id])
		}
	}
	records := 0
	for _, r := range h.records {
		records += len(r)
	}
	count := h.count()
	t.Logf("%d ownership records; batches: %v", records, count)
	if count[allStored] == 0 || count[nothingStored] == 0 {
		t.Error("the members met no case worth a test")
	}
}

// takeOver claims a partition in place of its newest record, which may change still
// by what a member has left on its way.
func takeOver(t *testing.T, e store, p core.Partition) (seen, at cluster.Fence) {
	t.Helper()
	for {
		seen, err := e.Newest(within(t), p)
		if err != nil {
			t.Fatal(err)
		}
		at, err := e.Claim(within(t), p, owner("checker"), seen)
		if err == nil {
			return seen, at
		}
		if !errors.Is(err, cluster.ErrOvertaken) {
			t.Fatal(err)
		}
	}
}

// count is how many batches had each outcome so far.
func (h *history) count() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := map[string]int{}
	for _, b := range h.batches {
		count[b.outcome]++
	}
	return count
}

// chain: each record took the place of the one before it, from none to the newest.
// Records of unknown outcome may be missing, which shows as a seen place that nobody
// was told of.
func (h *history) chain(t *testing.T, p core.Partition, newest cluster.Fence) {
	t.Helper()
	records := slices.Clone(h.records[p])
	slices.SortFunc(records, func(a, b record) int { return int(a.at) - int(b.at) })
	// A member that repeats what it has done, since its watch is late, is told the same.
	records = slices.Compact(records)
	var last cluster.Fence
	for _, r := range records {
		if r.seen >= r.at || r.seen < last {
			t.Errorf("partition %d: a record at %d in place of the one at %d, after one at %d", p, r.at, r.seen, last)
		}
		last = r.at
	}
	if last > newest {
		t.Errorf("partition %d: a record was stored at %d, the newest is at %d", p, last, newest)
	}
}

// after is the first known record of p after a place.
func (h *history) after(p core.Partition, at cluster.Fence) (next cluster.Fence) {
	for _, r := range h.records[p] {
		if r.at > at && (next == 0 || r.at < next) {
			next = r.at
		}
	}
	return next
}

// TestModel: members at several engines claim the same few partitions, commit and
// give up, while the stream's lead goes from server to server. What they were told
// is what is kept: epochs never interleave, a batch is kept whole or not at all, and
// nothing acknowledged is missing.
func TestModel(t *testing.T) {
	s, stream := cluster3(t), name(t)
	h := &history{records: map[core.Partition][]record{}}
	const partitions = 6
	enough := 60
	if testing.Short() {
		enough = 10
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	var first *Engine
	for i := range 3 {
		e := s.engine(t, stream, i)
		first = e
		w := watchAll(t, e)
		newest := func(p core.Partition) cluster.Fence {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.owners[p].Fence
		}
		for j := range 2 {
			m := &member{
				name: fmt.Sprintf("m%d-%d", i, j), engine: func() store { return inProcess{e} }, h: h,
				draw:  rand.New(rand.NewPCG(uint64(i), uint64(j))),
				owned: map[core.Partition]cluster.Fence{}, newest: newest, of: partitions, timeout: 5 * time.Second,
			}
			all.Go(func() { m.run(ctx, t) })
		}
	}
	for ctx.Err() == nil && h.count()[nothingStored] < enough {
		stepDown(t, first, stream)
		time.Sleep(300 * time.Millisecond)
	}
	cancel()
	all.Wait()
	h.check(t, inProcess{first}, partitions)
}
