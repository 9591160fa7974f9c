package api

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
)

// Whatever a caller sends, the function gets a request with lines that are the
// caller's, and none that are simplane's or about the connection.
func FuzzRawHeader(f *testing.F) {
	for _, s := range []string{
		"Host: a\r\nX: y\r\nx: Z\r\n", "Connection: x-a, close\r\nX-A: 1\r\nX-B: 2\r\n", "Connection: content-type\r\nConnection: x-b\r\nContent-Type: t\r\nX-B: 2\r\n",
		"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: https\r\n", "x-execution-id: e\r\nAUTHORIZATION: b\r\nX-Timeout-ms: 1\r\n",
		"A: b\tc\r\nB:\r\nC: \xff\xfe\r\n: none\r\n", "Transfer-Encoding: chunked\r\nTE: x\r\n", "Content-Length: 3\r\n", "X-Long: " + strings.Repeat("v", 300) + "\r\n",
	} {
		f.Add(s)
	}
	guard, err := auth.NewGuard(auth.Tokens{}, "", nil, prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		var ctx fasthttp.RequestCtx
		ctx.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, nil)
		if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\n" + lines + "\r\n"))); err != nil {
			return
		}
		c := &rawCall{api: &API{Options{Guard: guard}}, ctx: &ctx}
		got := c.appendHeader(nil)
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(append([]byte("GET / HTTP/1.1\r\n"), got...), "\r\n"...))))
		if err != nil {
			t.Fatalf("%q becomes %q: %v", lines, got, err)
		}
		fields := 0
		for _, values := range req.Header {
			fields += len(values)
		}
		if n := bytes.Count(got, []byte("\n")); n != fields {
			t.Errorf("%q becomes %d lines with %d fields: %q", lines, n, fields, got)
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Transfer-Encoding", "Content-Length", "Host", "Expect", "Authorization",
			"X-Execution-Id", "X-Trace-Id", "X-Dispatch-Attempt", "X-Completion-Token", "X-Timeout-Ms", "Traceparent", "Tracestate", "X-Simplane-Instance-Token", "X-Durability"} {
			if req.Header.Values(name) != nil {
				t.Errorf("%q: %s is passed on: %q", lines, name, got)
			}
		}
		for _, v := range ctx.Request.Header.PeekAll("Connection") {
			for token := range strings.SplitSeq(string(v), ",") {
				if name := strings.TrimSpace(token); name != "" && !strings.HasPrefix(strings.ToLower(name), "x-forwarded-") && req.Header.Values(name) != nil {
					t.Errorf("%q: %s, which Connection names, is passed on: %q", lines, name, got)
				}
			}
		}
		if !strings.HasSuffix(req.Header.Get("X-Forwarded-For"), "127.0.0.1") {
			t.Errorf("%q: X-Forwarded-For is %q", lines, req.Header.Get("X-Forwarded-For"))
		}
	})
}

// A target is taken apart and nothing is lost.
func FuzzRawTarget(f *testing.F) {
	for _, s := range []string{"/function/f", "/function/f/", "/function/f?x=/y", "/function/f/a%2Fb//../c?d?e", "/function/%66/x", "/function/%zz", "/function//x", "/function/a#b", "/v1/functions/f", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		got, ok := parseRawTarget([]byte(uri))
		if !ok {
			return
		}
		whole, _, _ := strings.Cut(uri, "#")
		if !strings.HasSuffix(whole, got.path+got.query) || got.path != "" && got.path[0] != '/' || got.query != "" && got.query[0] != '?' || strings.Contains(got.path, "?") || got.name == "" {
			t.Errorf("%q: %+v", uri, got)
		}
		if !strings.Contains(uri, "%") && !strings.Contains(uri, "#") && "/function/"+got.name+got.path+got.query != uri {
			t.Errorf("%q: %+v", uri, got)
		}
	})
}

func TestClimbs(t *testing.T) {
	for path, want := range map[string]bool{
		"": false, "/": false, "/a/b": false, "/a..b": false, "/...": false, "/.": false, "/a/.%20./b": false,
		"/..": true, "/a/../b": true, "/a/..": true, "/%2e%2e/": true, "/.%2E": true, "/a%2f..%2Fb": true, `/a\..\b`: true, "/a%5c..": true, "/..;x=1/b": true,
	} {
		if got := climbs(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}
