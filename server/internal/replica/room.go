package replica

import (
	"context"
	"sync/atomic"
	"time"
)

// room says whether the engine has room for new work: what it kept when it was asked
// last, and what this node has stored since.
type room struct {
	used, most, since atomic.Int64
	refused           atomic.Bool // the last commit was, for want of room
}

// Of what the engine can keep, new work may take three quarters: what was accepted ends,
// partitions change hands and space is given back by writes, too, and at the engine's own
// bound nothing could be written any more.
const workShare = 0.75

// roomPace is the time between two questions of how much is kept.
const roomPace = time.Second

// enough says whether new work is taken.
func (r *room) enough() bool {
	most := r.most.Load()
	return !r.refused.Load() && (most == 0 || r.used.Load()+r.since.Load() < most)
}

// watchRoom has the journals know whether there is room.
func (n *Node) watchRoom() {
	tick := time.NewTicker(roomPace)
	defer tick.Stop()
	for {
		n.measure()
		n.tellRoom()
		select {
		case <-tick.C:
		case <-n.ctx.Done():
			return
		}
	}
}

// measure asks how much is kept; not to be told is no reason to refuse work.
func (n *Node) measure() {
	ctx, cancel := context.WithTimeout(n.ctx, callTime)
	defer cancel()
	r := &n.room
	since := r.since.Load()
	used, most, err := n.o.Engine.Space(ctx)
	if err != nil {
		n.o.Log.Debug("the space that the cluster's engine has is not known", "error", err)
		return
	}
	most = int64(workShare * float64(most))
	if n.o.MaxBytes > 0 && (most == 0 || n.o.MaxBytes < most) {
		most = n.o.MaxBytes
	}
	r.used.Store(used)
	r.most.Store(most)
	r.since.Add(-since)
}

// tellRoom tells the journals, and the log when it changes.
func (n *Node) tellRoom() {
	n.roomMu.Lock()
	defer n.roomMu.Unlock()
	r := &n.room
	full := !r.enough()
	if full == n.full {
		return
	}
	n.full = full
	n.writer.SetRoom(!full)
	if full {
		n.o.Log.Error("the cluster's engine has no room: new durable work is refused", "used", r.used.Load(), "most", r.most.Load(), "refusedByEngine", r.refused.Load())
	} else {
		n.o.Log.Info("the cluster's engine has room again", "used", r.used.Load(), "most", r.most.Load())
	}
}

// storedBytes notes that so many were stored, refused whether a commit was for want of
// room.
func (n *Node) storedBytes(size int) {
	n.room.since.Add(int64(size))
	n.refused(false)
}

func (n *Node) refused(yes bool) {
	n.room.refused.Store(yes)
	n.tellRoom()
}
