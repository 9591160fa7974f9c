package peer

import (
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/http1"
	"simplane/server/internal/sock"
)

// leftPace is how often it is looked whether callers have left. The owner asks when their
// turn comes: one who leaves shortly before that is not noticed, and is served.
const leftPace = 200 * time.Millisecond

// unusedTime is how long what is kept for an address is kept without a call: members come
// and go with addresses of their own.
const unusedTime = time.Minute

// callersConn is the connection by which a member may learn that a caller has left; nil if
// none is to learn that.
func (c *Client) callersConn(ctx *fasthttp.RequestCtx) *sock.Conn {
	if !c.o.CancelOnDisconnect {
		return nil
	}
	return http1.ConnOf(ctx)
}

// tend looks after callers and members until Close.
func (c *Client) tend() {
	tick := time.NewTicker(leftPace)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, m := range c.kept(now) {
				m.tellLeft()
			}
		case <-c.over:
			return
		}
	}
}

// kept are the members, without those that are not used any more.
func (c *Client) kept(now time.Time) (list []*member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, m := range c.members {
		m.mu.Lock()
		if len(m.calls) == 0 && now.Sub(m.used) > unusedTime {
			delete(c.members, addr)
		} else {
			list = append(list, m)
		}
		m.mu.Unlock()
	}
	return list
}

// tellLeft has the member know of each caller that has left whose call is under way there.
func (m *member) tellLeft() {
	type call struct {
		stop *sock.Stop
		from *sock.Conn
	}
	var calls []call
	m.mu.Lock()
	for stop, from := range m.calls {
		if from != nil {
			calls = append(calls, call{stop, from})
		}
	}
	m.mu.Unlock()
	for _, one := range calls {
		if !one.from.HasLeft() || !one.stop.Left() {
			continue
		}
		m.mu.Lock()
		if _, under := m.calls[one.stop]; under {
			m.calls[one.stop] = nil
		}
		m.mu.Unlock()
	}
}
