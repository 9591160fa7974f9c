package fncall

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/harness/rawpeer"
	"simplane/server/internal/sock"
)

func hostOf(addr string) *fasthttp.HostClient {
	return &fasthttp.HostClient{
		Addr: addr, Name: "tester", MaxConns: 100, MaxResponseBodySize: 64 << 20, DisablePathNormalizing: true,
		DialTimeout: sock.Dialer(func(a string, timeout time.Duration) (net.Conn, error) {
			return net.DialTimeout("tcp", a, timeout)
		}),
	}
}

// peer is the target of a server that does with each connection what talk does.
func peer(t *testing.T, talk func(c net.Conn, r *http.Request, n int) (again bool)) *Target {
	t.Helper()
	addr := rawpeer.Start(t, talk)
	return targetOf(t, hostOf(addr), "http://"+addr+"/")
}

func targetOf(t testing.TB, host *fasthttp.HostClient, url string) *Target {
	t.Helper()
	target, err := New(host, url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func message(target *Target, body string) [][]byte {
	return [][]byte{append(appendEnd(bytes.Clone(target.head), len(body)), body...)}
}

func post(target *Target, body string, timeout time.Duration) (string, error) {
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	err := Exchange(target.conns, message(target, body), resp, timeout, nil)
	return string(resp.Body()), err
}

func answer(c net.Conn, body string) {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestMessageIsWhatTheLibraryWouldSend(t *testing.T) {
	url := "http://user:pass%20word@127.0.0.1:81/a//b/../c?x=1%20y&z"
	target := targetOf(t, hostOf("127.0.0.1:81"), url)
	b := append(bytes.Clone(target.head), "Content-Type: application/json\r\n"...)
	b = appendHeader(b, "X-One", "1")
	b = append(appendEnd(b, 2), "{}"...)

	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod("POST")
	req.SetRequestURI(url)
	req.URI().DisablePathNormalizing = true
	req.Header.SetUserAgent("tester")
	req.Header.SetContentType("application/json")
	req.Header.Set("X-One", "1")
	req.SetBodyString("{}")
	var want bytes.Buffer
	if _, err := req.WriteTo(&want); err != nil {
		t.Fatal(err)
	}
	lines := func(text string) map[string]int {
		seen := map[string]int{}
		for line := range strings.SplitSeq(text, "\r\n") {
			seen[line]++
		}
		return seen
	}
	got, wanted := lines(string(b)), lines(want.String())
	for line, n := range wanted {
		if got[line] != n {
			t.Errorf("%d times %q, want %d", got[line], line, n)
		}
	}
	if len(got) != len(wanted) || !strings.HasPrefix(string(b), "POST /a//b/../c?x=1%20y&z HTTP/1.1\r\n") || !strings.HasSuffix(string(b), "\r\n\r\n{}") {
		t.Errorf("got  %q\nwant %q", b, want.String())
	}
}

func TestHeadersCannotBeBrokenOutOf(t *testing.T) {
	got := string(appendHeader(nil, "X-A", "a\r\nX-B: b\x00\x7f\tc"))
	if got != "X-A: a  X-B: b  \tc\r\n" {
		t.Errorf("%q", got)
	}
}

func TestLargeMessagesArriveWhole(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, _ int) bool {
		time.Sleep(20 * time.Millisecond) // the sender's buffers fill up
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		answer(c, string(body))
		return true
	})
	for _, size := range []int{0, 1, 4 << 10, 1 << 20, 16 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		got, err := post(target, body, time.Minute)
		if err != nil || got != body {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
	}
	if n := target.conns.ConnsCount(); n != 1 {
		t.Errorf("%d connections were used", n)
	}
}

// The timer of an earlier, shorter deadline goes off in the middle of a later
// exchange: it must not end it, neither while it writes nor while it reads.
func TestAnEarlierDeadlineEndsNothing(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		if n > 1 {
			time.Sleep(150 * time.Millisecond)
		}
		body, _ := io.ReadAll(r.Body)
		if n > 1 {
			time.Sleep(150 * time.Millisecond)
		}
		answer(c, fmt.Sprint(n, " ", len(body)))
		return true
	})
	for _, size := range []int{10, 16 << 20} {
		target := targetOf(t, hostOf(target.conns.Addr), "http://"+target.conns.Addr+"/")
		if got, err := post(target, "x", 100*time.Millisecond); got != "1 1" && err != fasthttp.ErrTimeout { // a busy machine may be too slow
			t.Fatalf("first: %q, %v", got, err)
		}
		want := fmt.Sprint("2 ", size)
		if target.conns.ConnsCount() == 0 {
			want = fmt.Sprint("1 ", size)
		}
		if got, err := post(target, strings.Repeat("x", size), time.Minute); err != nil || got != want {
			t.Errorf("%d bytes: %q, %v, want %q", size, got, err, want)
		}
	}
}

