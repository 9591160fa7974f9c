package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"simplane/server/harness/rawpeer"
	"simplane/server/internal/httpjson"
)

// endpoint starts a function server that answers with h.
func endpoint(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// rawEndpoint is a function server that reads a request and then does what talk
// does with the connection; n counts the connection's requests from 1.
func rawEndpoint(t *testing.T, talk func(c net.Conn, n int) (again bool)) string {
	t.Helper()
	return "http://" + rawpeer.Start(t, func(c net.Conn, r *http.Request, n int) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		return talk(c, n)
	})
}

func (f *fixture) pool(name, url string, fields ...string) {
	f.t.Helper()
	f.register(name, "POOL", append([]string{fmt.Sprintf(`"endpointUrl":%q`, url)}, fields...)...)
}

func TestPoolDispatcherSendsTheInvocation(t *testing.T) {
	type seen struct {
		method, uri, body string
		header            http.Header
	}
	got := make(chan seen, 10)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.RequestURI, string(body), r.Header}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, ` {"ok": true} `)
	})
	f := start(t)
	f.pool("fn", url+"/run//me?x=1%20y")
	a := f.post("/v1/functions/fn:invoke", `{"metadata":{"k":"v"},"input":{"n":1.0}}`, "X-Trace-Id", "t1", "Idempotency-Key", "k1").expect(200)
	if want := fmt.Sprintf(`{"executionId":%q,"status":"success","output":{"ok": true}}`, a.str("executionId")); string(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	req := receive(t, "the function's request", got)
	if req.method != "POST" || req.uri != "/run//me?x=1%20y" || req.body != `{"input":{"n":1.0},"metadata":{"k":"v"}}` {
		t.Errorf("request: %+v", req)
	}
	for name, want := range map[string]string{
		"X-Execution-Id": a.str("executionId"), "X-Trace-Id": "t1", "Idempotency-Key": "k1", "Content-Type": "application/json",
	} {
		if got := req.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	f.invoke("fn", `1`).expect(200)
	req = receive(t, "the function's request", got)
	if _, has := req.header["X-Trace-Id"]; has || req.header.Get("Idempotency-Key") != "" || req.body != `{"input":1,"metadata":{}}` {
		t.Errorf("bare request: %+v", req)
	}
}

func TestPoolDispatcherErrors(t *testing.T) {
	once(t)
	f := start(t, func(c *Config) { c.MaxResponseBytes = 1 << 20 })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	status := func(code int) string {
		return endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			fmt.Fprint(w, `{"why":"because"}`)
		})
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.CopyN(z, repeat('1'), 16<<20)
	_ = z.Close()

	for name, tc := range map[string]struct{ url, message string }{
		"s400":    {status(400), "status 400"},
		"s404":    {status(404), "status 404"},
		"s503":    {status(503), "status 503: {\"why\""},
		"s302":    {status(302), "status 302"},
		"refused": {"http://" + closed.Addr().String(), ""},
		"mute":    {rawEndpoint(t, func(c net.Conn, n int) bool { return false }), ""},
		"garbage": {rawEndpoint(t, func(c net.Conn, n int) bool { fmt.Fprint(c, "ceci n'est pas HTTP\r\n\r\n"); return false }), ""},
		"dropped": {rawEndpoint(t, func(c net.Conn, n int) bool {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":")
			return false
		}), ""},
		"chunk": {rawEndpoint(t, func(c net.Conn, n int) bool {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n")
			return false
		}), ""},
		"huge": {endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.CopyN(w, repeat('1'), 2<<20)
		}), ""},
		"hugeText": {endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.CopyN(w, repeat('1'), 2<<20)
		}), ""},
		"bomb": {endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}), ""},
		"headers": {rawEndpoint(t, func(c net.Conn, n int) bool {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Long: %s\r\nContent-Length: 2\r\n\r\n{}", strings.Repeat("x", 1<<20))
			return false
		}), ""},
	} {
		f.pool(name, tc.url, `"maxRetries":0`)
		a := f.invoke(name, `1`).expect(200)
		if a.str("status") != "error" || a.str("error", "code") != "POOL_ERROR" || !strings.Contains(a.str("error", "message"), tc.message) {
			t.Errorf("%s: %s, want POOL_ERROR with %q", name, httpjson.Clip(a.body, 300), tc.message)
		}
		if len(a.body) > 2000 {
			t.Errorf("%s: the error is %d bytes long", name, len(a.body))
		}
	}
	if n := f.s.only.core.Gauges().PayloadBytes; n > 5000 {
		t.Errorf("%d bytes of refused answers are kept", n)
	}
}

