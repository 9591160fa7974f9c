package server

import (
	"testing"

	"simplane/core/cluster"
	"simplane/server/internal/peer"
)

// An instance of partition 0 that ends, or is only opened, after a later claim has begun to
// grant does not touch what that one grants.
func TestLaterClaimGrants(t *testing.T) {
	f := build(t)
	c := &membership{s: f.s, parts: map[*partition]struct{}{}}
	w := cluster.NewWriter("life", 1000, func() {})
	claimed := func(at cluster.Fence) *partition {
		folded, err := cluster.NewFolder(peer.ConfigPartition, at, nil).Done()
		if err != nil {
			t.Fatal(err)
		}
		return &partition{in: c, id: peer.ConfigPartition, log: w.Open(peer.ConfigPartition, at, folded)}
	}
	early, late := claimed(3), claimed(9)
	c.grant(early)
	c.endGrants(early)
	c.grant(late)
	granter := c.granter
	c.endGrants(early)
	c.grant(early)
	if granter == nil || c.granter != granter || c.grants != late {
		t.Fatal("an earlier claim has ended what the later one grants")
	}
	if c.endGrants(late); c.granter != nil || c.grantedBy(peer.ConfigPartition) == 0 {
		t.Error("it still grants, or has not told until when")
	}
}
