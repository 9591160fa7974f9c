package pebblelog

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// syncPacer syncs the files of the write-ahead log at intervals, in place of
// Pebble, which would after each commit. Pebble still writes them at each commit,
// so that a killed process loses nothing.
type syncPacer struct {
	every time.Duration
	fatal func(error)

	mu    sync.Mutex
	dirty map[*pacedFile]struct{}
	stop  chan struct{}
	done  chan struct{}
}

func newSyncPacer(every time.Duration, fatal func(error)) *syncPacer {
	p := &syncPacer{every: every, fatal: fatal, dirty: map[*pacedFile]struct{}{}, stop: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	return p
}

func (p *syncPacer) run() {
	defer close(p.done)
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			if err := p.sync(); err != nil {
				p.fatal(fmt.Errorf("the journal's files could not be synced: %w", explained(err)))
			}
		}
	}
}

func (p *syncPacer) sync() (err error) {
	p.mu.Lock()
	var due []*pacedFile
	for f := range p.dirty {
		due = append(due, f)
	}
	clear(p.dirty)
	p.mu.Unlock()
	for _, f := range due {
		err = errors.Join(err, f.syncNow())
	}
	return err
}

// close syncs what is left.
func (p *syncPacer) close() error {
	close(p.stop)
	<-p.done
	return p.sync()
}

// pacedFS has the files of the write-ahead log synced by a pacer. All others are
// synced when Pebble asks.
type pacedFS struct {
	vfs.FS
	pacer *syncPacer
}

func (fs pacedFS) Unwrap() vfs.FS { return fs.FS }

func (fs pacedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.paced(name, f), err
}

func (fs pacedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, c)
	return fs.paced(to, f), err
}

func (fs pacedFS) paced(name string, f vfs.File) vfs.File {
	if f == nil || !strings.HasSuffix(name, ".log") {
		return f
	}
	return &pacedFile{File: f, pacer: fs.pacer}
}

type pacedFile struct {
	vfs.File
	pacer *syncPacer

	mu     sync.Mutex // closing against syncing
	closed bool
}

func (f *pacedFile) later() error {
	f.pacer.mu.Lock()
	f.pacer.dirty[f] = struct{}{}
	f.pacer.mu.Unlock()
	return nil
}

func (f *pacedFile) Sync() error                { return f.later() }
func (f *pacedFile) SyncData() error            { return f.later() }
func (f *pacedFile) SyncTo(int64) (bool, error) { return true, f.later() }

func (f *pacedFile) syncNow() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	return f.File.SyncData()
}

// Close syncs: Pebble goes on with the next file, and the order of losses must
// be that of the commits.
func (f *pacedFile) Close() error {
	f.pacer.mu.Lock()
	delete(f.pacer.dirty, f)
	f.pacer.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return errors.Join(f.File.SyncData(), f.File.Close())
}
