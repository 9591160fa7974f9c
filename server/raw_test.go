package server

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simplane/server/harness/rawpeer"
)

// caller is a connection to the API address that speaks as it likes.
type caller struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (f *fixture) caller() *caller {
	f.t.Helper()
	c, err := net.Dial("tcp", f.s.Addr())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	return &caller{f.t, c, bufio.NewReader(c)}
}

func (c *caller) say(format string, a ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, a...); err != nil {
		c.t.Fatal(err)
	}
}

// hears reads the next bytes, which must be these.
func (c *caller) hears(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.in, got); err != nil || string(got) != want {
		c.t.Fatalf("got %q %v, want %q", got[:n], err, want)
	}
}

// head reads up to the end of a head.
func (c *caller) head() string {
	c.t.Helper()
	var all strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			c.t.Fatalf("%q: %v", all.String(), err)
		}
		if line == "\r\n" {
			return all.String()
		}
	}
}

func (c *caller) response(method string) (*http.Response, []byte) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("body: %v", err)
	}
	return resp, body
}

// passedOn runs a test of calls of a function with one server, and again in a cluster, in
// which f owns the function and callers are at another node.
func passedOn(t *testing.T, function string, test func(t *testing.T, f, at *fixture)) {
	t.Run("here", func(t *testing.T) {
		f := start(t)
		test(t, f, f)
	})
	t.Run("passed on", func(t *testing.T) {
		c := startCluster(t, 2)
		owner, other := c.owner(function)
		test(t, c.nodes[owner], c.nodes[other])
		for n := range c.nodes {
			c.stop(n)
		}
	})
}

