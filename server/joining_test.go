package server

import (
	"context"
	"strings"
	"testing"

	"simplane/core/cluster"
)

// refusesToJoin wants Serve to end with an error.
func (f *fixture) refusesToJoin(want ...string) {
	f.t.Helper()
	err := receive(f.t, "the end of Serve", f.served)
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			f.t.Errorf("%v, want %q", err, part)
		}
	}
	f.served = nil
}

// Another process with the name of a node that runs is refused, and takes nothing from it.
func TestClusterRefusesANameThatIsTaken(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	names := functions(c, 20)
	f := c.build(2, func(cfg *Config) { cfg.ClusterName = "n0" })
	f.begin()
	f.refusesToJoin(`node "n0" runs already`, c.nodes[0].s.member.self.Peer, "--cluster-name")
	for _, name := range names {
		c.nodes[1].invoke(name, "1").expect(200)
	}
	// One that has ended without a word, and left its name in the engine, is followed.
	third := c.build(3)
	if err := c.links[3].Renew(context.Background(), cluster.Member{Name: "n3", Life: "dead", Peer: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	third.begin()
	third.awaitReady()
	c.settle()
	c.end()
}

// A node that cannot agree on the cluster's key says what it waits for, and not for ever.
func TestClusterJoinDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	f := c.build(2, func(cfg *Config) { cfg.onKey = 300 * ms })
	c.links[2].Cut()
	f.begin()
	f.refusesToJoin("the engine has not stored a key within 300ms", "a majority of its servers")
	if !strings.Contains(f.log.String(), "waiting for the cluster's engine to store a key") {
		t.Errorf("the log says nothing:\n%s", f.log)
	}
	c.end()
}
