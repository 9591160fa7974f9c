package fncall

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestLineIsOneLine(t *testing.T) {
	r := Request{ExecutionID: "a\"b", Input: json.RawMessage("{\n \"x\": \"\\n\"\r\n}"), Metadata: json.RawMessage("{\n}")}
	got := string(AppendLine(nil, r))
	if want := `{"executionId":"a\"b","input":{"x":"\n"},"metadata":{}}` + "\n"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	r.TraceParent, r.TraceState = "00-1", `a="b"`
	got = string(AppendLine(nil, r))
	if want := `{"executionId":"a\"b","traceparent":"00-1","tracestate":"a=\"b\"","input":{"x":"\n"},"metadata":{}}` + "\n"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

// Whatever a function's endpoint is, calling it must not end the server, and
// what is sent must be a request.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"http://a/x", "http://[::1]:80/a b?c#d", "http://u:p%20@h:1/%0d%0a", "https://[fe80::1%25eth0]/", "http://a?x", "http://a#f", "http://%61/", "http://a\\b/", "http:", "http://127.0.0.1:1,127.0.0.1:2/", "http://a/\u65e5?\u65e5", "//0/ ", "a /b://c", "HTTP://a/ b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		target, err := New(&fasthttp.HostClient{Name: "simplane", DisablePathNormalizing: true}, url)
		if err != nil {
			return
		}
		head := string(target.head)
		if strings.Count(head, "\r\n") < 3 || strings.Contains(head, "\r\n\r\n") {
			t.Errorf("%q: %q", url, head)
		}
		line, _, _ := strings.Cut(head, "\r\n")
		if strings.Count(line, " ") != 2 || bytes.ContainsFunc([]byte(line), func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			t.Errorf("%q: request line %q", url, line)
		}
	})
}

func TestTargetsAreAbsolute(t *testing.T) {
	for _, url := range []string{"", "/", "//0/ ", "h/x", "ftp://h/", "a b://h/", "http", "http:/h"} {
		if _, err := New(&fasthttp.HostClient{Name: "simplane"}, url); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
}

func TestRequestTargetIsEscaped(t *testing.T) {
	for url, want := range map[string]string{
		"http://h/my fn/\u65e5?q=a b&\u65e5#f": "POST /my%20fn/%E6%97%A5?q=a%20b&%E6%97%A5 HTTP/1.1",
		"http://h/a%20b/%2F?x=%00":             "POST /a%20b/%2F?x=%00 HTTP/1.1",
		"http://h?q=\u00e9":                    "POST /?q=%C3%A9 HTTP/1.1",
		"http://h":                             "POST / HTTP/1.1",
	} {
		target, err := New(&fasthttp.HostClient{Name: "simplane", DisablePathNormalizing: true}, url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if line, _, _ := strings.Cut(string(target.head), "\r\n"); line != want {
			t.Errorf("%s: %q, want %q", url, line, want)
		}
	}
}

func TestPathIsAddedToTheTargets(t *testing.T) {
	for _, c := range []struct{ url, path, want string }{
		{"http://h", "", "POST / HTTP/1.1"},
		{"http://h", "/", "POST / HTTP/1.1"},
		{"http://h/a", "/", "POST /a HTTP/1.1"},
		{"http://h/a/", "", "POST /a/ HTTP/1.1"},
		{"http://h", "/invoke", "POST /invoke HTTP/1.1"},
		{"http://h/", "/invoke", "POST /invoke HTTP/1.1"},
		{"http://h/a", "/b/../c", "POST /a/b/../c HTTP/1.1"},
		{"http://h/a/", "/b/", "POST /a/b/ HTTP/1.1"},
		{"http://h/a?q=/x y", "/b", "POST /a/b?q=/x%20y HTTP/1.1"},
		{"http://h?q", "/b", "POST /b?q HTTP/1.1"},
	} {
		target, err := New(&fasthttp.HostClient{Name: "simplane", DisablePathNormalizing: true}, c.url)
		if err != nil {
			t.Fatal(err)
		}
		message, _, _ := target.appendRequest(nil, &Request{Path: c.path, Input: json.RawMessage("1")})
		if line, _, _ := strings.Cut(string(message), "\r\n"); line != c.want {
			t.Errorf("%s with %q: %q, want %q", c.url, c.path, line, c.want)
		}
	}
}

// Whatever the input is, what is sent is a request that a server reads, with the
// body that belongs to it.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(`{"a":1}`), true)
	f.Add([]byte(`"\ud800 \u00e9\"x"`), true)
	f.Add([]byte(`"`+strings.Repeat("x", largeInput)+`"`), true)
	f.Add([]byte(`["`+strings.Repeat("x", largeInput)+`"]`), true)
	f.Add([]byte(`"`+strings.Repeat("x", largeInput)+`"`), false)
	f.Add([]byte(`""`), true)
	target, err := New(&fasthttp.HostClient{Name: "simplane"}, "http://h/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte, raw bool) {
		if !json.Valid(input) {
			return
		}
		input = bytes.TrimSpace(input) // as inputs are
		message, large, cut := target.appendRequest(nil, &Request{Input: input, RawBody: raw})
		whole := slices.Concat(message[:cut], large, message[cut:])
		in := bufio.NewReader(bytes.NewReader(whole))
		req, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("%q: %v", whole, err)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || in.Buffered() > 0 {
			t.Fatalf("%q: %v, %d bytes are left", whole, err, in.Buffered())
		}
		want, contentType := `{"input":`+string(input)+`,"metadata":{}}`, "application/json"
		var text string
		switch {
		case raw && input[0] == '"':
			_ = json.Unmarshal(input, &text)
			want, contentType = text, "text/plain; charset=utf-8"
		case raw:
			want = string(input)
		}
		if string(body) != want || req.Header.Get("Content-Type") != contentType {
			t.Errorf("%q: body %q as %q, want %q", input, body, req.Header.Get("Content-Type"), want)
		}
	})
}