// wire is a function server that shows the requests it gets, as they are on the
// wire, and answers with what answer says.
func wire(t *testing.T, answer string) (url string, got chan string) {
	got = make(chan string, 100)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var all bytes.Buffer
				in := bufio.NewReader(io.TeeReader(c, &all))
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					got <- all.String()
					all.Reset()
					if _, err := io.WriteString(c, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String(), got
}

func TestRawCallGoesAsItCame(t *testing.T) {
	url, got := wire(t, "HTTP/1.1 207 Some Of It\r\nX-MiXed-case: kept  \r\nset-cookie: a=1; Path=/\r\nSet-Cookie: a=2\r\nConnection: keep-alive, x-hop\r\nX-Hop: no\r\nKeep-Alive: timeout=5\r\n"+
		"X-Execution-Id: forged\r\nServer: theirs\r\nContent-Length: 5\r\n\r\nhel\xffo")
	f := start(t)
	f.pool("fn", url)
	c := f.caller()
	c.say("PROPFIND /function/fn/a%%2Fb//c/../d;v=1?q=%%20&q=+x&&empty= HTTP/1.1\r\nHost: 127.0.0.1\r\nx-CuStom:  one \r\nX-Custom: two\r\nUser-Agent: \r\nCookie: s=1\r\n" +
		"Connection: x-drop, keep-alive\r\nX-Drop: 1\r\nTE: trailers\r\nProxy-Authorization: secret\r\nKeep-Alive: 5\r\nX-Execution-Id: forged\r\nX-Dispatch-Attempt: 9\r\n" +
		"X-Completion-Token: forged\r\nX-Simplane-Instance-Token: forged\r\nX-Trace-Id: t-1\r\nX-Timeout-Ms: 5000\r\nIdempotency-Key: k\r\nAuthorization: Basic abc\r\n" +
		"X-Forwarded-For: 10.0.0.1\r\nContent-Type: application/x-thing\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n")
	want := "HTTP/1.1 207 Some Of It\r\n"
	head := c.head()
	body := make([]byte, 5)
	_, _ = io.ReadFull(c.in, body)
	if !strings.HasPrefix(head, want) || string(body) != "hel\xffo" {
		t.Errorf("answer %q %q", head, body)
	}
	for _, line := range []string{"\r\nX-MiXed-case: kept\r\nset-cookie: a=1; Path=/\r\nSet-Cookie: a=2\r\nServer: theirs\r\n", "Content-Length: 5\r\n"} {
		if !strings.Contains(head, line) {
			t.Errorf("the answer has no %q: %q", line, head)
		}
	}
	for _, text := range []string{"forged", "X-Hop", "Keep-Alive", "Connection", "chunked"} {
		if strings.Contains(head, text) {
			t.Errorf("the answer has %s: %q", text, head)
		}
	}
	if strings.Count(head, "X-Execution-Id: ") != 1 {
		t.Errorf("no execution: %q", head)
	}
	request := receive(t, "the request", got)
	if want := "PROPFIND /a%2Fb//c/../d;v=1?q=%20&q=+x&&empty= HTTP/1.1\r\n"; !strings.HasPrefix(request, want) || !strings.HasSuffix(request, "\r\n\r\n\x00\xff\r\n") {
		t.Errorf("request %q, want %q", request, want)
	}
	for _, line := range []string{"x-CuStom: one\r\n", "X-Custom: two\r\n", "Cookie: s=1\r\n", "X-Trace-Id: t-1\r\n", "Idempotency-Key: k\r\n", "Authorization: Basic abc\r\n", "User-Agent: \r\n",
		"Content-Type: application/x-thing\r\n", "Content-Length: 4\r\n", "X-Forwarded-For: 10.0.0.1, 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: 127.0.0.1\r\n",
		"X-Dispatch-Attempt: 1\r\n", "Host: " + strings.TrimPrefix(url, "http://") + "\r\n"} {
		if !strings.Contains(request, line) {
			t.Errorf("the request has no %q: %q", line, request)
		}
	}
	for _, text := range []string{"forged", "X-Drop", "TE:", "secret", "Keep-Alive", "X-Timeout-Ms", "Connection"} {
		if strings.Contains(request, text) {
			t.Errorf("the request has %s: %q", text, request)
		}
	}
	if n := strings.Count(request, "User-Agent"); n != 1 {
		t.Errorf("%d user agents: %q", n, request)
	}

	// The same connection goes on.
	c.say("GET /function/fn HTTP/1.1\r\nHost: x\r\n\r\n")
	if f.s.guard != nil {
		_ = c.head()
	}
}

func TestRawCallPaths(t *testing.T) {
	url, got := wire(t, "HTTP/1.1 204 No Content\r\n\r\n")
	f := start(t)
	f.pool("root", url)
	f.pool("based", url+"/base/?key=1%20", `"invokePath":"/not-for-raw-calls"`)
	for target, want := range map[string]string{
		"/function/root":                     "GET / ",
		"/function/root/":                    "GET / ",
		"/function/root?":                    "GET /? ",
		"/function/root/?a":                  "GET /?a ",
		"/function/root//x":                  "GET //x ",
		"/function/root/a/../../b":           "GET /a/../../b ",
		"/function/ro%6ft/%2e%2e/%00":        "GET /%2e%2e/%00 ",
		"/function/root/:invoke":             "GET /:invoke ",
		"/function/based":                    "GET /base/?key=1%20 ",
		"/function/based/x?y":                "GET /base/x?key=1%20&y ",
		"/function/based/?":                  "GET /base/?key=1%20& ",
		"http://127.0.0.1/function/root/p?q": "GET /p?q ",
	} {
		c := f.caller()
		c.say("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target)
		if resp, _ := c.response("GET"); resp.StatusCode != 204 {
			t.Errorf("%s: status %d", target, resp.StatusCode)
			continue
		}
		if request := receive(t, "the request", got); !strings.HasPrefix(request, want) {
			t.Errorf("%s: %.60q, want %q", target, request, want)
		}
	}
	for _, target := range []string{"/function/based/../x", "/function/based/a/%2E%2e/..%2Fx", "/function/based/..;/x", `/function/based/a\..\x`, "/function/based/..%5cx"} {
		c := f.caller()
		c.say("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target)
		if resp, body := c.response("GET"); resp.StatusCode != 400 || !bytes.Contains(body, []byte("VALIDATION_ERROR")) {
			t.Errorf("%s: status %d: %s", target, resp.StatusCode, body)
		}
	}
	for _, target := range []string{"/function/none", "/function/none/x", "/function/root:x", "/function/%zz", "/function//x", "/function/"} {
		c := f.caller()
		c.say("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", target)
		if resp, body := c.response("POST"); resp.StatusCode != 404 || !bytes.Contains(body, []byte(`"NOT_FOUND"`)) {
			t.Errorf("%s: status %d: %s", target, resp.StatusCode, body)
		}
	}
	if len(got) > 0 {
		t.Errorf("a refused call reached the function: %q", <-got)
	}
}

// Every way to say where a body ends, both ways, on one connection.
func TestRawCallBodies(t *testing.T) {
	echo := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		if r.URL.Path == "/304" {
			w.WriteHeader(304)
			return
		}
		for i := 0; i < len(body); i += 70 << 10 {
			_, _ = w.Write(body[i:min(i+70<<10, len(body))])
			w.(http.Flusher).Flush()
		}
	})
	passedOn(t, "fn", func(t *testing.T, f, at *fixture) {
		f.pool("fn", echo)
		random := rand.New(rand.NewPCG(1, 2))
		c := at.caller()
		for i := range 60 {
			size := []int{0, 1, 100, 4 << 10, 5 << 10, 40 << 10, 300 << 10}[random.IntN(7)]
			body := make([]byte, size)
			for j := range body {
				body[j] = byte(random.Uint32())
			}
			method := []string{"POST", "PUT", "GET", "HEAD", "DELETE"}[random.IntN(5)]
			path := []string{"/", "/length", "/304"}[random.IntN(3)]
			var b bytes.Buffer
			fmt.Fprintf(&b, "%s /function/fn%s HTTP/1.1\r\nHost: 127.0.0.1\r\n", method, path)
			if chunked := random.IntN(2) == 0; chunked {
				b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
				for rest := body; len(rest) > 0; {
					n := 1 + random.IntN(len(rest))
					fmt.Fprintf(&b, "%x;ext\r\n%s\r\n", n, rest[:n])
					rest = rest[n:]
				}
				b.WriteString("0\r\nX-Trailer: dropped\r\n\r\n")
			} else {
				fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", size, body)
			}
			go func() {
				for b.Len() > 0 {
					_, _ = c.Write(b.Next(1 + random.IntN(100<<10)))
				}
			}()
			resp, got := c.response(method)
			if method == "HEAD" || path == "/304" {
				body = nil
			}
			want := map[bool]int{true: 304, false: 200}[path == "/304"]
			if resp.StatusCode != want || !bytes.Equal(got, body) || resp.Header.Get("X-Method") != method {
				t.Fatalf("%d: %s %s with %d bytes: status %d, %d bytes", i, method, path, size, resp.StatusCode, len(got))
			}
			if resp.Close { // the function may answer before the last bytes of a body
				c = at.caller()
			}
		}
		// The caller has the last byte before the call is counted.
		f.eventually("the calls are counted", func() bool {
			return f.series(`function_success_total{function="fn"}`) == 60 && f.series(`function_in_flight{function="fn"}`) == 0
		})
	})
}

// A webhook's signature over the body holds, whatever the bytes.
func TestRawCallKeepsASignature(t *testing.T) {
	key := []byte("secret")
	sign := func(body []byte) string {
		m := hmac.New(sha256.New, key)
		m.Write(body)
		return fmt.Sprintf("sha256=%x", m.Sum(nil))
	}
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Hub-Signature-256") != sign(body) {
			w.WriteHeader(403)
		}
	})
	passedOn(t, "hook", func(t *testing.T, f, at *fixture) {
		f.pool("hook", url)
		for _, body := range []string{"", `{"a": 1.0,  "b":"\u00e9"}` + "\n", "\xff\x00\r\n\r\n0\r\n", strings.Repeat("x", 1<<20)} {
			at.do("POST", "/function/hook/events", body, "X-Hub-Signature-256", sign([]byte(body)), "Content-Type", "application/json").expect(200)
		}
		at.do("POST", "/function/hook/events", "other", "X-Hub-Signature-256", sign([]byte("body"))).expect(403)
	})
}

