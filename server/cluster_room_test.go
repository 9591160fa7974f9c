package server

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simplane/core"
)

// enqueueUntilFull has work accepted until it is refused for want of room, and returns
// what was accepted.
func (f *fixture) enqueueUntilFull(name, input string, most int) (ids []string) {
	f.t.Helper()
	for range most {
		a := f.do("POST", "/v1/functions/"+name+":enqueue", input)
		if a.status != http.StatusAccepted {
			a.refused(http.StatusServiceUnavailable, "JOURNAL_FULL")
			return ids
		}
		ids = append(ids, a.str("executionId"))
	}
	f.t.Fatalf("%d were accepted", most)
	return nil
}

// At journalMaxBytes the nodes of a cluster refuse new durable work, and say so. What was
// accepted ends, other work goes on, and there is room again when executions expire.
func TestClusterRefusesWorkForWhichThereIsNoRoom(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, func(cfg *Config) {
		cfg.JournalMaxBytes, cfg.Core.TTL, cfg.Core.CleanupTTL, cfg.Core.IdempotencyTTL = 2<<20, 4*time.Second, 2*time.Second, time.Second
	})
	f := c.nodes[0]
	f.register("big", "LOCAL", `"queueSize":100000`)
	input := fmt.Sprintf(`{"input":%q}`, strings.Repeat("x", 100<<10))
	ids := f.enqueueUntilFull("big", input, 500)
	if len(ids) < 5 {
		t.Errorf("%d were accepted", len(ids))
	}
	owner, other := c.owner("big")
	for _, i := range []int{owner, other} {
		n := c.nodes[i]
		n.do("POST", "/v1/functions/big:invoke", input).expect(200)
		n.do("POST", "/v1/functions/big:enqueue", input, "X-Durability", "memory").expect(202)
		names := 0
		n.eventually("functions are refused, too", func() bool { // by whatever node: each asks once a second
			f.do("POST", "/v1/functions/big:enqueue", input) // what was accepted may have expired
			names++
			a := n.do("PUT", fmt.Sprintf("/v1/functions/n%d-%d", i, names), `{"executionMode":"LOCAL"}`)
			return a.status == http.StatusServiceUnavailable && a.str("error") == "JOURNAL_FULL"
		})
		n.eventually("its metrics say so", func() bool {
			f.do("POST", "/v1/functions/big:enqueue", input)
			page := string(n.get("/actuator/prometheus").body)
			return strings.Contains(page, "simplane_cluster_engine_full 1\n") && strings.Contains(page, fmt.Sprintf("simplane_cluster_engine_bytes_limit %v\n", float64(2<<20)))
		})
	}
	for _, id := range ids {
		f.eventually("what was accepted has ended", func() bool {
			a := f.get("/v1/executions/" + id)
			return a.status == http.StatusNotFound || a.expect(200).str("status") == "success" // it may have expired meanwhile
		})
	}
	f.eventually("there is room again", func() bool {
		return f.do("POST", "/v1/functions/big:enqueue", input).status == http.StatusAccepted
	})
}

// Where the engine itself has no room, what is decided waits. Nothing is lost: when there
// is room it is stored, once.
func TestClusterWaitsForAnEngineThatIsFull(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, func(cfg *Config) { cfg.JournalTimeout = 300 * ms })
	f := c.nodes[0]
	var ran atomic.Int64
	for _, n := range c.nodes {
		n.s.HandleLocal("fn", func(task core.Task) ([]byte, error) {
			if string(task.Input) == "2" {
				ran.Add(1)
			}
			return task.Input, nil
		})
	}
	f.register("fn", "LOCAL", `"queueSize":100000`)
	id := f.do("POST", "/v1/functions/fn:enqueue", `{"input":1}`).expect(202).str("executionId")
	f.eventually("it has ended", func() bool { return f.get("/v1/executions/"+id).expect(200).str("status") == "success" })
	c.hub.Bound(1) // what is there stays
	key := []string{"Idempotency-Key", "k"}
	f.do("POST", "/v1/functions/fn:enqueue", `{"input":2}`, key...).refused(http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
	owner, other := c.owner("fn")
	for _, i := range []int{owner, other} {
		c.nodes[i].do("POST", "/v1/functions/fn:enqueue", `{"input":3}`).refused(http.StatusServiceUnavailable, "JOURNAL_FULL")
	}
	f.do("POST", "/v1/functions/fn:invoke", `{"input":4}`).expect(200)
	c.hub.Bound(0)
	f.eventually("new work is taken", func() bool {
		return f.do("POST", "/v1/functions/fn:enqueue", `{"input":5}`).status == http.StatusAccepted
	})
	again := f.do("POST", "/v1/functions/fn:enqueue", `{"input":2}`, key...).expect(202)
	if again.str("executionId") == "" {
		t.Errorf("%s", again.body)
	}
	f.eventually("what waited has ended", func() bool {
		return f.get("/v1/executions/"+again.str("executionId")).expect(200).str("status") == "success"
	})
	if n := ran.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	for i := range c.nodes {
		c.stop(i)
	}
}
