package http1

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// exchange is what a connection needs while a request is read and answered.
// Exchanges are pooled.
type exchange struct {
	ctx  fasthttp.RequestCtx
	in   *bufio.Reader // reads the exchange, see Read
	own  *bufio.Reader // in, but while a head is large
	out  *bufio.Writer // writes to the exchange, see Write; nil while nothing is written
	conn *conn

	link   link
	linked bool // link is ctx's connection

	back     []byte    // what Read returns first
	awaited  bool      // something has come, and the next Read returns it
	deadline time.Time // of the request; zero until something has to be waited for
	body     body
	asked    bool        // the peer waits for 100 Continue
	peeked   int         // bytes of in that the body still uses
	kept     *[]byte     // the buffer that the body is in
	taken    bool        // kept is somebody else's, see TakeBody
	behind   [][]byte    // what Write sends after what it is called for
	parts    net.Buffers // of a Write
	lost     bool        // the position in the stream is unknown
	stream   Stream      // see StreamOf
}

// readBuffer is the size of the buffer of requests. Heads that are larger get a
// larger one.
const readBuffer = 4 << 10

// writeBuffer is the size of the buffer of answers; larger ones are written
// past it.
const writeBuffer = 4 << 10

// keptAnswer is the largest answer whose buffer is used again.
const keptAnswer = 64 << 10

func (s *Server) begin(k *conn) *exchange {
	x, ok := s.exchanges.Get().(*exchange)
	if !ok {
		x = &exchange{}
		x.own = bufio.NewReaderSize(x, min(readBuffer, s.MaxHeaderBytes))
		x.in = x.own
	}
	x.conn, x.awaited = k, true
	x.name(k.Conn)
	return x
}

// name tells ctx its connection. Init2 is not called for each exchange: it
// reads the clock and counts in a word that all processors share.
func (x *exchange) name(c net.Conn) {
	secure, isTLS := c.(*tls.Conn)
	switch {
	case isTLS:
		x.ctx.Init2(&secureLink{secure, x}, nil, false)
	case !x.linked:
		x.ctx.Init2(&x.link, nil, false)
	}
	x.linked = !isTLS
	x.link = link{c, x}
}

// link is ctx's connection, by which its exchange is found.
type link struct {
	net.Conn
	x *exchange
}

// secureLink is the same over TLS: ctx.IsTLS looks at the type.
type secureLink struct {
	*tls.Conn
	x *exchange
}

// exchangeOf is the exchange of a server's request; nil for any other request.
func exchangeOf(ctx *fasthttp.RequestCtx) *exchange {
	switch c := ctx.Conn().(type) {
	case *link:
		return c.x
	case *secureLink:
		return c.x
	}
	return nil
}

// ConnOf is the TCP connection that a request came on, the one below TLS too; nil
// without one.
func ConnOf(ctx *fasthttp.RequestCtx) *sock.Conn {
	if x := exchangeOf(ctx); x != nil {
		return x.conn.tcp
	}
	return nil
}

func (s *Server) end(x *exchange) {
	x.reset()
	x.back = nil
	x.own.Reset(x)
	if x.in != x.own {
		x.dropLarger()
	}
	if x.out != nil {
		x.out.Reset(nil)
		s.writers.Put(x.out)
		x.out = nil
	}
	x.name(nil)
	x.conn = nil
	s.exchanges.Put(x)
}

// reset forgets the request and its answer.
func (x *exchange) reset() {
	x.ctx.Request.Reset()
	x.ctx.Response.ReleaseBody(keptAnswer)
	x.ctx.Response.Reset()
	if x.kept != nil && !x.taken {
		putBuffer(x.kept)
	}
	x.kept, x.taken = nil, false
	x.behind = nil
	x.body, x.asked, x.peeked, x.lost, x.deadline = body{}, false, 0, false, time.Time{}
}