// What the function has written is with the caller before it writes more, in an
// answer of either framing and without a body at first.
func TestRawAnswersAreNotHeldBack(t *testing.T) {
	steps := make(chan struct{})
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "24")
		}
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		for i := range 3 {
			<-steps
			fmt.Fprintf(w, "data: %d\n", i)
			w.(http.Flusher).Flush()
		}
	})
	passedOn(t, "sse", func(t *testing.T, f, at *fixture) {
		f.pool("sse", url)
		for _, path := range []string{"/", "/length"} {
			c := at.caller()
			c.say("GET /function/sse%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
			if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
				t.Fatal(head)
			}
			for i := range 3 {
				steps <- struct{}{}
				if path == "/" {
					c.hears("8\r\n")
				}
				c.hears(fmt.Sprintf("data: %d\n", i))
				if path == "/" {
					c.hears("\r\n")
				}
			}
			if path == "/" {
				c.hears("0\r\n\r\n")
			}
		}
	})
}

// The function answers while the request is still coming.
func TestRawCallGoesBothWaysAtOnce(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, strings.ToUpper(line))
			w.(http.Flusher).Flush()
		}
	})
	passedOn(t, "duplex", func(t *testing.T, f, at *fixture) {
		f.pool("duplex", url)
		c := at.caller()
		c.say("POST /function/duplex HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
		if head := c.head(); !strings.Contains(head, "Connection: close\r\n") || !strings.Contains(head, "Transfer-Encoding: chunked\r\n") {
			t.Error(head)
		}
		for _, word := range []string{"one\n", "two\n", "three\n"} {
			c.say("%x\r\n%s\r\n", len(word), word)
			c.hears(fmt.Sprintf("%x\r\n%s\r\n", len(word), strings.ToUpper(word)))
		}
		c.say("0\r\n\r\n")
		c.hears("0\r\n\r\n")
		if _, err := c.in.ReadByte(); err != io.EOF {
			t.Errorf("after the answer: %v", err)
		}
	})
}

