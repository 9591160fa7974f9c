package http1

import (
	"bufio"
	"io"
	"time"

	"github.com/valyala/fasthttp"
)

// exchange is what a connection needs while a request is read and answered.
// Exchanges are pooled.
type exchange struct {
	ctx  fasthttp.RequestCtx
	in   *bufio.Reader // reads the exchange, see Read
	out  *bufio.Writer // nil while nothing is written
	conn *conn

	awaited  bool      // something has come, and the next Read returns it
	deadline time.Time // of the request; zero until something has to be waited for
	body     body
	asked    bool    // the peer waits for 100 Continue
	peeked   int     // bytes of in that the body still uses
	kept     *[]byte // the buffer that the body is in
	lost     bool    // the position in the stream is unknown
}

// writeBuffer is the size of the buffer of answers; larger ones are written
// past it.
const writeBuffer = 4 << 10

// keptAnswer is the largest answer whose buffer is used again.
const keptAnswer = 64 << 10

func (s *Server) begin(k *conn) *exchange {
	x, ok := s.exchanges.Get().(*exchange)
	if !ok {
		x = &exchange{}
		x.in = bufio.NewReaderSize(x, s.MaxHeaderBytes)
	}
	x.conn, x.awaited = k, true
	x.ctx.Init2(k.Conn, nil, false)
	return x
}

func (s *Server) end(x *exchange) {
	x.reset()
	x.in.Reset(x)
	if x.out != nil {
		x.out.Reset(nil)
		s.writers.Put(x.out)
		x.out = nil
	}
	x.conn = nil
	s.exchanges.Put(x)
}

// reset forgets the request and its answer.
func (x *exchange) reset() {
	x.ctx.Request.Reset()
	x.ctx.Response.ReleaseBody(keptAnswer)
	x.ctx.Response.Reset()
	if x.kept != nil {
		putBuffer(x.kept)
		x.kept = nil
	}
	x.body, x.asked, x.peeked, x.lost, x.deadline = body{}, false, 0, false, time.Time{}
}

// Read implements io.Reader, for in. It is called when all that has come is
// used up: answers that are ready go out before anything is waited for.
func (x *exchange) Read(p []byte) (int, error) {
	if x.awaited { // nothing is waited for
		x.awaited = false
		return x.conn.Read(p)
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
		err := readHead(&x.ctx.Request.Header, x.in)
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

// answer handles one request, and reports whether the connection goes on.
func (x *exchange) answer() bool {
	s, req, resp := x.conn.s, &x.ctx.Request, &x.ctx.Response
	x.body = bodyOf(x.in, req.Header.ContentLength())
	x.asked = !x.body.ended && req.MayContinue()
	x.ctx.SetUserValue(exchangeKey{}, x)
	s.Handler(&x.ctx)
	if x.peeked > 0 {
		_, _ = x.in.Discard(x.peeked)
		x.peeked = 0
	}
	resp.SkipBody = x.ctx.IsHead()
	goesOn := !req.Header.ConnectionClose() && !resp.Header.ConnectionClose() && !s.stopping.Load() && x.droppable()
	if x.write(goesOn) != nil || !goesOn {
		return false
	}
	if x.body.ended {
		return true
	}
	return x.flush() == nil && x.drop() // the peer may wait for the answer before it sends the rest
}

// write puts the answer into out, and sends it if the connection ends.
func (x *exchange) write(goesOn bool) error {
	resp := &x.ctx.Response
	switch {
	case !goesOn:
		resp.Header.SetConnectionClose()
	case !x.ctx.Request.Header.IsHTTP11():
		resp.Header.Set(fasthttp.HeaderConnection, "keep-alive")
	}
	resp.Header.SetServer(x.conn.s.Name)
	if err := x.mayWrite(); err != nil {
		return err
	}
	if err := resp.Write(x.out); err != nil {
		return err
	}
	if !goesOn {
		return x.out.Flush()
	}
	return nil
}

// mayWrite sets the deadline of what is written next, and out.
func (x *exchange) mayWrite() error {
	if x.out == nil {
		var ok bool
		if x.out, ok = x.conn.s.writers.Get().(*bufio.Writer); ok {
			x.out.Reset(x.conn.Conn)
		} else {
			x.out = bufio.NewWriterSize(x.conn.Conn, writeBuffer)
		}
	}
	return x.conn.SetWriteDeadline(time.Now().Add(x.conn.s.WriteTimeout))
}

func (x *exchange) flush() error {
	if x.out == nil || x.out.Buffered() == 0 {
		return nil
	}
	return x.out.Flush()
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
