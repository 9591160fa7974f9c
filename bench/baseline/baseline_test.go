package baseline

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func run(t *testing.T, kind, backend string) (addr string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, kind, backend, l) }()
	return l.Addr().String(), func() error { cancel(); return <-ended }
}

func post(t *testing.T, addr, body string) (int, string) {
	t.Helper()
	resp, err := http.Post("http://"+addr+"/any/path", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestEveryKindEchoesAndStops(t *testing.T) {
	backend, stopBackend := run(t, FasthttpEcho, "")
	for _, kind := range Kinds() {
		addr, stop := run(t, kind, backend)
		for _, body := range []string{`{"input":1}`, strings.Repeat("x", 100_000)} {
			if code, got := post(t, addr, body); code != 200 || got != body {
				t.Errorf("%s: status %d, %d bytes back of %d", kind, code, len(got), len(body))
			}
		}
		if err := stop(); err != nil {
			t.Errorf("%s ended with %v", kind, err)
		}
	}
	proxyAddr, stopProxy := run(t, FasthttpProxy, backend)
	if err := stopBackend(); err != nil {
		t.Error(err)
	}
	if code, _ := post(t, proxyAddr, "x"); code != http.StatusBadGateway {
		t.Errorf("a proxy without its backend answers %d", code)
	}
	if err := stopProxy(); err != nil {
		t.Error(err)
	}
}

func TestServeRejects(t *testing.T) {
	if err := Serve(t.Context(), "magic", "", nil); err == nil {
		t.Error("an unknown kind was accepted")
	}
	if err := Serve(t.Context(), FasthttpProxy, "", nil); err == nil {
		t.Error("a proxy without backend was accepted")
	}
}

func TestStallLeft(t *testing.T) {
	for since, want := range map[time.Duration]time.Duration{
		0: 0, 1799 * time.Millisecond: 0, 1800 * time.Millisecond: 200 * time.Millisecond,
		1999 * time.Millisecond: time.Millisecond, 2 * time.Second: 0, 5900 * time.Millisecond: 100 * time.Millisecond,
	} {
		if got := stallLeft(since); got != want {
			t.Errorf("at %v: %v left, want %v", since, got, want)
		}
	}
}