func TestRawCallAsksForTheBodyItWants(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d bytes, expects %q", len(body), r.Header.Get("Expect"))
	})
	passedOn(t, "fn", func(t *testing.T, f, at *fixture) {
		f.pool("fn", url)
		c := at.caller()
		for range 2 {
			c.say("PUT /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
			c.hears("HTTP/1.1 100 Continue\r\n\r\n")
			c.say("hello")
			if resp, body := c.response("PUT"); resp.StatusCode != 200 || string(body) != `5 bytes, expects ""` {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		}
		// A refused call does not ask.
		c.say("PUT /function/none HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if resp, _ := c.response("PUT"); resp.StatusCode != 404 {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

// A function may refuse a body without reading it; the caller gets the answer.
func TestRawAnswerBeforeTheBody(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	})
	passedOn(t, "fn", func(t *testing.T, f, at *fixture) {
		f.pool("fn", url, `"concurrency":1`)
		for range 3 {
			c := at.caller()
			c.say("POST /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n%s", strings.Repeat("x", 100<<10))
			if resp, body := c.response("POST"); resp.StatusCode != 413 || string(body) != "too much\n" || !resp.Close {
				t.Errorf("%d %q, close %v", resp.StatusCode, body, resp.Close)
			}
		}
		f.eventually("the slot is free", func() bool { return f.series(`function_in_flight{function="fn"}`) == 0 })
	})
}

// A call is retried while nothing of it has been sent, and never after that.
func TestRawCallsAreRetriedOnFailedDialsOnly(t *testing.T) {
	f := start(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	f.pool("late", "http://"+addr, `"maxRetries":10000`, `"retryBackoff":{"initialMs":5,"multiplier":1,"jitter":0}`)
	answered := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/function/late/x", "the body")
		answered <- a
	}()
	f.eventually("some dials fail", func() bool { return f.series(`function_retry_total{function="late"}`) >= 2 })
	if ln, err = net.Listen("tcp", addr); err != nil {
		t.Skip("somebody took the port: ", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })}
	go server.Serve(ln)
	defer server.Close()
	if a := receive(t, "the answer", answered); a == nil || a.status != 200 || string(a.body) != "the body" {
		t.Errorf("%+v", a)
	}

	hits := atomic.Int32{}
	for name, talk := range map[string]func(c net.Conn){
		"silent":   func(c net.Conn) {},
		"half":     func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le") },
		"garbage":  func(c net.Conn) { io.WriteString(c, "no HTTP\r\n\r\n") },
		"switches": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n") },
	} {
		url := "http://" + rawpeer.Start(t, func(c net.Conn, r *http.Request, n int) bool {
			hits.Add(1)
			talk(c)
			return false
		})
		f.pool(name, url, `"retryBackoff":{"initialMs":0}`)
		hits.Store(0)
		a := f.post("/function/"+name, "x").refused(502, "POOL_ERROR")
		if n := hits.Load(); n != 1 || a.header.Get("X-Execution-Id") == "" {
			t.Errorf("%s: sent %d times", name, n)
		}
	}
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) { hits.Add(1); w.WriteHeader(503) })
	f.pool("refuses", url, `"retryBackoff":{"initialMs":0}`)
	hits.Store(0)
	id := f.post("/function/refuses", "x").expect(503).header.Get("X-Execution-Id")
	if e := f.get("/v1/executions/" + id); hits.Load() != 1 || e.str("status") != "error" || e.str("error", "code") != "POOL_ERROR" || e.num("attempt") != 1 {
		t.Errorf("%d times: %s", hits.Load(), e.body)
	}

	f.pool("closed", "http://127.0.0.1:1", `"maxRetries":1`, `"retryBackoff":{"initialMs":1}`)
	a := f.post("/function/closed", "x").refused(502, "POOL_ERROR")
	if e := f.get("/v1/executions/" + a.header.Get("X-Execution-Id")); e.num("attempt") != 2 {
		t.Errorf("attempts: %s", e.body)
	}
}

