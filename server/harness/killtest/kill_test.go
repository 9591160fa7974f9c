package main

import (
	"os"
	"testing"
)

// Short lives, counted by answers and not by time.
func TestKilledAtRandomMomentsNothingIsLost(t *testing.T) {
	for _, fsync := range []string{"always", "every=20ms"} {
		r, err := killtest(t.Context(), options{Lives: 10, Answers: 120, Workers: 8, Seed: 1, Fsync: fsync, Progress: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("fsync %s: %s", fsync, r)
		if len(r.Wrong) > 0 {
			t.Errorf("fsync %s: %d things are wrong", fsync, len(r.Wrong))
		}
		if r.Acknowledged < 100 || r.Kinds["with a key"] == 0 || r.Kinds["PUT function"] == 0 || r.Unknown == 0 || r.Replayed < 100 {
			t.Errorf("fsync %s: too little happened", fsync)
		}
	}
}
