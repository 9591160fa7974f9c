package provider

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, h http.HandlerFunc) (addr string, conns *atomic.Int64) {
	t.Helper()
	conns = &atomic.Int64{}
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), conns
}

func post(h *HTTPInstance, inv Invocation) Result {
	if inv.Deadline.IsZero() {
		inv.Deadline = time.Now().Add(time.Minute)
	}
	done := make(chan Result, 1)
	h.Call(inv, func(r Result) { done <- r })
	return <-done
}

func TestHTTPCallSendsTheProtocol(t *testing.T) {
	addr, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode([]string{
			r.Method, r.URL.Path, r.Host, string(body), r.Header.Get("Content-Type"),
			r.Header.Get("X-Execution-Id"), r.Header.Get("X-Trace-Id"), r.Header.Get("Idempotency-Key"),
			r.Header.Get("Traceparent"), r.Header.Get("Tracestate"),
		})
	})
	h := NewHTTPInstance(addr, HTTPOptions{})
	r := post(h, Invocation{ExecutionID: "e", TraceID: "t", IdempotencyKey: "k", TraceParent: "p", TraceState: "s",
		Input: json.RawMessage(`[1, 2]`), Metadata: json.RawMessage(`{"m":"n"}`)})
	want, _ := json.Marshal([]string{"POST", "/", addr, `{"input":[1, 2],"metadata":{"m":"n"}}`, "application/json", "e", "t", "k", "p", "s"})
	if strings.TrimSpace(string(r.Output)) != string(want) {
		t.Errorf("sent %s\nwant %s", r.Output, want)
	}
	r = post(h, Invocation{Input: json.RawMessage(`1`)})
	if !strings.Contains(string(r.Output), `{\"input\":1,\"metadata\":{}}`) {
		t.Errorf("without metadata sent %s", r.Output)
	}
}

func TestHTTPConnectionsAreReused(t *testing.T) {
	addr, conns := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	h := NewHTTPInstance(addr, HTTPOptions{})
	for range 50 {
		if r := post(h, Invocation{Input: json.RawMessage(`1`)}); !r.OK() {
			t.Fatal(r.ErrorMessage)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("50 calls one after the other used %d connections, want 1", n)
	}
}

func TestHTTPDeadline(t *testing.T) {
	release := make(chan struct{})
	addr, _ := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	r := post(NewHTTPInstance(addr, HTTPOptions{}), Invocation{Input: json.RawMessage(`1`), Deadline: time.Now().Add(30 * time.Millisecond)})
	if !r.TimedOut || r.ErrorCode != CodeTimeout {
		t.Errorf("%+v, want a timeout", r)
	}
}

func TestHTTPRequestIsNeverRepeated(t *testing.T) {
	var calls atomic.Int64
	addr, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			return // so that the next call reuses a connection
		}
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	})
	h := NewHTTPInstance(addr, HTTPOptions{})
	if r := post(h, Invocation{Input: json.RawMessage(`1`)}); !r.OK() {
		t.Fatalf("%+v", r)
	}
	if r := post(h, Invocation{Input: json.RawMessage(`1`)}); r.ErrorCode != CodeError {
		t.Errorf("%+v", r)
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("the function was called %d times by two invocations", n)
	}
}

// A function that closes kept-alive connections while they are idle has done
// nothing wrong: nothing was sent to it.
func TestHTTPConnectionClosedWhileIdle(t *testing.T) {
	closed := make(chan struct{}, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
			c.Close()
			closed <- struct{}{}
		}
	}()
	h := NewHTTPInstance(l.Addr().String(), HTTPOptions{})
	for i := range 5 {
		if r := post(h, Invocation{Input: json.RawMessage(`1`)}); !r.OK() {
			t.Fatalf("call %d: %+v", i, r)
		}
		<-closed
	}
}

func TestHTTPNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	r := post(NewHTTPInstance(addr, HTTPOptions{}), Invocation{Input: json.RawMessage(`1`)})
	if r.ErrorCode != CodeError || !strings.Contains(r.ErrorMessage, addr) {
		t.Errorf("%+v", r)
	}
}

func TestWaitHonoursTheContext(t *testing.T) {
	never := func(Invocation, func(Result)) {}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := Wait(ctx, Invocation{}, never); r.ErrorCode != CodeCanceled {
		t.Errorf("canceled: %+v", r)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var deadline time.Time
	r := Wait(ctx, Invocation{}, func(inv Invocation, _ func(Result)) { deadline = inv.Deadline })
	if !r.TimedOut {
		t.Errorf("past its deadline: %+v", r)
	}
	if want, _ := ctx.Deadline(); !deadline.Equal(want) {
		t.Errorf("the invocation's deadline is %v, want the context's", deadline)
	}
}

func TestHubDeliversTheLastStatus(t *testing.T) {
	var hub Hub
	hold := make(chan struct{})
	var mu sync.Mutex
	got := map[string]int{}
	calls := 0
	last := make(chan struct{})
	stop := hub.Watch(func(s Status) {
		<-hold
		mu.Lock()
		defer mu.Unlock()
		got[s.Function] = s.Ready
		calls++
		if got["a"] == 1000 && got["b"] == 7 {
			close(last)
		}
	})
	defer stop()
	hub.Publish(Status{Function: "b", Ready: 7})
	for i := range 1000 {
		hub.Publish(Status{Function: "a", Ready: i + 1})
	}
	close(hold)
	<-last
	mu.Lock()
	defer mu.Unlock()
	if calls > 4 {
		t.Errorf("%d calls for a slow watcher, want changes merged", calls)
	}
}

func TestRingIsBounded(t *testing.T) {
	r := NewRing(3, 10)
	for _, text := range []string{"one", "two", "three", "four", "a line too long for it"} {
		r.Add(LogLine{Text: text})
		size := 0
		for _, l := range r.Tail(0) {
			size += len(l.Text)
		}
		if size > 10 {
			t.Fatalf("%d bytes kept", size)
		}
	}
	if got := r.Tail(0); len(got) != 1 || got[0].Text != "a line too" {
		t.Errorf("kept %v", got)
	}
	r = NewRing(3, 100)
	for i := range 5 {
		r.Add(LogLine{Text: fmt.Sprint(i)})
	}
	if got := r.Tail(2); len(got) != 2 || got[0].Text != "3" || got[1].Text != "4" {
		t.Errorf("tail %v, want 3, 4", got)
	}
	if r.Dropped() != 2 {
		t.Errorf("dropped %d, want 2", r.Dropped())
	}
}

func TestQuantities(t *testing.T) {
	for s, want := range map[string]float64{"": 0, "2": 2, "0.5": 0.5, "500m": 0.5} {
		if got, err := ParseCPU(s); err != nil || got != want {
			t.Errorf("cpu %q: %v %v", s, got, err)
		}
	}
	for s, want := range map[string]int64{"": 0, "1024": 1024, "1Ki": 1024, "128Mi": 128 << 20, "1G": 1e9, "0.5Gi": 1 << 29, "2k": 2000} {
		if got, err := ParseMemory(s); err != nil || got != want {
			t.Errorf("memory %q: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"0", "-1", "x", "m", "NaN", "Inf", "1e400", "1e2", "0x10", "1_0", "1.2.3", ".", "+1", "10 Mi", "Mi"} {
		if v, err := ParseCPU(s); err == nil {
			t.Errorf("cpu %q is taken for %v", s, v)
		}
		if v, err := ParseMemory(s); err == nil {
			t.Errorf("memory %q is taken for %v", s, v)
		}
	}
}