// An answer that breaks off must not look whole.
func TestRawAnswerThatBreaksOff(t *testing.T) {
	f := start(t)
	for name, c := range map[string]struct{ answer, proto string }{
		"length":  {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", "1.1"},
		"chunks":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", "1.1"},
		"chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nsome", "1.1"},
		"garbage": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nzz\r\n", "1.1"},
		"old":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", "1.0"},
	} {
		f.pool(name, rawEndpoint(t, func(conn net.Conn, n int) bool { io.WriteString(conn, c.answer); return false }))
		conn := f.caller()
		conn.say("GET /function/%s HTTP/%s\r\nHost: 127.0.0.1\r\n\r\n", name, c.proto)
		resp, err := http.ReadResponse(conn.in, nil)
		if err != nil {
			if c.proto == "1.0" {
				continue // the reset may come first
			}
			t.Fatalf("%s: %v", name, err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: %q looks like the whole answer", name, body)
		}
		f.eventually("it counts as an error", func() bool { return f.series(`function_error_total{function="`+name+`"}`) == 1 })
	}
}

func TestRawCallTimesOut(t *testing.T) {
	leave := make(chan struct{})
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Write([]byte("some"))
			w.(http.Flusher).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-leave:
		case <-r.Context().Done():
		}
	})
	defer close(leave)
	f := start(t)
	f.pool("slow", url, `"concurrency":1`)
	a := f.do("POST", "/function/slow", "x", "X-Timeout-Ms", "50").refused(504, "POOL_TIMEOUT")
	if e := f.get("/v1/executions/" + a.header.Get("X-Execution-Id")); e.str("status") != "timeout" {
		t.Errorf("%s", e.body)
	}
	f.do("POST", "/function/slow", "x", "X-Timeout-Ms", "soon").refused(400, "VALIDATION_ERROR")

	for _, body := range []string{"GET /function/slow/begun HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Timeout-Ms: 200\r\n\r\n",
		"POST /function/slow/begun HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Timeout-Ms: 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		c := f.caller()
		c.say("%s", body)
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err == nil || string(got) != "some" {
			t.Errorf("an answer that ran over its deadline: %q %v", got, err)
		}
	}
	// One whose body does not come in time is a timeout, too.
	c := f.caller()
	c.say("POST /function/slow HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Timeout-Ms: 50\r\nContent-Length: 10\r\n\r\nabc")
	if resp, body := c.response("POST"); resp.StatusCode != 504 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	f.eventually("the slot is free", func() bool { return f.series(`function_in_flight{function="slow"}`) == 0 })
}

