package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// isClosed waits until node i keeps the partition of a function closed, and checks that
// it says so where operators look, that it does so once, and that others are served.
func (c *trio) isClosed(i int, name string, others []string, why ...string) {
	c.t.Helper()
	f, p := c.nodes[i], core.PartitionOf(name)
	var st struct {
		Partitions []struct{ State, Error string }
	}
	f.eventually("the partition is closed", func() bool {
		if err := json.Unmarshal(f.onMgmt("GET", "/v1/admin/cluster", "").expect(200).body, &st); err != nil {
			c.t.Fatal(err)
		}
		return st.Partitions[p].State == "lost"
	})
	for _, part := range append(why, fmt.Sprintf("partition %d:", p), "stays closed") {
		if !strings.Contains(st.Partitions[p].Error, part) {
			c.t.Errorf("the status says %q, and nothing of %q", st.Partitions[p].Error, part)
		}
	}
	_, claims := c.hub.Owner(p)
	time.Sleep(5 * ms * 40) // five times the pause before what has failed is tried again
	if _, now := c.hub.Owner(p); now != claims {
		c.t.Errorf("it was claimed %d times since it is closed", now-claims)
	}
	if n := strings.Count(f.log.String(), "level=ERROR"); n != 1 {
		c.t.Errorf("%d errors in the log:\n%s", n, f.log)
	}
	if !strings.Contains(string(f.get("/actuator/prometheus").body), "simplane_cluster_partitions_closed 1\n") {
		c.t.Error("metrics say nothing of it")
	}
	if a := f.get("/actuator/health").expect(200); a.str("components", "cluster", "status") != "DOWN" {
		c.t.Errorf("health: %s", a.body)
	}
	for n := range c.nodes {
		if c.nodes[n].get("/actuator/health/readiness").status != http.StatusOK {
			continue // it is cut off
		}
		a := c.nodes[n].invoke(name, "1")
		a.refused(http.StatusServiceUnavailable, "NO_OWNER")
		if !strings.Contains(a.str("message"), fmt.Sprintf("partition %d", p)) {
			c.t.Errorf("through node %d: %s", n, a.body)
		}
	}
	served := 0
	for _, other := range others {
		if core.PartitionOf(other) != p {
			f.eventually("others are served", func() bool { return f.invoke(other, "1").status == http.StatusOK })
			served++
		}
	}
	if served == 0 {
		c.t.Error("there is no other function")
	}
}

// settledWork enqueues for a function, and waits until all that comes of it is stored.
func (c *trio) settledWork(i int, name string, n int, input string) {
	c.t.Helper()
	f := c.nodes[i]
	for range n {
		f.ended(f.do("POST", "/v1/functions/"+name+":enqueue", input).expect(http.StatusAccepted).str("executionId"))
	}
	f.eventually("all is committed", func() bool { return f.s.member.lag() == 0 })
}

// A frame that cannot be read, and one that can and has a fact that cannot, close their
// partition: it is not claimed and read for ever.
func TestClusterClosesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(t *testing.T, frames [][]byte, epoch cluster.Fence) [][]byte{
		"a frame": func(_ *testing.T, frames [][]byte, _ cluster.Fence) [][]byte {
			last := len(frames) - 1
			frames[last] = frames[last][:len(frames[last])-1]
			return frames
		},
		"a fact": func(t *testing.T, frames [][]byte, epoch cluster.Fence) [][]byte {
			last := frames[len(frames)-1]
			f, err := cluster.DecodeFrame(last)
			if err != nil {
				t.Fatal(err)
			}
			next := cluster.Frame{Partition: f.Partition, Epoch: epoch, Seq: f.Seq + 1, Prev: cluster.Sum(last), Base: f.Base,
				First: f.First + core.LSN(len(f.Facts)), Facts: [][]byte{{200, 1, 2, 3}}}
			return append(frames, next.AppendTo(nil))
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := startCluster(t, 2, shortLeases)
			names := functions(c, 20)
			i, other := c.owner(names[0])
			p := core.PartitionOf(names[0])
			c.settledWork(i, names[0], 3, `{"input":1}`)
			record, _ := c.hub.Owner(p)
			c.links[i].Cut() // so that its last frame is not known to others
			f := c.nodes[i]
			f.eventually("it does not serve", func() bool { return f.get("/actuator/health/readiness").status == 503 })
			c.hub.Spoil(p, func(frames [][]byte) [][]byte { return spoil(t, frames, record.Fence) })
			c.isClosed(other, names[0], names, "cannot be read", what[2:])
			c.links[i].Heal()
			f.awaitServing()
			for n := range c.nodes {
				c.stop(n)
			}
		})
	}
}

// What is moved from old frames to a new one is what was stored: a frame that has changed
// closes the partition that is served.
func TestClusterMovesNoSpoiltFrame(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, func(cfg *Config) {
		cfg.Core.TTL, cfg.Core.CleanupTTL, cfg.Core.IdempotencyTTL = time.Second, time.Second, time.Second
	})
	names := functions(c, 20)
	i, _ := c.owner(names[0])
	p := core.PartitionOf(names[0])
	c.hub.Spoil(p, func(frames [][]byte) [][]byte {
		frames[0][len(frames[0])-1] ^= 1 // the spec of a function, which stays
		return frames
	})
	for range 20 { // it may be closed after some of them
		a := c.nodes[i].do("POST", "/v1/functions/"+names[0]+":enqueue", fmt.Sprintf(`{"input":%q}`, strings.Repeat("x", 100<<10)))
		if a.status != http.StatusAccepted {
			a.refused(http.StatusServiceUnavailable, "NO_OWNER")
			break
		}
	}
	c.isClosed(i, names[0], names, "checksum")
	for n := range c.nodes {
		c.stop(n)
	}
}
