package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// hangGuard ends a test that waits for something that never comes.
const hangGuard = 30 * time.Second

type fixture struct {
	t    *testing.T
	s    *Server
	addr string
}

// serve runs a server whose handler echoes bodies, refuses paths that begin
// with /no before it has read one, and ignores bodies below /ignore.
func serve(t *testing.T, change ...func(*Server)) *fixture {
	t.Helper()
	s := &Server{
		Name: "test", ReadTimeout: hangGuard, WriteTimeout: hangGuard, IdleTimeout: hangGuard,
		MaxHeaderBytes: 8 << 10, MaxBodyBytes: 4 << 20, Bodies: NewBudget(64 << 20),
		Refuse: func(ctx *fasthttp.RequestCtx, err error) {
			status := 400
			switch {
			case errors.Is(err, ErrBusy):
				status = 503
			case errors.Is(err, ErrBodyTooLarge):
				status = 413
			}
			ctx.Error(err.Error(), status)
		},
	}
	s.Handler = func(ctx *fasthttp.RequestCtx) {
		switch path := string(ctx.Path()); {
		case strings.HasPrefix(path, "/no"):
			ctx.SetStatusCode(401)
			return
		case strings.HasPrefix(path, "/ignore"):
			return
		}
		if err := ReadBody(ctx); err != nil {
			s.Refuse(ctx, err)
			return
		}
		ctx.SetBody(ctx.PostBody())
	}
	for _, c := range change {
		c(s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(sock.NewListener(ln, sock.Limits{All: 1000}, slog.New(slog.DiscardHandler)))
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-served); err != nil {
			t.Error(err)
		}
		if held := s.Bodies.Held(); held != 0 {
			t.Errorf("%d bytes are held by bodies that nobody reads", held)
		}
	})
	return &fixture{t, s, ln.Addr().String()}
}

// client is a raw connection.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (f *fixture) dial() *client {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	return &client{f.t, c, bufio.NewReader(c)}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) answer(status int) (body string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		c.t.Fatalf("status %d, want %d: %.200q %v", resp.StatusCode, status, raw, err)
	}
	return string(raw)
}

func (c *client) closed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err != io.EOF {
		c.t.Fatalf("the connection goes on: %q %v", b, err)
	}
}

// A handler answers from the head alone: no body byte has to come, and none is
// asked for.
func TestRefusedFromTheHead(t *testing.T) {
	f := serve(t)
	for name, head := range map[string]string{
		"fixed":    "Content-Length: 4194304\r\n",
		"chunked":  "Transfer-Encoding: chunked\r\n",
		"continue": "Content-Length: 10\r\nExpect: 100-continue\r\n",
		"small":    "Content-Length: 10\r\n",
	} {
		c := f.dial()
		c.send("POST /no HTTP/1.1\r\nHost: x\r\n%s\r\n", head)
		c.answer(401)
		if name == "fixed" || name == "continue" {
			c.closed()
		}
	}
	c := f.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4194305\r\nExpect: 100-continue\r\n\r\n")
	c.answer(413)
	c.closed()
}

// What nobody has read of a small body is dropped, and is no request.
func TestUnreadBodyIsDropped(t *testing.T) {
	f := serve(t)
	const hidden = "GET /no HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, path := range []string{"/no", "/ignore"} {
		for _, body := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n|%s", len(hidden), hidden),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n|%x\r\n%s\r\n|0\r\nX-A: b\r\n\r\n", len(hidden), hidden),
			fmt.Sprintf("Content-Length: %d\r\n\r\n|%s", dropLimit, strings.Repeat("x", dropLimit)),
			"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
		} {
			c := f.dial()
			for i, part := range strings.Split(body, "|") {
				if i == 0 {
					part = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n", path) + part
				}
				c.send("%s", part)
				if i == 0 { // answered before the body has come
					c.answer(map[string]int{"/no": 401, "/ignore": 200}[path])
				}
			}
			c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
			if got := c.answer(200); got != "hi" {
				t.Errorf("the next answer is %q", got)
			}
		}
	}
}

func TestContinueIsSentOnceTheBodyIsWanted(t *testing.T) {
	f := serve(t)
	c := f.dial()
	for _, size := range []int{1, 100_000} {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", size)
		c.answer(100)
		c.send("%s", strings.Repeat("x", size))
		c.answer(200)
	}
	// Who does not wait is not told to go on.
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
	c.answer(200)
}

// Bodies of all sizes around the boundaries arrive whole, in either framing, in
// whatever pieces the network delivers, one after the other on one connection.
func TestBodiesArriveWhole(t *testing.T) {
	f := serve(t, func(s *Server) { s.MaxBodyBytes = 300_000 })
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	c := f.dial()
	var stream bytes.Buffer
	var want []string
	for _, size := range []int{0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 32767, 32768, 32769, 131_072, 131_073, 299_999, 300_000} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte('a' + rng.IntN(26))
		}
		want = append(want, string(body), string(body))
		fmt.Fprintf(&stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
		stream.WriteString("\r\nPOST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
		for at := 0; at < size; {
			n := min(1+rng.IntN(1+rng.IntN(1<<rng.IntN(18))), size-at)
			fmt.Fprintf(&stream, "%x;a=\"b\"\r\n%s\r\n", n, body[at:at+n])
			at += n
		}
		stream.WriteString("0\r\nX-Trailer: dropped\r\n\r\n")
	}
	go func() {
		for stream.Len() > 0 {
			if _, err := c.Write(stream.Next(1 + rng.IntN(1+rng.IntN(1<<rng.IntN(18))))); err != nil {
				return
			}
		}
	}()
	for i, w := range want {
		if got := c.answer(200); got != w {
			t.Fatalf("body %d of %d bytes arrived with %d, or in another order", i, len(w), len(got))
		}
	}
	for _, tooLarge := range []string{
		"Content-Length: 300001\r\n\r\n",
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n493e0\r\n%s\r\n1\r\n", strings.Repeat("x", 300_000)),
		"Transfer-Encoding: chunked\r\n\r\n493e1\r\n",
	} {
		c := f.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\n%s", tooLarge)
		c.answer(413)
		c.closed()
	}
}

