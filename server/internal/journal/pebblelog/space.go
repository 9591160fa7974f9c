package pebblelog

import (
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"simplane/server/internal/journal"
)

// reserve is a file that only takes space. When the disk is full it is removed,
// so that what was accepted can end meanwhile.
type reserve struct {
	files vfs.FS
	path  string
	size  int64
	log   *slog.Logger

	mu    sync.Mutex
	there bool
}

func newReserve(files vfs.FS, path string, size int64, log *slog.Logger) *reserve {
	r := &reserve{files: files, path: path, size: size, log: log}
	r.restore()
	return r
}

// giveUp removes the file.
func (r *reserve) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.there {
		r.there = false
		r.log.Error("the journal's disk is full; new durable work is refused until there is room", "reserve", r.path)
		_ = r.files.Remove(r.path)
	}
}

// restore makes the file if it is not there and the disk has room for it, and
// reports whether it is there.
func (r *reserve) restore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.there {
		return true
	}
	// Room for the file alone would leave the disk full again.
	if usage, err := r.files.GetDiskUsage(r.files.PathDir(r.path)); err == nil && int64(usage.AvailBytes) < 2*r.size {
		if _, err := r.files.Stat(r.path); err == nil { // of the former run
			_ = r.files.Remove(r.path)
		}
		return false
	}
	f, err := r.files.Create(r.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return false
	}
	err = f.Preallocate(0, r.size)
	_ = f.Close()
	if err != nil {
		_ = r.files.Remove(r.path)
		return false
	}
	r.there = true
	return true
}

// Space implements journal.Log.
func (l *Log) Space() (journal.Space, error) {
	var s journal.Space
	usage, err := l.o.FS.GetDiskUsage(l.o.Dir)
	if err != nil {
		return s, err
	}
	s.Free, s.Used = int64(min(usage.AvailBytes, 1<<62)), int64(l.Metrics().DiskSpaceUsage())
	if l.reserve != nil {
		s.Short = !l.reserve.restore() || s.Free < l.reserve.size
	}
	return s, nil
}

// metricsAge is how old shown metrics may be: one scrape reads many of them.
const metricsAge = 500 * time.Millisecond

// Metrics are Pebble's own. They must not be changed.
func (l *Log) Metrics() *pebble.Metrics {
	l.metricsMu.Lock()
	defer l.metricsMu.Unlock()
	if l.metrics == nil || time.Since(l.metricsAt) > metricsAge {
		l.metrics, l.metricsAt = l.db.Metrics(), time.Now()
	}
	return l.metrics
}
