package replica

import (
	"context"
	"errors"
	"time"

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
