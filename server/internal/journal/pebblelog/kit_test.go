package pebblelog

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"simplane/server/internal/journal"
)

var quiet = slog.New(slog.DiscardHandler)

// open opens a log of a file system in memory.
func open(t *testing.T, files vfs.FS, change ...func(*Options)) *Log {
	t.Helper()
	l, err := tryOpen(files, change...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tryOpen(files vfs.FS, change ...func(*Options)) (*Log, error) {
	o := Options{Dir: "data", Log: quiet, FS: files, Fatal: func(err error) { panic(err) }}
	for _, c := range change {
		c(&o)
	}
	return Open(o)
}

// contents reads all frames.
func contents(t *testing.T, l *Log) map[journal.Place]string {
	t.Helper()
	found := map[journal.Place]string{}
	var last journal.Place
	err := l.Read(context.Background(), func(f journal.Frame) error {
		if f.Partition < last.Partition || f.Partition == last.Partition && f.LSN <= last.LSN {
			t.Errorf("frame %v after %v", f.Place, last)
		}
		last = f.Place
		found[f.Place] = string(f.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// model is what a log must hold: the state after each commit, by its number.
type model struct {
	mu     sync.Mutex
	states []map[journal.Place]string // [0] before the first commit
	acked  int                        // commits that have returned
	next   uint64                     // position of the next frame
}

func newModel(first map[journal.Place]string) *model {
	return &model{states: []map[journal.Place]string{first}}
}

// random makes the next batch, and the state after it.
func (m *model) random(rng *rand.Rand, next *uint64) *journal.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := maps.Clone(m.states[len(m.states)-1])
	b := &journal.Batch{}
	for range 1 + rng.IntN(4) {
		p := journal.Place{Partition: uint8(rng.IntN(5) * 60), LSN: *next}
		*next++
		value := fmt.Sprintf("%d:%0*d", p.LSN, rng.IntN(2000), rng.IntN(1000))
		b.Add(p, func(to []byte) []byte { return append(to, value...) })
		state[p] = value
	}
	kept := slices.SortedFunc(maps.Keys(state), func(a, b journal.Place) int { return int(a.LSN) - int(b.LSN) })
	for range rng.IntN(5) {
		p := kept[rng.IntN(len(kept))]
		if _, there := state[p]; there {
			b.Remove(p)
			delete(state, p)
		}
	}
	m.states = append(m.states, state)
	return b
}

func (m *model) ack() {
	m.mu.Lock()
	m.acked = len(m.states) - 1
	m.mu.Unlock()
}

// at is the number of the state that equals found; -1 for none.
func (m *model) at(found map[journal.Place]string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.states) - 1; i >= 0; i-- {
		if maps.Equal(m.states[i], found) {
			return i
		}
	}
	return -1
}

// write commits n random batches, one after the other.
func (m *model) write(l *Log, rng *rand.Rand, n int) {
	m.next = max(m.next, l.Next())
	for range n {
		b := m.random(rng, &m.next)
		if l.Commit(context.Background(), b) != nil {
			return
		}
		m.ack()
	}
}

// death is a Fatal after which nothing happens any more: what calls it stops
// for ever, as the whole process would.
type death struct{ of chan error }

func newDeath() death { return death{make(chan error, 1)} }

func (d death) fatal(err error) {
	select {
	case d.of <- err:
	default:
	}
	select {}
}