// Raw calls share the queue, the slots and the limits with all others.
func TestRawCallsAreAdmittedAsOthers(t *testing.T) {
	enter, leave := make(chan string, 10), make(chan struct{})
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		enter <- string(body)
		<-leave
		fmt.Fprintf(w, `"%s"`, r.Method)
	})
	f := start(t)
	f.pool("fn", url, `"concurrency":1`, `"queueSize":1`)
	first, second := make(chan *answer, 1), make(chan *answer, 1)
	go func() { a, _ := f.try(f.api, "POST", "/function/fn", "first"); first <- a }()
	receive(t, "the first call", enter)
	go func() { a, _ := f.try(f.api, "PUT", "/function/fn", strings.Repeat("second", 100<<10)); second <- a }()
	f.eventually("the second waits", func() bool { return f.series(`function_queue_depth{function="fn"}`) == 1 })
	a := f.post("/function/fn", "third").refused(429, "QUEUE_FULL")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.invoke("fn", `1`).refused(429, "QUEUE_FULL")
	leave <- struct{}{}
	if a := receive(t, "the first answer", first); a == nil || a.status != 200 {
		t.Errorf("first: %+v", a)
	}
	if got := receive(t, "the second call", enter); len(got) != 600<<10 {
		t.Errorf("the second came with %d bytes", len(got))
	}
	leave <- struct{}{}
	if a := receive(t, "the second answer", second); a == nil || a.status != 200 || string(a.body) != `"PUT"` {
		t.Errorf("second: %+v", a)
	}

	f.pool("limited", url, `"rateMaxPerSecond":1`)
	close(leave)
	limited := 0
	for range 50 {
		if f.post("/function/limited", "x").status == 429 {
			limited++
		}
	}
	if limited == 0 {
		t.Error("no call met the rate limit")
	}
}

func TestRawCallIsCancelled(t *testing.T) {
	enter := make(chan string, 1)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		enter <- r.Header.Get("X-Execution-Id")
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	passedOn(t, "fn", func(t *testing.T, f, at *fixture) {
		f.pool("fn", url, `"concurrency":1`)
		for _, body := range []string{"Content-Length: 1\r\n\r\nx", "Content-Length: 10\r\n\r\nx"} {
			c := at.caller()
			c.say("POST /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", body)
			f.post("/v1/executions/"+receive(t, "the call", enter)+":cancel", "").expect(200)
			if resp, body := c.response("POST"); resp.StatusCode != 503 || !bytes.Contains(body, []byte(`"CANCELLED"`)) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		}
		// While it is queued, too, and by a caller who leaves.
		running := at.caller()
		running.say("GET /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		runs := receive(t, "the call that runs", enter)
		queued := at.caller()
		queued.say("GET /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		f.eventually("it waits", func() bool { return f.series(`function_queue_depth{function="fn"}`) == 1 })
		list := f.onMgmt("GET", "/v1/admin/executions?status=queued", "").expect(200)
		id := list.value("executions").([]any)[0].(map[string]any)["executionId"].(string)
		f.post("/v1/executions/"+id+":cancel", "").expect(200)
		if resp, body := queued.response("GET"); resp.StatusCode != 503 || !bytes.Contains(body, []byte(`"CANCELLED"`)) {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		f.post("/v1/executions/"+runs+":cancel", "").expect(200)
	})
}

// A caller who leaves amid the request takes the call with it.
func TestRawCallerLeavesAmidTheRequest(t *testing.T) {
	ended := make(chan error, 1)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	})
	passedOn(t, "fn", func(t *testing.T, f, at *fixture) {
		f.pool("fn", url, `"concurrency":1`)
		for _, part := range []string{"Content-Length: 1000\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"} {
			c := at.caller()
			c.say("POST /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", part)
			f.eventually("it runs", func() bool { return f.series(`function_in_flight{function="fn"}`) == 1 })
			c.Close()
			if err := receive(t, "the end of the body", ended); err == nil {
				t.Error("the function took a part for the whole body")
			}
			f.eventually("the slot is free", func() bool { return f.series(`function_in_flight{function="fn"}`) == 0 })
		}
		// A body that is none.
		c := at.caller()
		c.say("POST /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		if resp, body := c.response("POST"); resp.StatusCode != 400 || !bytes.Contains(body, []byte("chunk")) {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		if err := receive(t, "the end of the body", ended); err == nil {
			t.Error("the function took no body for one")
		}
	})
}

// A caller who leaves amid an answer takes the call with it, although the function says
// nothing: a feed of events would have its slot until its timeout.
func TestRawCallerLeavesAmidAQuietAnswer(t *testing.T) {
	ended := make(chan struct{}, 1)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			w.Header().Set("Content-Length", "1000")
		}
		fmt.Fprint(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	})
	passedOn(t, "fn", func(t *testing.T, f, at *fixture) {
		f.pool("fn", url, `"concurrency":1,"timeoutMillis":120000`)
		for _, method := range []string{"GET", "PUT"} {
			c := at.caller()
			c.say("%s /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", method)
			resp, err := http.ReadResponse(c.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, len("begun"))); err != nil {
				t.Fatal(err)
			}
			c.Close()
			receive(t, "the end of the call", ended)
			f.eventually("the execution is cancelled", func() bool {
				got := f.do("GET", "/v1/executions/"+resp.Header.Get("X-Execution-Id"), "")
				return bytes.Contains(got.body, []byte(`"CANCELLED"`))
			})
			f.eventually("the slot is free", func() bool { return f.series(`function_in_flight{function="fn"}`) == 0 })
		}
	})
}

