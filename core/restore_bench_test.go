package core

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkRestore folds facts as they are stored: three of each execution, of
// which one in ten is still queued. It should grow with their number and no more.
func BenchmarkRestore(b *testing.B) {
	for _, facts := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("facts=%d", facts), func(b *testing.B) {
			stored := storedFacts(facts)
			for b.Loop() {
				j := &memJournal{}
				cfg := DefaultConfig()
				cfg.Journal, cfg.Specs = j, jsonSpecs{}
				clock := newTestClock()
				c, err := New(cfg, clock, &seqIDs{}, &script{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				r := c.Restore()
				var f Fact
				for i, s := range stored {
					err := f.Decode(s)
					if err == nil {
						err = r.Apply(LSN(i+1), &f)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				if err := r.Done(clock.Now(), nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(stored)), "ns/fact")
		})
	}
}

func storedFacts(n int) (stored [][]byte) {
	add := func(f Fact) {
		f.Function, f.Registration, f.Wall = "f", 1, epoch
		stored = append(stored, f.AppendTo(nil))
	}
	add(Fact{Kind: FactFunctionSet, Generation: 1, Data: []byte(`{"name":"f","concurrency":4,"queueSize":1000000,"maxRetries":3,"timeoutMillis":30000}`)})
	input := make([]byte, 512)
	for i := range n / 3 {
		var id ID
		binary.BigEndian.PutUint64(id[:], uint64(i))
		binary.BigEndian.PutUint64(id[8:], uint64(i)*0x9e3779b97f4a7c15)
		add(Fact{Kind: FactAccepted, ID: id, Timeout: 30e9, Input: input})
		if i%10 != 0 {
			add(Fact{Kind: FactStarted, ID: id, Attempt: 1})
			add(Fact{Kind: FactEnded, ID: id, Attempt: 1, Status: Success, Output: input[:64], InitMillis: -1})
		}
	}
	return stored
}
