// Package peer passes requests on to other members of a cluster: over kept
// connections, whole, and at most once each where they may have been sent.
package peer

import (
	"crypto/tls"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/fncall"
	"simplane/server/internal/sock"
)

// HeaderForwarded is in each request that one member sends to another; its value is
// the sender's name.
const HeaderForwarded = "X-Simplane-Forwarded-By"

var (
	// ErrUnreachable says that a request was not sent: it may be sent again, or
	// elsewhere.
	ErrUnreachable = errors.New("the member cannot be reached")
	// ErrBroken says that a request may have been carried out, and that no answer
	// came.
	ErrBroken = errors.New("the member may have carried it out, and did not answer")
)

// Options are what a Client needs.
type Options struct {
	Name string      // of this member
	TLS  *tls.Config // nil = none
	// CancelOnDisconnect has members know of callers that leave.
	CancelOnDisconnect bool
	// MaxConns bounds the connections to one member, MaxAnswer its answers in bytes.
	MaxConns, MaxAnswer int
}

// Client sends requests to other members.
type Client struct {
	o     Options
	close func()
	over  chan struct{}

	mu      sync.Mutex
	members map[string]*member // by address
}

// member is what is kept for an address.
type member struct {
	conns *fasthttp.HostClient
	raw   *fncall.Target // over the same connections

	mu    sync.Mutex
	calls map[*sock.Stop]*sock.Conn // under way, each with its caller's connection; nil = nobody's who can leave
	used  time.Time                 // when the last one was over
}

// New makes a Client. Close ends what it does beside calls.
func New(o Options) *Client {
	c := &Client{o: o, members: map[string]*member{}, over: make(chan struct{})}
	c.close = sync.OnceFunc(func() { close(c.over) })
	go c.tend()
	return c
}

// begin notes a call of the member at addr, which Gone breaks off, until end. from is the
// connection of who waits for it; nil = nobody who may leave.
func (c *Client) begin(addr string, from *sock.Conn) (*member, *sock.Stop) {
	stop := &sock.Stop{}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[addr]
	if m == nil {
		m = &member{calls: map[*sock.Stop]*sock.Conn{}, conns: &fasthttp.HostClient{
			Addr: addr, IsTLS: c.o.TLS != nil, TLSConfig: c.o.TLS,
			DialTimeout: sock.Dialer(dial), Name: "simplane", MaxConns: c.o.MaxConns, MaxResponseBodySize: c.o.MaxAnswer,
			MaxIdleConnDuration: 30 * time.Second,
		}}
		m.raw = fncall.Over(m.conns)
		c.members[addr] = m
	}
	m.mu.Lock()
	m.calls[stop] = from
	m.mu.Unlock()
	return m, stop
}

func (m *member) end(stop *sock.Stop) {
	m.mu.Lock()
	delete(m.calls, stop)
	m.used = time.Now()
	m.mu.Unlock()
}

// Gone breaks off the requests that wait for an answer of a member whose process is
// taken to have ended. They end with ErrBroken.
func (c *Client) Gone(addr string) {
	c.mu.Lock()
	m := c.members[addr]
	delete(c.members, addr)
	c.mu.Unlock()
	if m == nil {
		return
	}
	m.mu.Lock()
	for stop := range m.calls {
		stop.Now()
	}
	m.mu.Unlock()
	m.conns.CloseIdleConnections()
}

// Close closes the connections that wait for nothing.
func (c *Client) Close() {
	c.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		m.conns.CloseIdleConnections()
	}
}

// Do sends a request to the member at addr and reads its answer into resp. The body
// is not copied. The error is or wraps ErrUnreachable or ErrBroken.
func (c *Client) Do(addr string, head *fasthttp.RequestHeader, body []byte, resp *fasthttp.Response, timeout time.Duration) error {
	return c.send(addr, nil, head, body, resp, timeout)
}

// send is Do for a caller who waits on a connection.
func (c *Client) send(addr string, from *sock.Conn, head *fasthttp.RequestHeader, body []byte, resp *fasthttp.Response, timeout time.Duration) error {
	m, stop := c.begin(addr, from)
	defer m.end(stop)
	head.Set(HeaderForwarded, c.o.Name)
	head.SetContentLength(len(body))
	message := bytebufferpool.Get()
	defer bytebufferpool.Put(message)
	message.B = head.AppendBytes(message.B)
	parts := [][]byte{message.B}
	if len(body) > 0 {
		parts = append(parts, body)
	}
	err := fncall.Exchange(m.conns, parts, resp, timeout, stop)
	var unsent *fncall.NotSentError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unsent):
		return errors.Join(ErrUnreachable, unsent.Err)
	}
	return errors.Join(ErrBroken, err)
}

// headOf is the head of a request without what is about its connection.
func headOf(ctx *fasthttp.RequestCtx) *fasthttp.RequestHeader {
	head := &fasthttp.RequestHeader{}
	ctx.Request.Header.CopyTo(head)
	for _, name := range hops(ctx.Request.Header.All(), ctx.Request.Header.Peek(fasthttp.HeaderConnection)) {
		head.Del(name)
	}
	head.Del(fasthttp.HeaderExpect)
	return head
}

// hops are the names of the fields that are about one connection.
func hops(fields iter.Seq2[[]byte, []byte], connection []byte) (names []string) {
	for name := range fields {
		if fncall.HopByHop(name, connection) {
			names = append(names, string(name))
		}
	}
	return names
}

// Forward sends the request of ctx to the member at addr, and answers with what
// comes back. If there is an error nothing is answered yet.
func (c *Client) Forward(ctx *fasthttp.RequestCtx, addr string, timeout time.Duration) error {
	head := headOf(ctx)
	if ctx.IsHead() {
		head.SetMethod(fasthttp.MethodGet) // its answer has a body, which is left out here
	}
	var body []byte
	if !ctx.IsGet() && !ctx.IsHead() {
		body = ctx.PostBody()
	}
	resp := &ctx.Response
	if err := c.send(addr, c.callersConn(ctx), head, body, resp, timeout); err != nil {
		resp.Reset()
		return err
	}
	for _, name := range hops(resp.Header.All(), nil) {
		resp.Header.Del(name)
	}
	resp.Header.ResetConnectionClose()
	resp.Header.SetContentLength(len(resp.Body()))
	return nil
}