func TestRawCallRefusesUpgrades(t *testing.T) {
	url, got := wire(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	f := start(t)
	f.pool("fn", url)
	a := f.do("GET", "/function/fn/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13")
	if a.refused(501, "UPGRADE_UNSUPPORTED"); !strings.Contains(a.str("message"), "websocket") {
		t.Error(a.str("message"))
	}
	f.do("GET", "/function/fn", "", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABk").expect(200)
	if request := receive(t, "the request", got); strings.Contains(request, "Upgrade") || strings.Contains(request, "HTTP2") {
		t.Errorf("%q", request)
	}
}

// Simplane's token is not the function's business; where there is none the header is
// the caller's own.
func TestRawCallKeepsItsTokenToItself(t *testing.T) {
	url, got := wire(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	f := start(t, func(c *Config) { c.InvokeToken, c.ManageToken = "i-token", "m-token" })
	f.do("POST", "/v1/functions", fmt.Sprintf(`{"name":"fn","executionMode":"POOL","endpointUrl":%q}`, url), "Authorization", "Bearer m-token").expect(201)
	f.do("GET", "/function/fn", "").refused(401, "UNAUTHORIZED")
	f.do("GET", "/function/fn", "", "Authorization", "Bearer i-token").expect(200)
	if request := receive(t, "the request", got); strings.Contains(request, "i-token") {
		t.Errorf("the function got the token: %q", request)
	}
	if len(got) > 0 {
		t.Errorf("a call without a token reached the function: %q", <-got)
	}
}

// Functions that serve no HTTP get the body as input, and their output is the answer.
func TestRawCallAsInput(t *testing.T) {
	f := start(t, func(c *Config) { c.Provider, c.MaxBodyBytes = ProviderProcess, 1<<20 })
	f.register("echo", "LOCAL")
	f.register("line", "DEPLOYMENT", `"runtimeMode":"STDIO","commands":["sh","-c","while read -r l; do printf '{\"output\":%s}\\n' \"$l\"; done"]`)
	f.register("exec", "DEPLOYMENT", `"runtimeMode":"EXEC","commands":["cat"]`)
	f.register("fails", "DEPLOYMENT", `"runtimeMode":"EXEC","runtimeCommand":"echo ran >> \"$RAN\"; echo broken >&2; exit 3"`, fmt.Sprintf(`"env":{"RAN":%q}`, t.TempDir()+"/ran"))
	for _, c := range []struct{ body, contentType, want, wantType string }{
		{`{"a": [1]}`, "", `{"a": [1]}`, "application/json"},
		{`plain text`, "", `plain text`, "text/plain; charset=utf-8"},
		{`"quoted"`, "application/json", `quoted`, "text/plain; charset=utf-8"},
		{`[1]`, "text/plain", `[1]`, "text/plain; charset=utf-8"},
		{"caf\xe9", "text/plain; charset=iso-8859-1", "café", "text/plain; charset=utf-8"},
		{"\xff", "", "\uFFFD", "text/plain; charset=utf-8"},
		{"", "", "", "text/plain; charset=utf-8"},
		{"null", "", "null", "application/json"},
		{strings.Repeat("x", 100<<10), "", strings.Repeat("x", 100<<10), "text/plain; charset=utf-8"},
	} {
		a := f.post("/function/echo/p", c.body, "Content-Type", c.contentType).expect(200)
		if string(a.body) != c.want || a.header.Get("Content-Type") != c.wantType || a.header.Get("X-Execution-Id") == "" {
			t.Errorf("%.40q as %q: %.80q as %q", c.body, c.contentType, a.body, a.header.Get("Content-Type"))
		}
	}
	line := f.do("PATCH", "/function/line/some/path?q=1", `{"x":1}`).expect(200)
	if line.raw("input") != `{"x":1}` || line.raw("metadata") != `{"method":"PATCH","path":"/some/path","query":"q=1"}` {
		t.Errorf("%s", line.body)
	}
	if a := f.do("PUT", "/function/exec", "bytes\n").expect(200); string(a.body) != "bytes\n" {
		t.Errorf("%q", a.body)
	}
	a := f.post("/function/fails", "x").refused(502, "FUNCTION_FAILED")
	if !strings.Contains(a.str("message"), "broken") {
		t.Error(a.str("message"))
	}
	if e := f.get("/v1/executions/" + a.header.Get("X-Execution-Id")); e.num("attempt") != 1 {
		t.Errorf("it ran again: %s", e.body)
	}
	f.post("/function/echo", strings.Repeat("x", 1<<20+1)).refused(413, "BODY_TOO_LARGE")
}

// A call that is passed on keeps nothing of its payload.
func TestRawCallsPayloadIsNotKept(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	f := start(t)
	f.pool("fn", url)
	before := f.s.only.core.Gauges().PayloadBytes
	a := f.post("/function/fn", strings.Repeat("payload", 1000)).expect(200)
	e := f.get("/v1/executions/" + a.header.Get("X-Execution-Id") + "?include=input").expect(200)
	if strings.Contains(string(e.body), "payload") || e.str("status") != "success" || e.raw("output") != "" {
		t.Errorf("%s", e.body)
	}
	if after := f.s.only.core.Gauges().PayloadBytes; after != before {
		t.Errorf("%d bytes of payload are kept", after-before)
	}
}

// A completion from outside ends a raw call with its output.
func TestRawCallIsCompletedFromOutside(t *testing.T) {
	enter := make(chan string, 1)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		enter <- r.Header.Get("X-Execution-Id")
		<-r.Context().Done()
	})
	f := start(t)
	f.pool("fn", url)
	answered := make(chan *answer, 1)
	go func() { a, _ := f.try(f.api, "GET", "/function/fn", ""); answered <- a }()
	f.complete(receive(t, "the call", enter), `{"status":"success","output":{"from":"outside"}}`).expect(204)
	if a := receive(t, "the answer", answered); a == nil || a.status != 200 || string(a.body) != `{"from":"outside"}` {
		t.Errorf("%+v", a)
	}
}

// Pipelined requests of both kinds are answered in order.
func TestRawCallsAmongOthers(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path); _, _ = io.Copy(w, r.Body) })
	f := start(t)
	f.pool("fn", url)
	c := f.caller()
	var want []string
	for i := range 20 {
		if i%3 == 2 {
			c.say("GET /actuator/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			want = append(want, `{"status":"UP"}`)
			continue
		}
		c.say("POST /function/fn/%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n:%d", i, i%10)
		want = append(want, fmt.Sprintf("/%d:%d", i, i%10))
	}
	var got []string
	for range want {
		_, body := c.response("POST")
		got = append(got, string(body))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Over TLS, too, both ways at once.
func TestRawCallOverTLS(t *testing.T) {
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("X-Scheme", r.Header.Get("X-Forwarded-Proto"))
		_, _ = io.Copy(w, r.Body)
	})
	ours := newAuthority(t, "ours")
	cert, key := ours.issue(time.Hour, "localhost")
	f := start(t, func(c *Config) { c.TLSCert, c.TLSKey = cert, key })
	client := ours.client(nil, 0, nil)
	base := "https://localhost:" + f.s.Addr()[strings.LastIndexByte(f.s.Addr(), ':')+1:]
	resp, err := client.Post(base+"/v1/functions", "application/json", strings.NewReader(fmt.Sprintf(`{"name":"fn","executionMode":"POOL","endpointUrl":%q}`, url)))
	if err != nil || resp.StatusCode != 201 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	for _, size := range []int{0, 10, 5 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		resp, err := client.Post(base+"/function/fn", "text/plain", io.MultiReader(bytes.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, body) || resp.Header.Get("X-Scheme") != "https" {
			t.Errorf("%d bytes: %d came back, %v, %q", size, len(got), err, resp.Header.Get("X-Scheme"))
		}
	}
}
