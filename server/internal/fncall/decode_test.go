package fncall

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// Whatever a function answers, the server goes on, and what it hands on is JSON
// in UTF-8 or a message in UTF-8.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=shift_jis\r\n\r\n\x93\xfa\xff",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-16\r\n\r\n\xfe\xff\x65\xe5\xd8",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=iso-2022-jp\r\n\r\n\x1b$B",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=iso-2022-kr\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\xff\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 103 \r\n\r\nHTTP/1.1 500 \xff\r\n\r\n\xff",
		"HTTP/1.1 204 \r\nX-Cold-Start: true\r\nX-Init-Duration-Ms: 9\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		const limit = 1 << 16
		resp := fasthttp.AcquireResponse()
		defer fasthttp.ReleaseResponse(resp)
		resp.Header.SetNoDefaultContentType(true)
		if _, err := read(resp, bufio.NewReader(bytes.NewReader(raw)), limit); err != nil {
			return
		}
		a, err := decode(resp, limit, len(raw)%2 == 0)
		var e *Error
		switch {
		case err != nil && (!errors.As(err, &e) || !utf8.ValidString(e.Message)):
			t.Errorf("%q: error %q", raw, err)
		case err == nil && (!json.Valid(a.Output) || !utf8.Valid(a.Output)):
			t.Errorf("%q: output %q", raw, a.Output)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, "\uFEFF[1]\n", "\"\xff\"", `"\ud800"`, ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if out, err := JSON(raw); err == nil && (!json.Valid(out) || !utf8.Valid(out)) {
			t.Errorf("%q: %q", raw, out)
		}
	})
}

// A dial that takes all the time there is has run into the deadline, whatever
// the dialler says. One that fails before has not.
func TestADialThatTakesAllTheTimeIsATimeout(t *testing.T) {
	for _, tc := range []struct {
		slow bool
		want Kind
	}{{true, TimedOut}, {false, Unreachable}} {
		host := hostOf("192.0.2.1:80")
		host.DialTimeout = func(_ string, timeout time.Duration) (net.Conn, error) {
			if tc.slow {
				time.Sleep(timeout)
			}
			return nil, errors.New("no route to host")
		}
		patience := time.Minute
		if tc.slow {
			patience = 30 * time.Millisecond
		}
		_, err := targetOf(t, host, "http://192.0.2.1/").Call(&Request{Deadline: time.Now().Add(patience)})
		var e *Error
		if !errors.As(err, &e) || e.Kind != tc.want {
			t.Errorf("slow %v: %v", tc.slow, err)
		}
	}
}
