package core

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The name that gives way at the bound of bytes is the one that a scan of all names
// finds, whatever has been buried, taken, purged and expired before.
func TestLargestIsWhatAScanFinds(t *testing.T) {
	scan := func(d *deadLetters) *deadQueue {
		names := slices.Sorted(maps.Keys(d.byName))
		var most *deadQueue
		for _, name := range names {
			if q := d.byName[name]; most == nil || q.bytes > most.bytes {
				most = q
			}
		}
		return most
	}
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.MaxDeadLetters, cfg.MaxDeadLetterBytes = 3, 5000
		d := newDeadLetters(&cfg, nil)
		c := &Core{dead: d}
		next, now := uint64(0), epoch
		fns := map[string]*Function{}
		name := func(t *rapid.T) string { return fmt.Sprintf("f%d", rapid.IntRange(0, 9).Draw(t, "name")) }
		t.Repeat(map[string]func(*rapid.T){
			"bury": func(t *rapid.T) {
				n := name(t)
				if fns[n] == nil {
					fns[n] = &Function{name: n, core: c}
				}
				next++
				d.bury(&execution{id: idOf(next), fn: fns[n], status: Error, finished: now, input: make([]byte, 100*rapid.IntRange(0, 30).Draw(t, "size"))})
			},
			"take": func(t *rapid.T) {
				n := name(t)
				if q := d.byName[n]; q != nil && len(q.items) > 0 {
					d.take(n, rapid.SampledFrom(q.items).Draw(t, "letter").ID, now)
				}
			},
			"purge": func(t *rapid.T) {
				if q := d.byName[name(t)]; q != nil {
					d.forget(q)
				}
			},
			"sweep": func(t *rapid.T) {
				now += d.ttl * int64(rapid.IntRange(0, 3).Draw(t, "thirds of the TTL")) / 3
				d.sweep(now, func(name string) bool { return name < "f5" })
			},
			"": func(t *rapid.T) {
				if len(d.bySize) != len(d.byName) {
					t.Fatalf("%d names by size, %d by name", len(d.bySize), len(d.byName))
				}
				bytes := int64(0)
				for i, q := range d.bySize {
					if q.place != i || d.byName[q.name] != q {
						t.Fatalf("%s is at %d, not %d", q.name, i, q.place)
					}
					bytes += q.bytes
				}
				if bytes != d.bytes || d.bytes > d.maxBytes {
					t.Fatalf("%d bytes, counted %d of %d", bytes, d.bytes, d.maxBytes)
				}
				if want := scan(d); want != nil && d.largest() != want {
					t.Fatalf("%s with %d bytes gives way, not %s with %d", d.largest().name, d.largest().bytes, want.name, want.bytes)
				}
			},
		})
	})
}

// Dropping a letter at the bound does not look at all names: with ten thousand of
// them it takes hardly more steps than with ten.
func BenchmarkLettersAtTheirBound(b *testing.B) {
	for _, names := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.MaxDeadLetterBytes = int64(names) * letterOverhead
			d := newDeadLetters(&cfg, nil)
			c := &Core{dead: d}
			fns := make([]*Function, names)
			for i := range fns {
				fns[i] = &Function{name: fmt.Sprint("f", i), core: c}
			}
			n := 0
			for b.Loop() {
				n++
				d.bury(&execution{id: idOf(uint64(n)), fn: fns[n*7919%names], status: Error, finished: epoch})
			}
		})
	}
}
