package http1

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// A body is read into its final buffer at once where enough of it has come to the
// kernel, and into one in proportion where not.
func TestTheBuffersSizeFollowsWhatHasCome(t *testing.T) {
	const length = 100_000
	sizes := make(chan int, 1)
	arrived := make(chan int, 1)
	f := serve(t, func(s *Server) {
		s.Handler = func(ctx *fasthttp.RequestCtx) {
			x, want := exchangeOf(ctx), <-arrived
			for deadline := time.Now().Add(hangGuard); x.in.Buffered()+x.conn.tcp.Arrived() < want && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			sh := &share{of: s.Bodies, interrupt: x.conn.interrupt}
			if err := x.grow(sh, 0, length); err != nil {
				s.Refuse(ctx, err)
				return
			}
			sizes <- len(x.bodyBuffer())
			sh.release()
			if err := ReadBody(ctx); err != nil {
				s.Refuse(ctx, err)
				return
			}
			fmt.Fprint(ctx, bytes.Count(ctx.PostBody(), []byte("a")))
		}
	})
	c := f.dial()
	body := bytes.Repeat([]byte("a"), length)
	for _, of := range []struct{ come, least, most int }{
		{40_000, length, length + length/8},
		{10_000, 4 * 10_000, 4*10_000 + 4*10_000/8},
	} {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, body[:of.come])
		arrived <- of.come
		if got := <-sizes; got < of.least || got > of.most {
			t.Errorf("%d of %d bytes have come: a buffer of %d", of.come, length, got)
		}
		c.send("%s", body[of.come:])
		if got := c.answer(200); got != fmt.Sprint(length) {
			t.Errorf("%s bytes of the body arrived", got)
		}
	}
}
