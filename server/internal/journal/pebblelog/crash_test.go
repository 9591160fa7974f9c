package pebblelog

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"simplane/server/internal/journal"
)

// What survives a loss of power at any moment is the state after some commit,
// the last acknowledged one or one that was under way.
func TestPowerLossKeepsWhatWasAcknowledged(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		files := vfs.NewCrashableMem()
		l := open(t, files)
		state := map[journal.Place]string{}
		for life := range 4 {
			m := newModel(state)
			writer := make(chan struct{})
			go func() {
				defer close(writer)
				m.write(l, rand.New(rand.NewPCG(seed, uint64(life))), 60)
			}()
			// A clone between two commits and one within, as it happens.
			stopAt := rng.IntN(60)
			for {
				m.mu.Lock()
				acked := m.acked
				m.mu.Unlock()
				if acked >= stopAt {
					break
				}
				time.Sleep(50 * time.Microsecond)
			}
			m.mu.Lock()
			ackedBefore := m.acked
			m.mu.Unlock()
			crashed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
			<-writer
			next := l.Next()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			files = crashed
			l = open(t, files)
			found := contents(t, l)
			at := m.at(found)
			if at < ackedBefore {
				t.Fatalf("seed %d, life %d: after a crash there is state %d (-1 = none); %d commits had been acknowledged", seed, life, at, ackedBefore)
			}
			for p := range found {
				if p.LSN >= l.Next() {
					t.Fatalf("seed %d: the next position is %d, and %d is taken", seed, l.Next(), p.LSN)
				}
			}
			if l.Next() < next {
				t.Fatalf("seed %d: the next position fell from %d to %d", seed, next, l.Next())
			}
			state = found
		}
		_ = l.Close()
	}
}

// Syncing at intervals may lose the last commits at a loss of power, and then
// only those: what is left is the state after some commit. It can be opened
// whether syncs are at intervals from then on or not.
func TestPowerLossWithSyncsAtIntervals(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 2))
		files, state := vfs.NewCrashableMem(), map[journal.Place]string{}
		for life := range 4 {
			l := open(t, files, func(o *Options) { o.SyncEvery = time.Millisecond })
			m := newModel(state)
			m.write(l, rng, 80)
			crashed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
			again := crashed.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
			killed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
			_ = l.Close()
			for what, fs := range map[string]vfs.FS{"power": crashed, "kill": killed, "close": files} {
				l := open(t, fs)
				at := m.at(contents(t, l))
				if at < 0 || what != "power" && at != 80 {
					t.Errorf("seed %d, life %d, %s: state %d after 80 commits", seed, life, what, at)
				}
				_ = l.Close()
			}
			files = again
			l = open(t, files, func(o *Options) { o.ReadOnly = true })
			if at, told := m.at(contents(t, l)), l.Damage(); at < 0 || len(told) > 0 {
				t.Errorf("seed %d, life %d: read only there is state %d, and %q", seed, life, at, told)
			}
			_ = l.Close()
			l = open(t, files, func(o *Options) { o.SyncEvery = time.Millisecond })
			state = contents(t, l)
			if m.at(state) < 0 {
				t.Errorf("seed %d, life %d: no state after any commit", seed, life)
			}
			_ = l.Close()
		}
	}
}

// A write or sync that fails ends the log with what it said; nothing that was
// acknowledged is lost, and nothing is half there.
func TestFailingWritesAndSyncs(t *testing.T) {
	for op, kinds := range map[string][]errorfs.OpKind{
		"write": {errorfs.OpFileWrite},
		"sync":  {errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo},
	} {
		for at := range int64(6) {
			inner := vfs.NewCrashableMem()
			var armed atomic.Bool
			var count atomic.Int64
			files := errorfs.Wrap(inner, errorfs.InjectorFunc(func(o errorfs.Op) error {
				if armed.Load() && slices.Contains(kinds, o.Kind) && count.Add(1) > 3*at {
					return &os.PathError{Op: "write", Path: o.Path, Err: syscall.EIO}
				}
				return nil
			}))
			end, done := newDeath(), make(chan struct{})
			l := open(t, files, func(o *Options) { o.Fatal = end.fatal })
			m := newModel(map[journal.Place]string{})
			armed.Store(true)
			go func() {
				defer close(done)
				m.write(l, rand.New(rand.NewPCG(uint64(at), 3)), 500)
			}()
			select {
			case err := <-end.of:
				if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "journal") {
					t.Errorf("%s: the error is %v", op, err)
				}
			case <-done:
				t.Errorf("%s at %d: %d commits, and nothing has failed", op, at, m.acked)
			}
			m.mu.Lock()
			acked := m.acked
			m.mu.Unlock()
			crashed := inner.CrashClone(vfs.CrashCloneCfg{})
			again := open(t, crashed)
			if found := m.at(contents(t, again)); found < acked {
				t.Errorf("%s at %d: state %d of %d acknowledged", op, at, found, acked)
			}
			_ = again.Close()
		}
	}
}

// Reading ends soon after it is asked to, and says so.
func TestReadingCanBeStopped(t *testing.T) {
	l := open(t, vfs.NewMem())
	defer l.Close()
	b := &journal.Batch{}
	for i := range uint64(5000) {
		b.Add(journal.Place{Partition: 7, LSN: i + 1}, func(to []byte) []byte { return append(to, 'x') })
	}
	if err := l.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	read := 0
	err := l.Read(ctx, func(journal.Frame) error { cancel(); read++; return nil })
	if !errors.Is(err, context.Canceled) || read > 1024 {
		t.Errorf("%v after %d frames", err, read)
	}
}