// An answer that nobody asked for must not be taken for the next call's.
func TestPoolDispatcherUnaskedAnswer(t *testing.T) {
	f := start(t)
	sent := make(chan struct{}, 100)
	f.pool("fn", rawEndpoint(t, func(c net.Conn, n int) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n%d", n)
		time.Sleep(5 * ms) // so that it is a packet of its own
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n\"wrong\"")
		sent <- struct{}{}
		return true
	}))
	for range 5 {
		if a := f.invoke("fn", `1`).expect(200); a.raw("output") != "1" {
			t.Fatalf("%s", a.body)
		}
		receive(t, "the unasked answer is sent", sent)
	}
}

// repeat is an endless reader of one byte.
type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestPoolDispatcherCompressedAnswer(t *testing.T) {
	f := start(t)
	f.pool("fn", endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `{"a":1}`)
		_ = z.Close()
	}))
	if a := f.invoke("fn", `1`).expect(200); a.raw("output") != `{"a":1}` {
		t.Errorf("%s", a.body)
	}
}

func TestPoolEndpointMissing(t *testing.T) {
	f := start(t)
	a := f.post("/v1/functions", `{"name":"fn","image":"i","executionMode":"POOL"}`).refused(400, "VALIDATION_ERROR")
	if !strings.Contains(a.details(), "endpointUrl: is required for POOL") {
		t.Errorf("%s", a.body)
	}
}

func TestPoolDispatcherTimeout(t *testing.T) {
	release := make(chan struct{})
	hang := func(before string) string {
		return rawEndpoint(t, func(c net.Conn, n int) bool {
			fmt.Fprint(c, before)
			<-release
			return false
		})
	}
	f := start(t)
	f.pool("silent", hang(""), `"timeoutMillis":50`)
	f.pool("header", hang("HTTP/1.1 200 OK\r\nContent-Ty"), `"timeoutMillis":50`)
	f.pool("body", hang("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"), `"timeoutMillis":50`)
	defer close(release)
	for _, name := range []string{"silent", "header", "body"} {
		a := f.invoke(name, `1`).expect(200)
		if a.str("status") != "timeout" || a.raw("output") != "" || a.raw("error") != "" {
			t.Errorf("%s, sync: %s", name, a.body)
		}
		e := f.ended(f.enqueue(name, `1`).expect(202).str("executionId"))
		if e.str("status") != "timeout" || e.num("attempt") != 1 { // timeouts are not retried
			t.Errorf("%s, async: %s", name, e.body)
		}
	}
	f.eventually("all slots are free", func() bool { _, running := f.s.only.core.Unfinished(); return running == 0 })
}

