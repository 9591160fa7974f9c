package jetstream

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"simplane/core"
	"simplane/core/cluster"
)

// Of several that claim a partition at the same place one wins.
func TestOneOfManyClaimsWins(t *testing.T) {
	s, stream := cluster3(t), name(t)
	engines := []*Engine{s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)}
	var seen cluster.Fence
	for range 4 {
		var all sync.WaitGroup
		fences := make([]cluster.Fence, 6)
		for i := range fences {
			all.Go(func() {
				var err error
				fences[i], err = engines[i%3].Claim(within(t), 7, owner(string(rune('a'+i))), seen)
				if err != nil && !errors.Is(err, cluster.ErrOvertaken) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		won := slices.DeleteFunc(fences, func(f cluster.Fence) bool { return f == 0 })
		if len(won) != 1 || won[0] <= seen {
			t.Fatalf("claims at %d: won %v", seen, won)
		}
		seen = won[0]
	}
}

func TestClaimIsCarriedOutOnce(t *testing.T) {
	s, stream := cluster3(t), name(t)
	a := s.engine(t, stream, 0)
	first := claim(t, a, 3, "a", 0)
	if again := claim(t, a, 3, "a", 0); again != first {
		t.Errorf("the same claim again: %d, not %d", again, first)
	}
	freed, err := a.Free(within(t), 3, cluster.Ownership{Name: "a", Life: "a-life", Free: true, Tail: &cluster.Tail{Seq: 9, Sum: 8}}, first)
	if err != nil || freed <= first {
		t.Fatalf("free: %d, %v", freed, err)
	}
	if _, err := a.Claim(within(t), 3, owner("b"), first); !errors.Is(err, cluster.ErrOvertaken) {
		t.Errorf("claim at what was freed: %v", err)
	}
	claim(t, a, 3, "b", freed)
}

// A batch with a fence that does not hold is refused whole, and all of those
// partitions are named. What remains is stored by the next call.
func TestStaleBatchIsRefusedWhole(t *testing.T) {
	s, stream := cluster3(t), name(t)
	a, b := s.engine(t, stream, 0), s.engine(t, stream, 1)
	at := map[core.Partition]cluster.Fence{}
	for p := core.Partition(0); p < 5; p++ {
		at[p] = claim(t, a, p, "a", 0)
	}
	batch := func(partitions ...core.Partition) (frames []cluster.StoredFrame) {
		for _, p := range partitions {
			frames = append(frames, frame(p, at[p], "one"), frame(p, at[p], "two"))
		}
		return frames
	}
	if _, err := a.Commit(within(t), "first", batch(0, 1, 2, 3, 4)); err != nil {
		t.Fatal(err)
	}
	claim(t, b, 1, "b", at[1])
	newest := claim(t, b, 4, "b", at[4])
	_, err := a.Commit(within(t), "second", batch(0, 1, 2, 3, 4))
	var fenced *cluster.FencedError
	if !errors.As(err, &fenced) || !slices.Equal(fenced.Partitions, []core.Partition{1, 4}) {
		t.Fatalf("a stale batch: %v", err)
	}
	last, err := a.Commit(within(t), "third", batch(0, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	if last == 0 {
		t.Error("the place of the last frame is not known")
	}
	if got := kept(t, b, 4, newest); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("partition 4 has %v", got)
	}
	again := claim(t, b, 3, "b", at[3])
	if got := kept(t, b, 3, again); !slices.Equal(got, []string{"one", "two", "one", "two"}) {
		t.Errorf("partition 3 has %v", got)
	}
}

// The same batch again, as after an unknown outcome, also by others and after the
// partition has been claimed, is known to be stored and is stored once.
func TestBatchIsStoredOnce(t *testing.T) {
	s, stream := cluster3(t), name(t)
	a, b := s.engine(t, stream, 0), s.engine(t, stream, 1)
	at := claim(t, a, 0, "a", 0)
	frames := []cluster.StoredFrame{frame(0, at, "x"), frame(0, at, "y")}
	last, err := a.Commit(within(t), "id", frames)
	if err != nil || last != uint64(at)+2 {
		t.Fatalf("first: %d after %d, %v", last, at, err)
	}
	for _, e := range []*Engine{a, b} {
		if again, err := e.Commit(within(t), "id", frames); again != last || err != nil {
			t.Errorf("again: %d, not %d, %v", again, last, err)
		}
	}
	newest := claim(t, b, 0, "b", at)
	if again, err := a.Commit(within(t), "id", frames); again != last || err != nil {
		t.Errorf("again, after a claim: %d, not %d, %v", again, last, err)
	}
	if last := a.placeOf(within(t), "never stored", frames); last != 0 {
		t.Errorf("the place of what was never stored: %d", last)
	}
	if got := kept(t, b, 0, claim(t, b, 0, "c", newest)); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("kept: %v", got)
	}
}
