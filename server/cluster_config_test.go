package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"simplane/server/internal/peer"
)

const runtimePath = "/v1/admin/runtime-config"

// setRate changes the rate limit, through node i, of the configuration at a revision.
func (c *trio) setRate(i, revision, rate int) *answer {
	c.t.Helper()
	return c.nodes[i].do("PATCH", runtimePath, fmt.Sprintf(`{"expectedRevision":%d,"rateMaxPerSecond":%d}`, revision, rate))
}

// isLimit waits until a node has a rate limit in force.
func (f *fixture) isLimit(rate int) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("the limit is %d", rate), func() bool { return f.s.member.limiter.Limit() == int64(rate) })
}

// ofConfig is the node that has the configuration, and another one.
func (c *trio) ofConfig() (owner, other int) {
	c.t.Helper()
	return c.ownerOf(peer.ConfigPartition)
}

// cutOff cuts node i off, and waits until node j has the configuration.
func (c *trio) cutOff(i, j int) {
	c.t.Helper()
	c.links[i].Cut()
	c.nodes[j].eventually("another one has the configuration", func() bool { return c.nodes[j].get(runtimePath).status == http.StatusOK })
	f := c.nodes[i]
	f.eventually("it does not serve", func() bool { return f.get("/actuator/health/readiness").status == http.StatusServiceUnavailable })
}

func (c *trio) end() {
	for i, f := range c.nodes {
		if f.served != nil {
			c.stop(i)
		}
	}
}

// announcedRevision is that of the configuration that the engine has; 0 = none.
func (c *trio) announcedRevision() (revision, announcements int) {
	c.t.Helper()
	raw, n := c.hub.Announced(configKey)
	var s struct{ Revision int }
	if err := json.Unmarshal(raw, &s); err != nil && n > 0 {
		c.t.Fatalf("announced is %q: %v", raw, err)
	}
	return s.Revision, n
}

// What the owner of the configuration tells late, when another one has it, does not take
// the place of what that one has told.
func TestClusterKeepsTheNewestConfiguration(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, shortLeases)
	i, j := c.ofConfig()
	gate := make(chan struct{})
	c.links[i].Announcing(gate)
	c.setRate(i, 1, 100).expect(200)
	c.cutOff(i, j)
	c.nodes[j].isLimit(100) // acknowledged, though nobody was told of it
	c.setRate(j, 2, 200).expect(200)
	c.nodes[j].eventually("it is announced", func() bool { r, _ := c.announcedRevision(); return r == 3 })
	_, before := c.announcedRevision()
	close(gate)
	c.links[i].Heal()
	c.nodes[i].eventually("the late announcement is made", func() bool { _, n := c.announcedRevision(); return n > before })
	if r, _ := c.announcedRevision(); r != 3 {
		t.Errorf("the engine has revision %d, and revision 3 was acknowledged", r)
	}
	c.nodes[i].isLimit(200)
	f := c.build(2, shortLeases)
	f.begin()
	f.awaitReady()
	f.isLimit(200)
	c.end()
}

// The owner of the configuration hears of its own changes late. What it hears takes the
// place of nothing newer, and the next change rests on the newest values.
func TestClusterConfigurationChangesRestOnTheNewest(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	i, _ := c.ofConfig()
	gate := make(chan struct{})
	c.links[i].Telling(gate)
	c.setRate(i, 1, 100).expect(200)
	c.nodes[i].eventually("it is announced", func() bool { r, _ := c.announcedRevision(); return r == 2 })
	hold := make(chan struct{})
	c.links[i].Announcing(hold)
	c.setRate(i, 2, 200).expect(200)
	f, told := c.nodes[i], c.links[i].Told()
	gate <- struct{}{} // revision 2
	f.eventually("revision 2 has been told", func() bool { return c.links[i].Told() > told })
	if got := f.get(runtimePath).expect(200); got.num("rateMaxPerSecond") != 200 || got.num("revision") != 3 {
		t.Errorf("%s", got.body)
	}
	if got := f.s.member.limiter.Limit(); got != 200 {
		t.Errorf("%d is in force", got)
	}
	if got := c.nodes[i].do("PATCH", runtimePath, `{"expectedRevision":3,"syncQueueMaxDepth":77}`).expect(200); got.num("rateMaxPerSecond") != 200 {
		t.Errorf("the change of the queue has set the rate back: %s", got.body)
	}
	close(hold)
	close(gate)
	for _, f := range c.nodes {
		f.isLimit(200)
	}
	c.end()
}

// A change that was never acknowledged, since it was not stored, is not in force while it
// is not, and not after the node has lost the configuration.
func TestClusterChangeThatIsNotStoredIsNotInForce(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, shortLeases, func(cfg *Config) { cfg.JournalTimeout = 300 * ms })
	i, j := c.ofConfig()
	c.setRate(j, 1, 100).expect(200)
	for _, f := range c.nodes {
		f.isLimit(100)
	}
	c.hub.Bound(1) // nothing more is stored
	c.setRate(i, 2, 7).refused(http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
	if got := c.nodes[i].s.member.limiter.Limit(); got != 100 {
		t.Errorf("%d is in force, and was not stored", got)
	}
	c.cutOff(i, j)
	if got := c.nodes[i].s.member.limiter.Limit(); got != 100 {
		t.Errorf("%d is in force where the configuration is lost, and was not stored", got)
	}
	c.hub.Bound(0)
	c.links[i].Heal()
	f := c.nodes[i]
	f.awaitServing()
	c.settle()
	for range 2 {
		got := f.get(runtimePath).expect(200)
		want := int64(got.num("rateMaxPerSecond"))
		if want != 100 || got.num("revision") != 2 {
			t.Errorf("%s", got.body)
		}
		for n, f := range c.nodes {
			if got := f.s.member.limiter.Limit(); got != want {
				t.Errorf("node %d has %d in force, and the configuration is %d", n, got, want)
			}
		}
	}
	c.end()
}

// A change that was acknowledged is in force at once where it was made, and on every
// node soon, however soon its owner is lost, and after all nodes have ended.
func TestClusterChangeThatWasAcknowledgedHolds(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, shortLeases)
	rate := 1000
	for revision := 1; revision <= 3; revision++ {
		i, j := c.ofConfig()
		c.setRate(j, revision, rate).expect(200)
		if got := c.nodes[i].s.member.limiter.Limit(); got != int64(rate) {
			t.Errorf("acknowledged, and %d is in force", got)
		}
		hold := make(chan struct{})
		c.links[i].Announcing(hold) // what is not told yet its owner never tells
		c.cutOff(i, j)
		for n, f := range c.nodes {
			if n != i {
				f.isLimit(rate)
			}
		}
		c.links[i].Announcing(nil)
		close(hold)
		c.links[i].Heal()
		c.nodes[i].awaitServing()
		c.settle()
		c.nodes[i].isLimit(rate)
		rate += 10
	}
	c.end()
	last := rate - 10
	for n := 3; n < 5; n++ {
		c.build(n, shortLeases)
	}
	for _, f := range c.nodes[3:] {
		f.begin()
	}
	for _, f := range c.nodes[3:] {
		f.awaitReady()
		f.isLimit(last)
		for _, owned := range f.s.member.cores() {
			if got := owned.RateMaxPerSecond(); got != int64(last) {
				t.Fatalf("a core has %d", got)
			}
		}
	}
	if got := c.nodes[3].get(runtimePath).expect(200); got.num("revision") != 4 || got.num("rateMaxPerSecond") != float64(last) {
		t.Errorf("%s", got.body)
	}
	c.end()
}
