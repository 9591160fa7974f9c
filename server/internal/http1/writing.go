package http1

import (
	"bufio"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

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
	large := resp.IsBodyStream() || len(resp.Body()) > writeBuffer
	if err := x.writeAnswer(); err != nil {
		return err
	}
	if large { // writing it took time
		x.conn.answered = time.Now()
	}
	if !goesOn {
		return x.out.Flush()
	}
	return nil
}

func (x *exchange) writeAnswer() error {
	resp := &x.ctx.Response
	if resp.IsBodyStream() {
		if p, ok := resp.BodyStream().(*pieces); ok {
			return x.writePieces(p)
		}
	}
	return resp.Write(x.out)
}

// mayWrite sets the deadline of what is written next, and out.
func (x *exchange) mayWrite() error {
	x.takeOut()
	x.conn.answered = time.Now()
	return x.conn.SetWriteDeadline(x.conn.answered.Add(x.conn.s.WriteTimeout))
}

// takeOut makes out one of the server's writers, unless it is one.
func (x *exchange) takeOut() {
	if x.out != nil {
		return
	}
	var ok bool
	if x.out, ok = x.conn.s.writers.Get().(*bufio.Writer); ok {
		x.out.Reset(x)
	} else {
		x.out = bufio.NewWriterSize(x, writeBuffer)
	}
}

func (x *exchange) flush() error {
	if x.out == nil || x.out.Buffered() == 0 {
		return nil
	}
	return x.out.Flush()
}

// Write implements io.Writer, for out.
func (x *exchange) Write(p []byte) (int, error) {
	if x.stream.begun.Load() {
		if err := x.stream.mayWrite(); err != nil {
			return 0, err
		}
	}
	if x.behind == nil {
		return x.conn.Conn.Write(p)
	}
	x.parts = append(append(x.parts[:0], p), x.behind...)
	all := x.parts // to be used again: sending moves on in parts
	_, err := sock.WriteParts(x.conn.Conn, &x.parts)
	clear(all)
	x.parts, x.behind = all, nil
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