// A body that stalls with a large share gives way to one that moves. Small ones
// need no share.
func TestStalledBodyGivesWay(t *testing.T) {
	f := serve(t, func(s *Server) {
		s.Bodies = NewBudget(1 << 20)
		s.Bodies.turn = 10 * time.Millisecond
	})
	stalled := f.dial()
	stalled.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat("x", 999_999))
	for f.s.Bodies.Held() < 1<<20 {
		time.Sleep(time.Millisecond)
	}
	c := f.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8192\r\n\r\n%s", strings.Repeat("x", 8192))
	c.answer(200)
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n%s", strings.Repeat("x", 900_000))
	c.answer(200)
	if got := stalled.answer(503); got != ErrBusy.Error() {
		t.Error(got)
	}
	stalled.closed()
}

// A server that shuts down answers what it has begun, and closes what waits.
func TestShutdown(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	s := &Server{
		ReadTimeout: hangGuard, WriteTimeout: hangGuard, IdleTimeout: hangGuard, MaxHeaderBytes: 8 << 10,
		Handler: func(ctx *fasthttp.RequestCtx) {
			if string(ctx.Path()) == "/slow" {
				entered <- true
				<-leave
			}
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	f := &fixture{t, s, ln.Addr().String()}
	idle, working := f.dial(), f.dial()
	idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	idle.answer(200)
	working.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	idle.closed()
	select {
	case <-down:
		t.Fatal("Shutdown does not wait for a request")
	default:
	}
	leave <- true
	working.answer(200)
	working.closed()
	if err := errors.Join(<-down, <-served); err != nil {
		t.Error(err)
	}
	// And gives up when it is told to.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// A server that is about to end goes on answering, new connections too, and each ends
// with its answer, which says so.
func TestRetire(t *testing.T) {
	f := serve(t)
	kept := f.dial()
	kept.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	kept.answer(200)
	f.s.Retire()
	for _, c := range []*client{kept, f.dial()} {
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil || resp.StatusCode != 200 || !resp.Close {
			t.Fatalf("%+v, %v", resp, err)
		}
		c.closed()
	}
}

// FuzzHead holds heads against net/http: what is accepted here it accepts too,
// and both see the same framing.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\r\nPOST /a?b HTTP/1.1\r\nHost: x:1\r\nContent-Length: 5\r\nX-A:  b \r\n\r\n",
		"POST / HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\nContent-Length: 3\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\n",
		"POST / HTTP/1.0\r\n\r\n",
		"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h fasthttp.RequestHeader
		in := bufio.NewReaderSize(bytes.NewReader(raw), 4096)
		if err := readHead(&h, &headScan{}, in); err != nil {
			return
		}
		rest, _ := io.ReadAll(in)
		head := bytes.TrimLeft(raw[:len(raw)-len(rest)], "\r\n")
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			// It is stricter about URIs and header names that framing does not
			// depend on.
			if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "invalid URI") {
				return
			}
			t.Fatalf("%q is accepted; net/http: %v", head, err)
		}
		chunked := len(theirs.TransferEncoding) == 1 && theirs.TransferEncoding[0] == "chunked"
		if chunked != (h.ContentLength() == -1) || !chunked && theirs.ContentLength != int64(max(h.ContentLength(), 0)) {
			t.Fatalf("%q: length %d; net/http: %d %v", head, h.ContentLength(), theirs.ContentLength, theirs.TransferEncoding)
		}
	})
}

// Heads of all sizes around the buffers' sizes are read, with what follows
// them; one byte more than allowed is refused.
func TestHeadsOfAllSizes(t *testing.T) {
	f := serve(t)
	head := func(size int) string {
		begin, end := "POST / HTTP/1.1\r\nHost: x\r\nX-A: ", "\r\nContent-Length: 5000\r\n\r\n"
		return begin + strings.Repeat("a", size-len(begin)-len(end)) + end
	}
	body := strings.Repeat("b", 5000)
	c := f.dial()
	for _, size := range []int{100, 4095, 4096, 4097, 5000, 8191, 8192} {
		for _, split := range []int{0, 1, 50, size / 2, size - 1, size} {
			request := head(size) + body
			c.send("%s", request[:split])
			time.Sleep(time.Millisecond) // so that it mostly arrives alone
			c.send("%s", request[split:]+"\r\n"+request)
			for range 2 {
				if got := c.answer(200); got != body {
					t.Fatalf("a head of %d bytes, split at %d: the body has %d bytes", size, split, len(got))
				}
			}
		}
	}
	c.send("%s", head(8193))
	if got := c.answer(400); got != ErrHeadTooLarge.Error() {
		t.Error(got)
	}
	c.closed()
}
