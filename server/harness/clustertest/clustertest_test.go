package main

import (
	"context"
	"io"
	"testing"
	"time"
)

// experimentOf runs one, and requires that nothing went wrong and that it could have.
func experimentOf(t *testing.T, o options, least int) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	o.Nodes, o.Rounds, o.Calm, o.Progress = 3, 1, 2*time.Second, io.Discard
	r, err := clustertest(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	for _, w := range r.Wrong {
		t.Error(w)
	}
	if r.Acknowledged < least {
		t.Errorf("%d executions were acknowledged: too few for this to show anything", r.Acknowledged)
	}
}

// Three replicas under load: each is stopped in order and begun again, one after the
// other, and no call is refused or lost. Then one is killed: nothing that was acknowledged
// is lost. make soak-cluster does more, and for longer.
func TestReplicasAreRolledAndKilled(t *testing.T) {
	experimentOf(t, options{Workers: 16, Faults: []string{"roll", "kill"}, Seed: 1, Shape: "mixed"}, 100)
}
