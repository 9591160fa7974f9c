package pebblelog

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardFS ends the process at the first failure of the write-ahead log. Pebble
// cannot go on after one either, but says so with a panic in places.
type guardFS struct {
	vfs.FS
	guard *guard
}

type guard struct {
	armed atomic.Bool // after Open, which returns its errors
	fatal func(error)
}

// check returns err, if the guard is not armed.
func (g *guard) check(err error) error {
	if err != nil && g.armed.Load() {
		g.fatal(fmt.Errorf("the journal could not be written, and what its files hold is unknown: %w", explained(err)))
	}
	return err
}

func (fs guardFS) Unwrap() vfs.FS { return fs.FS }

func (fs guardFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.guarded(name, f, err)
}

func (fs guardFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, c)
	return fs.guarded(to, f, err)
}

// OpenDir is for syncing the directory, without which a new file may be lost.
func (fs guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{f, fs.guard}, nil
}

func (fs guardFS) guarded(name string, f vfs.File, err error) (vfs.File, error) {
	switch {
	case !strings.HasSuffix(name, ".log"):
		return f, err
	case err != nil:
		return nil, fs.guard.check(err)
	}
	return &guardedFile{f, fs.guard}, nil
}

type guardedFile struct {
	vfs.File
	guard *guard
}

func (f *guardedFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, f.guard.check(err)
}

func (f *guardedFile) Sync() error     { return f.guard.check(f.File.Sync()) }
func (f *guardedFile) SyncData() error { return f.guard.check(f.File.SyncData()) }
func (f *guardedFile) Close() error    { return f.guard.check(f.File.Close()) }

func (f *guardedFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, f.guard.check(err)
}
