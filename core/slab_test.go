package core

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"unsafe"
)

// Nobody gets what somebody else has, however many take at once.
func TestSlabHandsOutEachValueOnce(t *testing.T) {
	const workers, each = 4, 5000
	var s slab[uint64]
	taken := make([][][]uint64, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				v := s.take(1 + i%3)
				for j := range v {
					if v[j] != 0 {
						t.Error("not zero")
					}
					v[j] = uint64(w*each+i) + 1
				}
				taken[w] = append(taken[w], v)
			}
		})
	}
	wg.Wait()
	for w := range taken {
		for i, v := range taken[w] {
			if len(v) != 1+i%3 || cap(v) != len(v) {
				t.Fatalf("%d values with room for %d, want %d", len(v), cap(v), 1+i%3)
			}
			for _, x := range v {
				if x != uint64(w*each+i)+1 {
					t.Fatal("somebody else wrote into a value that was taken")
				}
			}
		}
	}
}

func TestSlabBlocksGrowFromOneValueToTheBound(t *testing.T) {
	var s slab[[64]byte]
	sizes := []int{}
	for range 400 {
		s.take(1)
		if n := len(s.current.Load().items); len(sizes) == 0 || sizes[len(sizes)-1] != n {
			sizes = append(sizes, n)
		}
	}
	if sizes[0] != 1 || sizes[1] != 2 || sizes[len(sizes)-1] != slabBytes/64 {
		t.Errorf("blocks of %v values, want 1, 2, ... %d", sizes, slabBytes/64)
	}
}

func TestKeepCopies(t *testing.T) {
	var s slab[byte]
	for _, n := range []int{0, 1, 40, slabBytes / 8, slabBytes/8 + 1, 1 << 20} {
		lent := bytes.Repeat([]byte{7}, n)
		kept := keep(&s, lent)
		clear(lent)
		if len(kept) != n || bytes.Count(kept, []byte{7}) != n {
			t.Errorf("%d bytes: %d kept, %d of them right", n, len(kept), bytes.Count(kept, []byte{7}))
		}
		if _ = append(kept, 9); n > 0 && n < slabBytes/8 {
			if next := keep(&s, []byte{7}); next[0] != 7 || unsafe.SliceData(next) == unsafe.SliceData(kept) {
				t.Error("appending to what was kept reached its neighbour")
			}
		}
	}
	if keep(&s, nil) != nil {
		t.Error("nothing became something")
	}
}

// What is dropped in order is given back: only the newest block stays.
func TestSlabKeepsNoDroppedBlock(t *testing.T) {
	var s slab[[64]byte]
	var freed sync.WaitGroup
	first := &s.take(1)[0]
	freed.Add(1)
	runtime.AddCleanup(first, func(int) { freed.Done() }, 0)
	for range 400 {
		s.take(1)
	}
	done := make(chan struct{})
	go func() { freed.Wait(); close(done) }()
	for {
		runtime.GC()
		select {
		case <-done:
			return
		default:
			runtime.Gosched()
		}
	}
}
