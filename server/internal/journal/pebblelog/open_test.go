package pebblelog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"simplane/server/internal/journal"
)

func TestASecondProcessIsToldWhoHasIt(t *testing.T) {
	if dir := os.Getenv("PEBBLELOG_OPEN"); dir != "" {
		_, err := Open(Options{Dir: dir, Log: quiet})
		fmt.Print(err)
		return
	}
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestASecondProcessIsToldWhoHasIt$")
	cmd.Env = append(os.Environ(), "PEBBLELOG_OPEN="+dir)
	said, err := cmd.CombinedOutput()
	want := fmt.Sprintf("data directory %s: process %d has it open", dir, os.Getpid())
	if err != nil || !strings.Contains(string(said), want) {
		t.Errorf("the second process says %q (%v), want %q", said, err, want)
	}
	_, err = Open(Options{Dir: dir, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second log of this process: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pid after closing: %v", err)
	}
	l, err = Open(Options{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	put := func(files vfs.FS, name, text string) {
		if err := files.MkdirAll("data", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(files, "data", name, text); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(vfs.FS) vfs.FS
		is      error
		says    string
	}{
		{"newer", func(fs vfs.FS) vfs.FS { put(fs, "format", formatPrefix+"2\n"); return fs }, ErrNewer, "format 2, this one knows 1"},
		{"foreign", func(fs vfs.FS) vfs.FS { put(fs, "format", "hello"); return fs }, nil, "no format of simplane's"},
		{"incomplete", func(fs vfs.FS) vfs.FS {
			if err := fs.MkdirAll("data/journal", 0o700); err != nil {
				t.Fatal(err)
			}
			return fs
		}, nil, "no file named format"},
		{"full", failing(syscall.ENOSPC), syscall.ENOSPC, "the disk is full"},
		{"read-only", failing(syscall.EROFS), syscall.EROFS, "the file system is read-only"},
		{"forbidden", failing(syscall.EACCES), syscall.EACCES, "this user may not use it"},
	} {
		l, err := tryOpen(c.prepare(vfs.NewMem()))
		if err == nil {
			_ = l.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "data directory data: ") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// failing is a file system in which nothing can be written.
func failing(err syscall.Errno) func(vfs.FS) vfs.FS {
	return func(fs vfs.FS) vfs.FS {
		return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return &os.PathError{Op: "create", Path: op.Path, Err: err}
			}
			return nil
		}))
	}
}

// In the first log of writes of a new directory, too, damage is told from the
// end that a crash has cut, once more has been synced behind it. So it is after
// syncs at intervals and an open without.
func TestDamageAmidTheNewestLogIsRefused(t *testing.T) {
	for name, pace := range map[string]time.Duration{"new": 0, "paced before": time.Hour} {
		files := vfs.NewCrashableMem()
		if pace > 0 {
			_ = open(t, files, func(o *Options) { o.SyncEvery = pace }).Close()
		}
		l := open(t, files)
		for lsn := range uint64(60) {
			b := &journal.Batch{}
			b.Add(journal.Place{LSN: l.Next() + lsn}, func(to []byte) []byte { return append(to, make([]byte, 2000)...) })
			if err := l.Commit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		killed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 5))})
		_ = l.Close()
		names, err := killed.List("data/journal")
		if err != nil {
			t.Fatal(err)
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
		newest := "data/journal/" + slices.Max(names)
		f, err := killed.OpenReadWrite(newest, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("damage"), 40_000); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if l, err := tryOpen(killed); err == nil {
			t.Errorf("%s: opened with %d of 60 frames", name, len(contents(t, l)))
			_ = l.Close()
		} else if !strings.Contains(err.Error(), "the journal cannot be read: "+newest+": ") {
			t.Errorf("%s: %v", name, err)
		}
		// What comes before it can be read.
		l = open(t, killed, func(o *Options) { o.ReadOnly = true })
		found := contents(t, l)
		if told := l.Damage(); len(found) != 19 || len(told) != 1 || !strings.HasPrefix(told[0], newest+": damaged after byte ") {
			t.Errorf("%s: %d frames, %q", name, len(found), told)
		}
		_ = l.Close()
	}
}

// A byte that has changed on disk is found, said with its file, and changes
// nothing.
func TestACorruptFileIsRefusedAndNamed(t *testing.T) {
	for _, kind := range []string{".sst", ".log"} {
		dir := t.TempDir()
		l, err := Open(Options{Dir: dir, Log: quiet, Fatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		m := newModel(map[journal.Place]string{})
		rng := rand.New(rand.NewPCG(1, 4))
		m.write(l, rng, 200)
		if kind == ".sst" {
			if err := l.Reclaim(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		// As a killed process leaves it: Close would flush the log.
		copied := t.TempDir()
		if err := os.CopyFS(copied+"/data", os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		names, err := filepath.Glob(copied + "/data/journal/*" + kind)
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s: %v", kind, err)
		}
		for _, name := range names {
			flip(t, name)
		}
		l, err = Open(Options{Dir: copied + "/data", Log: quiet, Fatal: func(err error) { t.Error(err) }})
		if err == nil {
			err = l.Read(context.Background(), func(journal.Frame) error { return nil })
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "the journal cannot be read") || !strings.Contains(err.Error(), "journal check") {
			t.Errorf("%s: %v", kind, err)
		} else {
			t.Logf("%s: %v", kind, err)
		}
	}
}

// flip changes a byte a third into what a file holds.
func flip(t *testing.T, name string) {
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	used := len(raw)
	for used > 0 && raw[used-1] == 0 {
		used--
	}
	if used == 0 {
		return
	}
	raw[used/3] ^= 0xff
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