func TestDeadlines(t *testing.T) {
	mute := peer(t, func(net.Conn, *http.Request, int) bool { time.Sleep(time.Minute); return false })
	for _, size := range []int{10, 16 << 20} { // waits for the answer, waits to write
		began := time.Now()
		if _, err := post(mute, strings.Repeat("x", size), 50*time.Millisecond); err != fasthttp.ErrTimeout || time.Since(began) < 50*time.Millisecond {
			t.Errorf("%d bytes: %v after %v", size, err, time.Since(began))
		}
	}
	if n := mute.conns.ConnsCount(); n != 0 {
		t.Errorf("%d connections are kept on which an answer may still come", n)
	}
	if _, err := post(mute, "x", 0); err != fasthttp.ErrTimeout {
		t.Errorf("no time at all: %v", err)
	}
	for _, part := range []string{
		"HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"HTTP/1.1 200 OK\r\n\r\nuntil it closes", chunked, chunked + "a", chunked + "a;x", chunked + "a\r", chunked + "4\r\nha", chunked + "4\r\nhalf\r", chunked + "4\r\nhalf\r\n0\r\nX-T: ",
	} {
		target := peer(t, func(c net.Conn, _ *http.Request, _ int) bool {
			fmt.Fprint(c, part)
			time.Sleep(time.Minute)
			return false
		})
		if _, err := post(target, "x", 50*time.Millisecond); err != fasthttp.ErrTimeout {
			t.Errorf("%q: %v", part, err)
		}
	}
}

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// Each message is delivered once, although all kept connections were closed
// by the other end meanwhile.
func TestStaleConnectionsAreReplaced(t *testing.T) {
	const callers = 8
	var delivered atomic.Int64
	closing := make(chan struct{})
	arrived := make(chan struct{}, callers)
	together := make(chan struct{})
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		delivered.Add(1)
		if string(body) == "first" { // each on a connection of its own
			arrived <- struct{}{}
			<-together
			answer(c, string(body))
			<-closing
			return false
		}
		answer(c, string(body))
		return true
	})
	results := make(chan error, callers)
	for range callers {
		go func() {
			_, err := post(target, "first", time.Minute)
			results <- err
		}()
	}
	for range callers {
		<-arrived
	}
	close(together)
	for range callers {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	close(closing)
	time.Sleep(50 * time.Millisecond) // the FINs
	if got, err := post(target, "second", time.Minute); err != nil || got != "second" || delivered.Load() != callers+1 {
		t.Errorf("%q, %v, delivered %d times", got, err, delivered.Load())
	}
	if n := target.conns.ConnsCount(); n != 1 {
		t.Errorf("%d connections are left", n)
	}
}

// A connection that breaks after the message was sent is an error: the
// function may have run.
func TestNothingIsSentTwice(t *testing.T) {
	var delivered atomic.Int64
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		delivered.Add(1)
		if n == 2 {
			return false
		}
		answer(c, "ok")
		return true
	})
	if _, err := post(target, "x", time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := post(target, "x", time.Minute); !errors.Is(err, fasthttp.ErrConnectionClosed) {
		t.Errorf("%v, want %v", err, fasthttp.ErrConnectionClosed)
	}
	if n := delivered.Load(); n != 2 {
		t.Errorf("delivered %d times", n)
	}
}

func TestUnaskedBytesEndTheConnection(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%dHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", n)
		return true
	})
	for range 5 {
		if got, err := post(target, "x", time.Minute); err != nil || got != "1" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestConnectionCloseIsHonoured(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
		return true
	})
	if _, err := post(target, "x", time.Minute); err != nil || target.conns.ConnsCount() != 0 {
		t.Errorf("%v, %d connections kept", err, target.conns.ConnsCount())
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	host := hostOf(s.Listener.Addr().String())
	host.IsTLS, host.TLSConfig = true, &tls.Config{RootCAs: roots, ServerName: "example.com"}
	target := targetOf(t, host, s.URL)
	for range 3 {
		if got, err := post(target, "hello", time.Minute); err != nil || got != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if target.conns.ConnsCount() != 1 {
		t.Errorf("%d connections", target.conns.ConnsCount())
	}
}

func BenchmarkPost(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		_ = fasthttp.Serve(ln, func(ctx *fasthttp.RequestCtx) { ctx.SetBody(ctx.PostBody()) })
	}()
	target := targetOf(b, hostOf(ln.Addr().String()), "http://"+ln.Addr().String()+"/")
	message := message(target, "{}")
	resp := fasthttp.AcquireResponse()
	b.ReportAllocs()
	for b.Loop() {
		if err := Exchange(target.conns, message, resp, time.Minute, nil); err != nil {
			b.Fatal(err)
		}
	}
}