func TestPoolColdStart(t *testing.T) {
	f := start(t)
	for i, tc := range []struct{ cold, init, wantCold, wantInit string }{
		{"true", "250", "true", "250"},
		{"TRUE", "0", "true", ""},
		{"true", "", "true", ""},
		{"true", "-5", "true", ""},
		{"true", "999999999999999999999", "true", "2147483647"},
		{"false", "250", "false", ""},
		{"", "250", "false", ""},
	} {
		name := fmt.Sprintf("fn%d", i)
		f.pool(name, endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Cold-Start", tc.cold)
			w.Header().Set("X-Init-Duration-Ms", tc.init)
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{}`)
		}))
		id := f.invoke(name, `1`).expect(200).str("executionId")
		if e := f.get("/v1/executions/" + id); e.raw("coldStart") != tc.wantCold || e.raw("initDurationMs") != tc.wantInit {
			t.Errorf("%+v: %s", tc, e.body)
		}
	}
}

func TestPoolRetries(t *testing.T) {
	f := start(t)
	failures := 0 // one slot: no two requests at once
	f.pool("fn", endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if failures++; failures < 3 {
			w.WriteHeader(500)
			return
		}
		fmt.Fprint(w, `"at last"`)
	}), `"maxRetries":2,"concurrency":1`)
	a := f.invoke("fn", `1`).expect(200)
	if a.str("status") != "success" {
		t.Errorf("%s", a.body)
	}
	if e := f.get("/v1/executions/" + a.str("executionId")); e.num("attempt") != 3 {
		t.Errorf("attempts: %s", e.body)
	}

	f.pool("hopeless", endpoint(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }), `"maxRetries":2`)
	e := f.ended(f.enqueue("hopeless", `1`).expect(202).str("executionId"))
	if e.str("status") != "error" || e.num("attempt") != 3 || e.str("error", "code") != "POOL_ERROR" {
		t.Errorf("execution: %s", e.body)
	}
}

// A function server that closes a kept-alive connection while it is idle, as
// all do after some time, is no error: nothing was sent to it.
func TestPoolConnectionClosedWhileIdle(t *testing.T) {
	f := start(t)
	closed := make(chan struct{}, 1)
	f.pool("fn", rawEndpoint(t, func(c net.Conn, n int) bool {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		_ = c.Close()
		closed <- struct{}{}
		return false
	}), `"maxRetries":0`)
	for i := range 5 {
		if a := f.invoke("fn", `1`).expect(200); a.str("status") != "success" {
			t.Fatalf("call %d: %s", i, a.body)
		}
		receive(t, "the connection is closed", closed)
	}
}

func TestPoolConnectionIsReused(t *testing.T) {
	f := start(t)
	most := make(chan int, 100)
	f.pool("fn", rawEndpoint(t, func(c net.Conn, n int) bool {
		most <- n
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		return true
	}))
	for i := range 5 {
		f.invoke("fn", `1`).expect(200)
		if n := <-most; n != i+1 {
			t.Errorf("call %d is request %d of its connection", i+1, n)
		}
	}
}

// One hanging endpoint takes its own slots only.
func TestPoolHangingEndpointBlocksNobodyElse(t *testing.T) {
	f := start(t)
	release := make(chan struct{})
	defer close(release)
	f.pool("hanging", endpoint(t, func(w http.ResponseWriter, r *http.Request) { <-release }), `"concurrency":2,"timeoutMillis":150`)
	f.pool("healthy", endpoint(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `1`) }))
	var ids []string
	for range 6 {
		ids = append(ids, f.enqueue("hanging", `1`).expect(202).str("executionId"))
	}
	begin := time.Now()
	for range 20 {
		f.invoke("healthy", `1`).expect(200)
	}
	if e := f.get("/v1/executions/" + ids[5]); e.str("status") != "queued" && time.Since(begin) < 100*ms {
		t.Errorf("the last of the hanging function's work: %s", e.body)
	}
	for _, id := range ids {
		if e := f.ended(id); e.str("status") != "timeout" {
			t.Errorf("%s", e.body)
		}
	}
}

// Whoever may read an execution need not know the function's keys.
func TestPoolErrorsShowNoSecrets(t *testing.T) {
	f := start(t)
	got := make(chan string, 1)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization") + " " + r.RequestURI
		w.WriteHeader(500)
	})
	f.pool("fn", strings.Replace(url, "://", "://user:pa55word@", 1)+"/run?code=k3y", `"maxRetries":0`)
	a := f.invoke("fn", `1`).expect(200)
	if seen := receive(t, "the function's request", got); !strings.HasPrefix(seen, "Basic ") || !strings.HasSuffix(seen, " /run?code=k3y") {
		t.Errorf("the function was sent %q", seen)
	}
	message := a.str("error", "message")
	if strings.Contains(message, "pa55word") || strings.Contains(message, "k3y") || !strings.Contains(message, "/run answered with status 500") {
		t.Errorf("message %q", message)
	}
	if log := f.log.String(); strings.Contains(log, "pa55word") || strings.Contains(log, "k3y") {
		t.Errorf("log: %s", log)
	}
}
