package pebblelog

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"simplane/server/internal/journal"
)

// When the disk is full, the reserve is given up and the commit that met it goes
// on: nobody notices but who asks for room.
func TestTheReserveIsGivenUpForWhatWasAccepted(t *testing.T) {
	inner := vfs.NewCrashableMem()
	full := false
	files := errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if _, err := inner.Stat("data/reserve"); err == nil && full && op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	l := open(t, files, func(o *Options) { o.Reserve = 1 << 20 })
	m := newModel(map[journal.Place]string{})
	m.write(l, rand.New(rand.NewPCG(1, 1)), 10)
	full = true
	m.write(l, rand.New(rand.NewPCG(1, 2)), 10)
	if _, err := inner.Stat("data/reserve"); err == nil {
		t.Error("the reserve is still there")
	}
	crashed := open(t, inner.CrashClone(vfs.CrashCloneCfg{}))
	if at := m.at(contents(t, crashed)); at != 20 {
		t.Errorf("state %d of 20", at)
	}
	_ = crashed.Close()
	_ = l.Close()
}

// A real disk that is full and has room again.
func TestAFullDiskAndBack(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=160m"); err != nil {
		t.Skipf("no file system of a bounded size here: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	o := Options{Dir: filepath.Join(dir, "data"), Reserve: 16 << 20, Log: quiet, Fatal: func(err error) { panic(err) }}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(map[journal.Place]string{})
	m.write(l, rand.New(rand.NewPCG(2, 1)), 50)
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(block)
	}
	_ = f.Close()
	if s, err := l.Space(); err != nil || !s.Short {
		t.Errorf("on a full disk: %+v, %v", s, err)
	}
	m.write(l, rand.New(rand.NewPCG(2, 2)), 50) // into what the reserve leaves
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if s, err := l.Space(); err != nil || s.Short {
		t.Errorf("with room again: %+v, %v", s, err)
	}
	m.write(l, rand.New(rand.NewPCG(2, 3)), 50)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(o); err != nil {
		t.Fatal(err)
	}
	if at := m.at(contents(t, l)); at != 150 {
		t.Errorf("state %d of 150", at)
	}
	if err := l.Reclaim(context.Background()); err != nil {
		t.Error(err)
	}
	_ = l.Close()
}
