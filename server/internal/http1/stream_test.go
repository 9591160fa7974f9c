package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// Requests that are streamed, read whole, or not read at all follow each other on
// connections, pipelined and cut anywhere; each is answered as it should be, and a
// connection goes on exactly if its answer says so.
func TestStreamsAmongOtherRequests(t *testing.T) {
	f := serve(t, func(s *Server) {
		whole := s.Handler
		s.Handler = func(ctx *fasthttp.RequestCtx) {
			path := string(ctx.Path())
			if path == "/whole" {
				whole(ctx)
				return
			}
			x := StreamOf(ctx, time.Now().Add(hangGuard))
			length := int64(-1)
			if path == "/length" {
				length = int64(max(x.Length(), 0))
			}
			if path == "/unread" {
				_ = x.Begin(200, []byte("HTTP/1.1 200 OK\r\n"), nil, 0)
				_ = x.Finish()
				return
			}
			if err := x.Ask(); err != nil {
				return
			}
			var body []byte
			if path == "/after" || length >= 0 { // all is read before the answer
				var err error
				if body, err = io.ReadAll(x); err != nil {
					s.Refuse(ctx, err)
					return
				}
			}
			if path == "/length" {
				length = int64(len(body))
			}
			_ = x.Begin(200, []byte("HTTP/1.1 200 OK\r\n"), []byte("X-Path: "+path+"\r\n"), length)
			if _, err := io.Copy(x, io.MultiReader(bytes.NewReader(body), x)); err == nil {
				_ = x.Finish()
			}
		}
	})
	random := rand.New(rand.NewPCG(3, 4))
	paths := []string{"/whole", "/after", "/length", "/echo", "/unread"}
	for range 40 {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(hangGuard))
		in := bufio.NewReader(c)
		for n := 0; n < 8; n++ {
			path, body := paths[random.IntN(len(paths))], make([]byte, []int{0, 1, 3000, 5000, 200_000}[random.IntN(5)])
			for i := range body {
				body[i] = byte(random.Uint32())
			}
			var b bytes.Buffer
			fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: x\r\n", path)
			if random.IntN(2) == 0 {
				fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
			} else {
				b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
				for rest := body; len(rest) > 0; {
					k := 1 + random.IntN(len(rest))
					fmt.Fprintf(&b, "%x\r\n%s\r\n", k, rest[:k])
					rest = rest[k:]
				}
				b.WriteString("0\r\n\r\n")
			}
			cuts := []int{1 + random.IntN(7000), 1 + random.IntN(100_000)}
			go func() {
				for i := 0; b.Len() > 0; i++ {
					_, _ = c.Write(b.Next(cuts[i%2]))
				}
			}()
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s with %d bytes: %v", path, len(body), err)
			}
			got, err := io.ReadAll(resp.Body)
			want := body
			if path == "/unread" {
				want = nil
			}
			if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, want) {
				t.Fatalf("%s with %d bytes: status %d, %d bytes, %v", path, len(body), resp.StatusCode, len(got), err)
			}
			if resp.Close {
				break
			}
		}
		c.Close()
	}
}
