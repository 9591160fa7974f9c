package replica

import (
	"context"
	"errors"
	"io"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// open reads a partition that was claimed, and serves it. It ends early with ctx.
func (n *Node) open(ctx context.Context, a *cluster.Action) {
	select {
	case n.opening <- struct{}{}:
		defer func() { <-n.opening }()
	case <-ctx.Done():
		return
	}
	began := time.Now()
	h, facts, err := n.restore(ctx, a)
	if err != nil && ctx.Err() == nil {
		n.o.Log.Error("a partition cannot be served", "partition", a.Partition, "error", err)
		n.counts.openErrors.Inc()
	}
	n.post(func(now time.Duration) {
		n.opened(a.Partition, a.Fence)
		n.machine.Opened(a.Partition, a.Fence, err, now)
		if h == nil {
			return
		}
		// It may be about to be given up again: another member has come meanwhile.
		at := n.machine.Place(a.Partition, now)
		if at.Fence != a.Fence || at.State != cluster.StateOpen && at.State != cluster.StateHolding {
			n.shut(h, cluster.ErrOwner) // it has changed hands
			return
		}
		n.parts[a.Partition].Store(h)
		n.counts.opened.Inc()
		n.counts.openTime.Observe(time.Since(began).Seconds())
		n.o.Log.Debug("partition open", "partition", a.Partition, "epoch", a.Fence, "facts", facts, "took", time.Since(began).Round(time.Millisecond))
	})
}

// opened ends the opening of a partition that was claimed at fence, if it is under way.
func (n *Node) opened(p core.Partition, fence cluster.Fence) {
	if o, under := n.opens[p]; under && o.fence == fence {
		o.cancel()
		delete(n.opens, p)
	}
}

// restore builds an instance of the partition's frames. What it decides then is
// committed, but the instance is asked nothing yet, and is not ended before it is built.
func (n *Node) restore(ctx context.Context, a *cluster.Action) (*held, int, error) {
	p := a.Partition
	var before *cluster.Ownership
	if a.Record.Fence != 0 {
		before = &a.Record
	}
	folded, err := n.fold(ctx, p, a.Fence, before)
	if err != nil {
		return nil, 0, err
	}
	if ctx.Err() != nil { // the claim does not hold any more
		return nil, 0, ctx.Err()
	}
	h := &held{log: n.writer.Open(p, a.Fence, folded), advanced: make(chan struct{}, 1), ended: make(chan struct{})}
	if h.inst, err = n.o.Open(h.log, a.Record, func(at core.LSN) error { return n.stored(h, at) }); err != nil {
		n.writer.Drop(h.log)
		return nil, 0, &cluster.BrokenError{Partition: p, Why: err}
	}
	if err := apply(h.inst, p, folded); err != nil {
		n.shut(h, err)
		return nil, 0, err
	}
	n.heldMu.Lock()
	n.byLog[h.log] = h
	n.heldMu.Unlock()
	n.workers.Go(func() { n.tell(h) })
	signal(h.advanced)
	return h, len(folded.Facts), nil
}

// apply has the instance be what the facts come to. Errors wrap cluster.ErrClosed: the
// same facts would come to the same.
func apply(inst Instance, p core.Partition, folded *cluster.Folded) error {
	var fact core.Fact
	facts := folded.Facts
	for i := range facts {
		if err := fact.Decode(facts[i].Fact); err != nil {
			return folded.Unreadable(facts[i].At, err)
		}
		if err := inst.Apply(facts[i].At, &fact); err != nil {
			return &cluster.BrokenError{Partition: p, Why: err}
		}
		facts[i].Fact = nil // it is not needed twice
	}
	if err := inst.Done(); err != nil {
		return &cluster.BrokenError{Partition: p, Why: err}
	}
	return nil
}

// fold reads the frames up to the claim, again if the engine fails.
func (n *Node) fold(ctx context.Context, p core.Partition, claim cluster.Fence, before *cluster.Ownership) (*cluster.Folded, error) {
	for {
		f := cluster.NewFolder(p, claim, before)
		next, broken := n.begin(ctx, p, f) // not an error of the engine's
		var err error
		if broken == nil && !f.Complete() {
			err = n.o.Engine.Read(ctx, p, next, claim, func(at uint64, data []byte) error {
				broken = f.Add(at, data)
				return broken
			})
		}
		switch {
		case broken != nil:
			return nil, broken
		case err == nil:
			return f.Done()
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		n.o.Log.Warn("a partition is read again", "partition", p, "error", err)
		n.pause(n.o.Timing.Again)
	}
}

// fewFrames are read one by one where the last one is known: to have the engine send
// them takes several of its writes.
const fewFrames = 16

// begin reads the first frames, if there may be few, and returns from where on the
// others are. The error says that the frames are not as they must be.
func (n *Node) begin(ctx context.Context, p core.Partition, f *cluster.Folder) (next uint64, broken error) {
	if !f.Bounded() {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for i := 0; i < fewFrames && !f.Complete(); i++ {
		at, data, err := n.o.Engine.Next(ctx, p, next)
		if err != nil || at == 0 {
			break
		}
		if err := f.Add(at, data); err != nil {
			return 0, err
		}
		next = at + 1
	}
	return next, nil
}

// hold stops what is new in a partition, and waits until all that was decided is
// durable.
func (n *Node) hold(a *cluster.Action) {
	h := n.parts[a.Partition].Load()
	if h == nil || h.log.Fence() != a.Fence || !n.parts[a.Partition].CompareAndSwap(h, nil) { // it was shut
		n.machine.Fenced(a.Partition, a.Fence, n.now())
		return
	}
	h.inst.Hold()
	n.workers.Go(func() {
		for n.ctx.Err() == nil && !h.log.Gone() {
			turn := n.writer.Turn()
			if tail, sealed := n.writer.Seal(h.log); sealed {
				n.post(func(now time.Duration) { n.machine.Quiet(a.Partition, a.Fence, tail, now) })
				return
			}
			select {
			case <-turn:
			case <-n.ctx.Done():
			}
		}
	})
}

// given ends the part of this node that others wait for.
func (n *Node) given(a *cluster.Action) {
	if h := n.at(a.Partition, a.Fence); h != nil {
		n.counts.given.Inc()
		n.forget(h)
		h.inst.Given()
	}
}

// lose ends an instance at once.
func (n *Node) lose(a *cluster.Action) {
	n.opened(a.Partition, a.Fence)
	if h := n.at(a.Partition, a.Fence); h != nil {
		n.counts.lost.Inc()
		n.o.Log.Debug("a partition is not served here any more", "partition", a.Partition, "epoch", a.Fence, "error", a.Why)
		n.shutNow[a.Why.Error()]++
		n.shut(h, a.Why)
	}
}

// tellShut has the log say how many partitions were lost since it did so last: one line,
// and not one for each.
func (n *Node) tellShut() {
	for why, partitions := range n.shutNow {
		n.o.Log.Warn("partitions are not served here any more", "partitions", partitions, "error", why)
	}
	clear(n.shutNow)
}

// at finds the instance that rests on a claim.
func (n *Node) at(p core.Partition, fence cluster.Fence) *held {
	n.heldMu.Lock()
	defer n.heldMu.Unlock()
	for l, h := range n.byLog {
		if l.Partition() == p && l.Fence() == fence {
			return h
		}
	}
	return nil
}

func (n *Node) shut(h *held, why error) {
	n.parts[h.log.Partition()].CompareAndSwap(h, nil)
	n.writer.Drop(h.log)
	if n.forget(h) {
		h.inst.Shut(why)
	}
}

// forget reports whether this was the first time.
func (n *Node) forget(h *held) (first bool) {
	n.heldMu.Lock()
	delete(n.byLog, h.log)
	n.heldMu.Unlock()
	h.once.Do(func() {
		first = true
		close(h.ended)
	})
	return first
}

func (n *Node) all() []*held {
	n.heldMu.Lock()
	defer n.heldMu.Unlock()
	list := make([]*held, 0, len(n.byLog))
	for _, h := range n.byLog {
		list = append(list, h)
	}
	return list
}

// tell tells an instance of what has become durable, beside the commits.
func (n *Node) tell(h *held) {
	for {
		select {
		case <-h.advanced:
			h.inst.Advanced(h.log.Durable())
		case <-h.ended:
			return
		case <-n.ctx.Done():
			return
		}
	}
}

// Errors of waiting for a fact.
var (
	// ErrGiven says that the fact was not stored, and never will be: the partition
	// is the next owner's.
	ErrGiven = errors.New("the partition was handed over before this was stored")
	// ErrLost says that it is not known.
	ErrLost = errors.New("the partition was lost before this was known to be stored")
	// ErrLate says that it takes too long, and that it is not known.
	ErrLate = errors.New("the cluster's engine did not store this in time")
)

// stored waits until the fact at a place is durable.
func (n *Node) stored(h *held, at core.LSN) error {
	if h.log.Durable() >= at {
		return nil
	}
	late := time.NewTimer(n.o.JournalTimeout)
	defer late.Stop()
	for {
		turn := n.writer.Turn()
		switch sealed := h.log.Sealed(); {
		case h.log.Durable() >= at:
			return nil
		case sealed:
			return ErrGiven
		case h.log.Gone():
			return ErrLost
		}
		select {
		case <-turn:
		case <-late.C:
			return ErrLate
		}
	}
}

// tendPace is the time between two looks at what may be purged.
const tendPace = time.Second

// tend purges frames that nobody needs, and moves what is needed out of old ones.
func (n *Node) tend() {
	tick := time.NewTicker(tendPace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.ctx.Done():
			return
		}
		var logs []*cluster.Log
		for _, h := range n.all() {
			logs = append(logs, h.log)
		}
		for _, due := range n.writer.Purges(logs) {
			ctx, cancel := context.WithTimeout(n.ctx, callTime)
			if err := n.o.Engine.Purge(ctx, due.Partition, due.Before); err != nil {
				n.o.Log.Debug("frames were not purged", "partition", due.Partition, "error", err)
			}
			cancel()
		}
		for _, m := range n.writer.Moves(logs) {
			err := n.read(m)
			n.writer.Moved(m, err)
			if errors.Is(err, cluster.ErrClosed) {
				n.broken(m.Log, err)
			}
		}
	}
}

// broken closes a partition that is served, because what the engine keeps of it is not
// what was stored: another owner would not come to the state that this one has.
func (n *Node) broken(l *cluster.Log, why error) {
	n.o.Log.Error("a partition is closed", "partition", l.Partition(), "error", why)
	n.counts.openErrors.Inc()
	n.post(func(now time.Duration) { n.machine.Broken(l.Partition(), l.Fence(), why, now) })
}

// moveTime bounds reading what is to be moved.
const moveTime = 30 * time.Second

func (n *Node) read(m *cluster.Move) error {
	ctx, cancel := context.WithTimeout(n.ctx, moveTime)
	defer cancel()
	err := n.o.Engine.Read(ctx, m.Log.Partition(), m.From, 0, func(at uint64, data []byte) error {
		last, err := m.Add(at, data)
		if err == nil && last {
			err = io.EOF
		}
		return err
	})
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