// Read implements io.Reader, for in. It is called when all that has come is
// used up: answers that are ready go out before anything is waited for.
func (x *exchange) Read(p []byte) (int, error) {
	if len(x.back) > 0 {
		n := copy(p, x.back)
		x.back = x.back[n:]
		return n, nil
	}
	if x.awaited { // nothing is waited for
		x.awaited = false
		return x.conn.Read(p)
	}
	if x.stream.x != nil {
		return x.stream.wait(p)
	}
	if err := x.flush(); err != nil {
		return 0, err
	}
	if x.deadline.IsZero() {
		x.deadline = time.Now().Add(x.conn.s.ReadTimeout)
		if err := x.conn.SetReadDeadline(x.deadline); err != nil {
			return 0, err
		}
	}
	return x.conn.Read(p)
}

// serve answers requests until none is left of what has come. It reports
// whether the connection goes on.
func (x *exchange) serve() bool {
	for {
		err := x.readHead()
		switch {
		case err == errNothingYet:
			return x.flush() == nil
		case err == io.EOF:
			return false
		case err != nil:
			x.refuse(err)
			return false
		}
		if !x.answer() {
			x.leaveUnread()
			return false
		}
		if x.in.Buffered() == 0 {
			return x.flush() == nil
		}
		x.reset()
	}
}

// readHead reads a head, in a larger buffer if need be.
func (x *exchange) readHead() error {
	var seen headScan
	for {
		err := readHead(&x.ctx.Request.Header, &seen, x.in)
		switch {
		case err == errBufferFull && x.in.Size() < x.conn.s.MaxHeaderBytes:
			x.enlarge()
			continue
		case err == errBufferFull:
			return ErrHeadTooLarge
		case x.in != x.own:
			x.shrink()
		}
		return err
	}
}

// larger are readers of twice the usual size, the only larger ones unless
// MaxHeaderBytes is set higher.
var larger sync.Pool

// enlarge gives in a larger buffer: one that is filled from what in has.
func (x *exchange) enlarge() {
	size := min(2*x.in.Size(), x.conn.s.MaxHeaderBytes)
	if size == 2*readBuffer {
		if r, ok := larger.Get().(*bufio.Reader); ok {
			r.Reset(x.in)
			x.in = r
			return
		}
	}
	x.in = bufio.NewReaderSize(x.in, size)
}

// shrink undoes enlarge, if what is left fits.
func (x *exchange) shrink() {
	n := x.in.Buffered()
	if x.own.Buffered() > 0 || n > x.own.Size() {
		return
	}
	b, _ := x.in.Peek(n)
	x.back = bytes.Clone(b)
	x.own.Reset(x)
	_, _ = x.own.Peek(n)
	x.dropLarger()
}

// dropLarger makes in the own reader again.
func (x *exchange) dropLarger() {
	if x.in.Size() == 2*readBuffer {
		x.in.Reset(nil)
		larger.Put(x.in)
	}
	x.in = x.own
}

// answer handles one request, and reports whether the connection goes on.
func (x *exchange) answer() bool {
	s, req, resp := x.conn.s, &x.ctx.Request, &x.ctx.Response
	x.body = bodyOf(x.in, req.Header.ContentLength())
	x.asked = !x.body.ended && req.MayContinue()
	s.Handler(&x.ctx)
	if answered, goesOn := x.stream.ends(); answered {
		return goesOn
	}
	if x.peeked > 0 {
		_, _ = x.in.Discard(x.peeked)
		x.peeked = 0
	}
	resp.SkipBody = x.ctx.IsHead()
	goesOn := !req.Header.ConnectionClose() && !resp.Header.ConnectionClose() && !s.ends() && x.droppable()
	if x.write(goesOn) != nil || !goesOn {
		return false
	}
	if x.body.ended {
		return true
	}
	if x.flush() != nil || !x.drop() { // the peer may wait for the answer before it sends the rest
		return false
	}
	x.conn.answered = time.Now()
	return true
}

// refuse answers a request that could not be read. The connection ends.
func (x *exchange) refuse(err error) {
	x.ctx.Response.Reset()
	x.conn.s.Refuse(&x.ctx, err)
	x.lost = true
	if x.write(false) == nil {
		x.leaveUnread()
	}
}

// leaveUnread keeps the answer of a connection that is closed from being lost,
// if the peer may still be sending.
func (x *exchange) leaveUnread() {
	if (x.lost || !x.body.ended) && x.conn.tcp != nil {
		x.conn.tcp.LingerOnClose()
	}
}
