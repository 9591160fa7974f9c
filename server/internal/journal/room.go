package journal

import (
	"context"
	"sync/atomic"
	"time"
)

// room says whether there is room for new work: the log's size as it was last
// looked at, and what has been written since.
type room struct {
	used, since, free atomic.Int64
	most              int64 // 0 = no bound
	short             atomic.Bool
}

func (r *room) enough() bool {
	return !r.short.Load() && (r.most == 0 || r.used.Load()+r.since.Load() < r.most)
}

// took notes that n bytes were written.
func (r *room) took(n int) { r.since.Add(int64(n)) }

// look measures the log; that it cannot is no reason to refuse work.
func (j *Journal) look() {
	r := &j.room
	since := r.since.Load()
	s, err := j.o.Log.Space()
	if err != nil {
		j.o.Logger.Warn("the space of the journal is not known", "error", err)
		return
	}
	r.used.Store(s.Used)
	r.free.Store(s.Free)
	r.since.Add(-since)
	r.short.Store(s.Short)
}

// reclaimPause is the time between two attempts to give space back.
const reclaimPause = 5 * time.Second

// watchSpace looks at the log's size, and has removed frames given back when
// there is no room: while nothing is written, the log would not do so itself.
func (j *Journal) watchSpace() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-j.stop; cancel() }()
	tick := time.NewTicker(j.o.LookEvery)
	defer tick.Stop()
	var reclaimed time.Time
	full := false
	for {
		select {
		case <-j.stop:
			return
		case <-tick.C:
		}
		j.look()
		if !j.Room() && time.Since(reclaimed) > reclaimPause {
			if err := j.o.Log.Reclaim(ctx); err != nil && ctx.Err() == nil {
				j.o.Logger.Warn("the journal's space could not be reclaimed", "error", err)
			}
			reclaimed = time.Now()
			j.look()
		}
		if now := !j.Room(); now != full {
			if full = now; full {
				j.o.Logger.Error("the journal has no room: new durable work is refused", "used", j.room.used.Load(), "most", j.room.most, "free", j.room.free.Load())
			} else {
				j.o.Logger.Info("the journal has room again", "used", j.room.used.Load(), "free", j.room.free.Load())
			}
		}
	}
}
