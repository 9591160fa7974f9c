package replica

import (
	"context"
	"errors"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// commitAll has what the instances decide committed: one batch at a time, and again
// until its outcome is known.
func (n *Node) commitAll() {
	for {
		for b := n.writer.Next(); b != nil && n.ctx.Err() == nil; b = n.writer.Next() {
			n.commit(b)
		}
		select {
		case <-n.commits:
		case <-n.ctx.Done():
			return
		}
	}
}

func (n *Node) commit(b *cluster.Batch) {
	for b != nil && n.ctx.Err() == nil {
		began := time.Now()
		ctx, cancel := context.WithTimeout(n.ctx, callTime)
		last, err := n.o.Engine.Commit(ctx, b.ID, b.Frames)
		cancel()
		var fenced *cluster.FencedError
		var refused *cluster.RefusedError
		switch {
		case err == nil:
			n.storedBytes(n.counts.committed(b, time.Since(began)))
			for _, a := range n.writer.Stored(last) {
				n.heldMu.Lock()
				h := n.byLog[a.Log]
				n.heldMu.Unlock()
				if h != nil {
					signal(h.advanced)
				}
			}
			return
		case errors.As(err, &fenced):
			n.counts.fenced.Inc()
			for _, l := range n.writer.Fenced(fenced.Partitions) {
				n.post(func(now time.Duration) { n.machine.Fenced(l.Partition(), l.Fence(), now) })
			}
			if b = n.writer.InFlight(); b == nil {
				n.refused(false) // what was refused is another's now
			}
		case errors.As(err, &refused):
			n.failed(n.writer.Fenced(refused.Partitions), err)
			b = n.writer.InFlight()
		case errors.Is(err, ErrUnknown):
			n.failed(n.writer.Abandoned(), err)
			return
		case errors.Is(err, ErrFull):
			n.refused(true)
			n.counts.refusals.Inc()
			n.pause(n.o.Timing.Again)
		default:
			n.counts.repeats.Inc()
			n.o.Log.Debug("a batch is committed again: its outcome is not known", "batch", b.ID, "error", err)
			n.pause(n.o.Timing.Again)
		}
	}
}

// failed has partitions opened anew whose journals have ended because of a commit that
// cannot be made: the others do not wait for it.
func (n *Node) failed(ended []*cluster.Log, why error) {
	var parts []core.Partition
	for _, l := range ended {
		parts = append(parts, l.Partition())
		n.post(func(now time.Duration) { n.machine.Failed(l.Partition(), l.Fence(), why, now) })
	}
	n.counts.abandoned.Inc()
	n.o.Log.Error("a batch is given up, and its partitions are opened anew", "partitions", parts, "error", why)
}
