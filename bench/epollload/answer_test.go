package epollload

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"simplane/bench/loadgen"
)

func TestParse(t *testing.T) {
	head := func(lines ...string) string { return "HTTP/1.1 " + strings.Join(lines, "\r\n") + "\r\n\r\n" }
	for _, c := range []struct {
		text     string
		bodiless bool
		status   int
		body     string
		close    bool
	}{
		{text: head("200 OK", "Content-Length: 4") + "fine", status: 200, body: "fine"},
		{text: head("200 OK", "X-Y: 1", "content-LENGTH:0") + "", status: 200},
		{text: head("503 Busy", "Content-Length:  2", "Connection: Close") + "no", status: 503, body: "no", close: true},
		{text: head("204 No Content"), status: 204},
		{text: head("200 OK", "Content-Length: 99"), bodiless: true, status: 200},
		{text: head("100 Continue") + head("202 Accepted", "Content-Length: 1") + "x", status: 202, body: "x"},
	} {
		for cut := range len(c.text) {
			if _, complete, err := parse([]byte(c.text[:cut]), c.bodiless); complete || err != nil {
				t.Fatalf("%q: complete %v, %v", c.text[:cut], complete, err)
			}
		}
		a, complete, err := parse([]byte(c.text+"next"), c.bodiless)
		if !complete || err != nil || a.status != c.status || string(a.body) != c.body || a.close != c.close || a.size != len(c.text) {
			t.Errorf("%q: %+v, %v, %v", c.text, a, complete, err)
		}
	}
	for text, want := range map[string]error{
		"SSH-2.0-x\r\n\r\n":                          errNotHTTP,
		"HTTP/1.1 2x0 OK\r\n\r\n":                    errNotHTTP,
		"HTTP/1.1 000 OK\r\n\r\n":                    errNotHTTP,
		head("200 OK"):                               errNoLength,
		head("200 OK", "Content-Length: -1"):         errNotHTTP,
		head("200 OK", "Content-Length: 999999999"):  errTooLarge,
		head("200 OK", "Content-Length: 9999999999"): errNotHTTP,
		strings.Repeat("x", maxHead+1):               errTooLarge,
	} {
		if _, complete, err := parse([]byte(text), false); complete || !errors.Is(err, want) {
			t.Errorf("%.60q: complete %v, %v; want %v", text, complete, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"), false)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 OK\r\n:\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, bodiless bool) {
		a, complete, err := parse(b, bodiless)
		if complete && (err != nil || a.size > len(b) || len(a.body) > a.size || a.status < 200) {
			t.Errorf("%q: %+v, %v", b, a, err)
		}
	})
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status int
		want   loadgen.Target
		says   string
	}{
		{200, loadgen.Target{}, ""},
		{302, loadgen.Target{}, "status 302"},
		{404, loadgen.Target{ExpectStatus: []int{404}}, ""},
		{200, loadgen.Target{ExpectStatus: []int{404}}, "status 200"},
		{200, loadgen.Target{ExpectBody: "in"}, ""},
		{200, loadgen.Target{ExpectBody: "great"}, "body without the expected text"},
	} {
		if got := judge(answer{status: c.status, body: []byte("fine")}, &c.want); got != c.says {
			t.Errorf("%d against %+v: %q, want %q", c.status, c.want, got, c.says)
		}
	}
}

func TestEncode(t *testing.T) {
	target := loadgen.Target{Method: "POST", URL: "http://example.test/a/b?c=d", Headers: []loadgen.Header{{Name: "X-One", Value: "1"}}, Body: []byte("body")}
	got, addr, err := encode(target, target.URL, false)
	want := "POST /a/b?c=d HTTP/1.1\r\nHost: example.test\r\nX-One: 1\r\nContent-Length: 4\r\n\r\nbody"
	if err != nil || string(got.bytes) != want || addr != "example.test:80" {
		t.Errorf("%q to %s, %v", got.bytes, addr, err)
	}
	target = loadgen.Target{Method: "GET", URL: "http://[::1]:81", Headers: []loadgen.Header{{Name: "host", Value: "other"}}}
	got, addr, err = encode(target, target.URL, false)
	if want = "GET / HTTP/1.1\r\nHost: other\r\n\r\n"; err != nil || string(got.bytes) != want || addr != "[::1]:81" {
		t.Errorf("%q to %s, %v", got.bytes, addr, err)
	}
	if _, _, err := encode(target, "https://example.test/", false); err == nil || !strings.Contains(err.Error(), "plain http") {
		t.Errorf("https gives %v", err)
	}
}

func ExampleResult_Throughput() {
	r := Result{Answered: 300, Measured: 1.5e9}
	fmt.Println(r.Throughput())
	// Output: 200
}
