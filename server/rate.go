package server

import (
	"context"
	"encoding/json"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/peer"
)

// The global rate limit is one for all nodes: the owner of partition 0 grants each of
// them places of the windows to come.

// ratePath is where a node asks for places. It is on the port for other members only.
const ratePath = "/v1/peer/rate"

// rateQuestion asks for so many places, in all, of the window of a second.
type rateQuestion struct {
	Member  string `json:"member"` // its life: after a restart it has none of the places of before
	Second  uint64 `json:"second"`
	Want    int64  `json:"want"`
	Members int    `json:"members"`
}

type rateAnswer struct {
	Granted int64 `json:"granted"`
}

// grant begins granting on this node by p, unless a later claim of partition 0 grants
// already. p.before is the record of the one that has granted until now.
func (c *membership) grant(p *partition) {
	c.rateMu.Lock()
	defer c.rateMu.Unlock()
	if c.grants != nil && c.grants.log.Fence() > p.log.Fence() {
		return
	}
	now, granted := c.second(), p.before.Granted
	if p.before.Fence == 0 { // nobody has
		granted = now - 1
	}
	c.granter, c.grants, c.granted = cluster.NewGranter(now, granted), p, 0
}

// endGrants ends granting, if it is p that grants.
func (c *membership) endGrants(p *partition) {
	c.rateMu.Lock()
	defer c.rateMu.Unlock()
	if c.granter != nil && c.grants == p {
		c.granter, c.granted = nil, c.granter.Highest()
	}
}

// grantedBy implements replica.Options.Granted.
func (c *membership) grantedBy(p core.Partition) uint64 {
	if p != peer.ConfigPartition {
		return 0
	}
	c.rateMu.Lock()
	defer c.rateMu.Unlock()
	return c.granted
}

// second is the window of now.
func (c *membership) second() uint64 { return uint64(c.s.clock.Now().Wall / int64(time.Second)) }

// grantTo answers a question; false when this node does not grant.
func (c *membership) grantTo(q *rateQuestion) (granted int64, here bool) {
	if c.Local(peer.ConfigPartition) == nil {
		return 0, false
	}
	c.rateMu.Lock()
	defer c.rateMu.Unlock()
	if c.granter == nil {
		return 0, false
	}
	c.granter.SetLimit(c.limiter.Limit())
	return c.granter.Ask(q.Member, q.Second, q.Want, q.Members, c.second()), true
}

// answerRate answers another member.
func (c *membership) answerRate(ctx *fasthttp.RequestCtx) {
	if !c.fromMember(ctx) {
		return
	}
	var q rateQuestion
	if err := json.Unmarshal(ctx.PostBody(), &q); err != nil {
		httpjson.Undecodable(err).Write(ctx)
		return
	}
	granted, here := c.grantTo(&q)
	if !here {
		httpjson.WriteError(ctx, fasthttp.StatusMisdirectedRequest, peer.CodeNotOwner, "this node does not grant")
		return
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, rateAnswer{granted})
}

// ratePace is how often a node looks whether it needs more places.
const ratePace = 100 * time.Millisecond

// shareRate keeps this node in places while there is a limit.
func (c *membership) shareRate(ctx context.Context) {
	every(ctx, ratePace, func() {
		limit := c.limiter.Limit()
		if limit <= 0 {
			return
		}
		members := len(c.Others()) + 1
		now := c.second()
		for _, second := range []uint64{now, now + 1} {
			granted := c.limiter.Granted(second)
			want := cluster.Want(c.limiter.Used(now), c.limiter.Granted(now), limit, members, second > now)
			if want <= granted {
				continue
			}
			if n, err := c.ask(&rateQuestion{c.self.Life, second, want, members}); err == nil {
				c.limiter.Grant(second, n)
			}
		}
	})
}

func (c *membership) ask(q *rateQuestion) (int64, error) {
	if granted, here := c.grantTo(q); here {
		return granted, nil
	}
	addr := c.Owner(peer.ConfigPartition)
	if addr == "" {
		return 0, peer.ErrUnreachable
	}
	body, err := json.Marshal(q)
	if err != nil {
		return 0, err
	}
	head := c.toMember(ratePath)
	var resp fasthttp.Response
	if err := c.client.Do(addr, head, body, &resp, time.Second); err != nil {
		return 0, err
	}
	var a rateAnswer
	if resp.StatusCode() != fasthttp.StatusOK {
		return 0, peer.ErrUnreachable
	}
	err = json.Unmarshal(resp.Body(), &a)
	return a.Granted, err
}
