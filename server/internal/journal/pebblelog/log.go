// Package pebblelog keeps the journal's frames in a Pebble database in a
// directory.
package pebblelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"simplane/server/internal/journal"
)

// Options say where and how a log is kept.
type Options struct {
	Dir string
	// SyncEvery is the time between two syncs, and so what a loss of power may
	// cost; 0 syncs each commit. A killed process loses nothing either way.
	SyncEvery time.Duration
	// Reserve is the size of a file that is given up when the disk is full, so
	// that what was accepted can still end. 0 = none.
	Reserve int64
	// ReadOnly opens the log for Read alone.
	ReadOnly bool
	Log      *slog.Logger
	// Fatal is called when a commit has failed, or Pebble cannot go on. What the
	// disk holds is unknown then: it must not return.
	Fatal func(error)
	// FS is the file system; nil = the machine's.
	FS vfs.FS
}

// Log is a journal.Log in a directory.
type Log struct {
	o       Options
	db      *pebble.DB
	lock    *dirLock
	reserve *reserve
	pacer   *syncPacer // nil: each commit is synced
	next    uint64
	damage  []string

	key []byte // Commit's

	metricsMu sync.Mutex
	metricsAt time.Time
	metrics   *pebble.Metrics
}

// Damage says which files a log that is open for reading alone gives in part, and
// from where on not.
func (l *Log) Damage() []string { return l.damage }

// Commit implements journal.Log. A batch that only removes is written with the
// next one that adds, as far as syncing goes: lost, it is removed again after
// the next start.
func (l *Log) Commit(_ context.Context, b *journal.Batch) error {
	batch := l.db.NewBatchWithSize(b.Bytes() + 32*b.Len() + 24*len(b.Removed()) + 64)
	defer batch.Close()
	for f := range b.Frames() {
		l.key = appendFrameKey(l.key[:0], f.Place)
		_ = batch.Set(l.key, f.Value, nil) // fails on an applied batch only, as those below
	}
	for _, p := range b.Removed() {
		l.key = appendFrameKey(l.key[:0], p)
		// A key is set once in its life, so one deletion and one set cancel out
		// wherever they meet, and need no space any more.
		_ = batch.SingleDelete(l.key, nil)
	}
	if len(b.Removed()) > 0 {
		_ = batch.Set(keyNext, binary.BigEndian.AppendUint64(nil, b.Next()), nil)
	}
	how := pebble.Sync
	if b.Len() == 0 {
		how = pebble.NoSync
	}
	return batch.Commit(how)
}

// Read implements journal.Log.
func (l *Log) Read(ctx context.Context, each func(journal.Frame) error) error {
	from, _ := partitionBounds(0)
	_, end := partitionBounds(255)
	return l.read(ctx, from, end, each)
}

// ReadPartition is Read of one partition, 0 to 255: where one cannot be read,
// others may.
func (l *Log) ReadPartition(ctx context.Context, p int, each func(journal.Frame) error) error {
	from, end := partitionBounds(p)
	return l.read(ctx, from, end, each)
}

func (l *Log) read(ctx context.Context, from, end []byte, each func(journal.Frame) error) error {
	it, err := l.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: end})
	if err != nil {
		return l.unreadable(err)
	}
	for n, ok := 0, it.First(); ok; n, ok = n+1, it.Next() {
		if n%1024 == 1023 && ctx.Err() != nil { // asked to stop
			break
		}
		place, err := parseFrameKey(it.Key())
		if err != nil {
			return errors.Join(l.unreadable(err), it.Close())
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(l.unreadable(err), it.Close())
		}
		if err := each(journal.Frame{Place: place, Value: value}); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	if err := it.Close(); err != nil { // an error of First and Next too
		return l.unreadable(err)
	}
	return ctx.Err()
}

// Next implements journal.Log.
func (l *Log) Next() uint64 { return l.next }

// findNext sets next to a position after all that were given.
func (l *Log) findNext() error {
	l.next = 1
	value, closer, err := l.db.Get(keyNext)
	switch {
	case err == nil && len(value) == 8:
		l.next = binary.BigEndian.Uint64(value)
		_ = closer.Close()
	case err == nil:
		_ = closer.Close()
		return l.unreadable(fmt.Errorf("the next position has %d bytes", len(value)))
	case !errors.Is(err, pebble.ErrNotFound):
		return l.unreadable(err)
	}
	for p := range 256 {
		from, end := partitionBounds(p)
		it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: end})
		if err != nil {
			return l.unreadable(err)
		}
		if it.Last() {
			place, err := parseFrameKey(it.Key())
			if err != nil {
				return errors.Join(l.unreadable(err), it.Close())
			}
			l.next = max(l.next, place.LSN+1)
		}
		if err := it.Close(); err != nil {
			return l.unreadable(err)
		}
	}
	return nil
}

// Reclaim implements journal.Log.
func (l *Log) Reclaim(ctx context.Context) error {
	if err := l.db.Flush(); err != nil {
		return err
	}
	return l.db.Compact(ctx, []byte{'f'}, []byte{'n'}, false)
}

// Close implements journal.Log. All that was committed is synced.
func (l *Log) Close() error {
	var err error
	if l.pacer != nil {
		err = l.pacer.close()
	}
	return errors.Join(err, l.db.Close(), l.lock.release())
}
