package main

import (
	"context"
	"io"
	"testing"
	"time"
)

// Three replicas under load: each is stopped in order and begun again, one after the
// other, and no call is refused or lost. Then one is killed: nothing that was acknowledged
// is lost. make soak-cluster does more, and for longer.
func TestReplicasAreRolledAndKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	r, err := clustertest(context.Background(), options{
		Nodes: 3, Workers: 16, Rounds: 1, Faults: []string{"roll", "kill"}, Calm: 2 * time.Second, Seed: 1, Shape: "mixed", Progress: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	for _, w := range r.Wrong {
		t.Error(w)
	}
	if r.Acknowledged < 100 {
		t.Errorf("%d executions were acknowledged: too few for this to show anything", r.Acknowledged)
	}
}

// Inputs and outputs of nearly 4 MiB go through the engine as small ones do.
func TestLargePayloadsOutliveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a quarter of a minute")
	}
	r, err := clustertest(context.Background(), options{Nodes: 3, Workers: 4, Rounds: 1, Faults: []string{"kill"}, Calm: 2 * time.Second, Seed: 2, Shape: "large", Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	for _, w := range r.Wrong {
		t.Error(w)
	}
	if r.Acknowledged < 5 {
		t.Errorf("%d executions were acknowledged: too few for this to show anything", r.Acknowledged)
	}
}
