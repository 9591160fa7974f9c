package server

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/replica"
)

// What a node does before it is a member: it agrees with the others on the cluster's key,
// and sees that no other process has its name.

const (
	// keyWithin bounds the time to agree on the key. The engine has answered by then, so
	// that what is waited for is a majority of its servers.
	keyWithin = 2 * time.Minute
	// askedWithin bounds one question of the engine's or of another process.
	askedWithin = 5 * time.Second
)

// once has key be the cluster's, or makes it the one that the cluster has.
func (c *membership) once(ctx context.Context, engine replica.Engine, key []byte) error {
	within := cmp.Or(c.s.cfg.onKey, keyWithin)
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		one, cancel := context.WithTimeout(bounded, askedWithin)
		stored, err := engine.Once(one, completionKeyName, key)
		cancel()
		if err == nil && len(stored) != len(key) {
			return fmt.Errorf("cluster: the key that the engine keeps has %d bytes, not %d: its streams are those of something else; see --cluster-stream", len(stored), len(key))
		}
		if err == nil {
			copy(key, stored)
			return nil
		}
		waiting := "waiting for the cluster's engine to store a key: a majority of its servers must be up and reach one another"
		c.why.Store(&waiting)
		c.s.log.Warn(waiting, "error", err)
		select {
		case <-time.After(time.Second):
		case <-bounded.Done():
			if ctx.Err() != nil { // asked to stop
				return ctx.Err()
			}
			return fmt.Errorf("cluster: the engine has not stored a key within %v: a majority of its servers must be up and reach one another; start this node again then: %w", within, err)
		}
	}
}

// alone refuses to join while another process that lives has this node's name: the two
// would take everything from one another. One that does not answer is taken to have ended;
// if it lives after all it ends when it hears of this one.
func (c *membership) alone(ctx context.Context, engine replica.Engine) error {
	one, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	m, err := engine.Member(one, c.self.Name)
	if err != nil {
		c.s.log.Warn("it is not known whether another process has this node's name", "node", c.self.Name, "error", err)
		return nil
	}
	if m == nil || m.Life == c.self.Life {
		return nil
	}
	var resp fasthttp.Response
	if err := c.client.Do(m.Peer, c.toMember(lifePath), nil, &resp, askedWithin); err != nil || resp.StatusCode() != fasthttp.StatusOK || string(resp.Body()) != m.Life {
		return nil
	}
	return fmt.Errorf("cluster: node %q runs already, with --peer-addr %s and --addr %s: give this one another --cluster-name, or stop that one first; nothing was changed", m.Name, m.Peer, m.API)
}

// lifePath is where a member says which process it is.
const lifePath = "/v1/cluster/life"

func (c *membership) answerLife(ctx *fasthttp.RequestCtx) {
	if c.fromMember(ctx) {
		ctx.SetBodyString(c.self.Life)
	}
}
