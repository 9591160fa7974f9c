package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"simplane/core"
)

// line is a caller's connection, made by hand.
type line struct {
	t   *testing.T
	tcp *net.TCPConn
	net.Conn
}

// dial opens a connection to the API, with TLS if secure is not nil.
func (f *fixture) dial(secure *tls.Config) *line {
	f.t.Helper()
	c, err := net.Dial("tcp", f.s.Addr())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	l := &line{f.t, c.(*net.TCPConn), c}
	if secure != nil {
		l.Conn = tls.Client(c, secure)
	}
	return l
}

// invoke sends a call and does not wait for its answer.
func (l *line) invoke(name, input string, headers ...string) {
	l.t.Helper()
	head := ""
	for i := 0; i < len(headers); i += 2 {
		head += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	body := `{"input":` + input + `}`
	if _, err := fmt.Fprintf(l, "POST /v1/functions/%s:invoke HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %d\r\n\r\n%s", name, head, len(body), body); err != nil {
		l.t.Fatal(err)
	}
}

// hangUp says that nothing more will be sent, and waits until the server's side has
// got that: only then does the order of what follows say anything.
func (l *line) hangUp() {
	l.t.Helper()
	if secure, ok := l.Conn.(*tls.Conn); ok {
		_ = secure.CloseWrite()
	}
	if err := l.tcp.CloseWrite(); err != nil {
		l.t.Fatal(err)
	}
	raw, err := l.tcp.SyscallConn()
	if err != nil {
		l.t.Fatal(err)
	}
	const finWait2 = 5 // the peer's system has confirmed it
	for deadline := time.Now().Add(hangGuard); ; time.Sleep(ms) {
		var state uint8
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				state = info.State
			}
		})
		if state == finWait2 {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("the end was not confirmed: state %d", state)
		}
	}
}

// queued waits until a function has so many in its queue.
func (f *fixture) queued(name string, n int) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("%d are queued", n), func() bool { return f.s.only.core.Function(name).QueueDepth() == n })
}

// The queued call of a caller who has closed the connection never runs and ends as
// CANCELLED at its turn; the next in order runs at once; a running call goes on.
func TestCallersThatLeave(t *testing.T) {
	ours := newAuthority(t, "ours")
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) {
			var client *tls.Config
			f := start(t, func(c *Config) {
				if secure {
					c.TLSCert, c.TLSKey = ours.issue(time.Hour)
				}
			})
			if secure {
				client = &tls.Config{InsecureSkipVerify: true}
				f.client.Transport.(*http.Transport).TLSClientConfig = client
				f.api = "https://" + f.s.Addr()
			}
			f.register("fn", "LOCAL", `"concurrency":1`)
			g := f.hold("fn")
			running := f.dial(client)
			running.invoke("fn", "1")
			first := g.arrival(t)
			gone, stays, alsoGone := f.dial(client), f.dial(client), f.dial(client)
			for i, l := range []*line{gone, stays, alsoGone} {
				l.invoke("fn", fmt.Sprint(i+2))
				f.queued("fn", i+1)
			}
			last := f.enqueue("fn", "5").expect(202).str("executionId")
			for _, l := range []*line{running, gone, alsoGone} {
				l.hangUp()
				l.Close()
			}
			g.one(t)
			if a := f.ended(first.ID.String()); a.str("status") != "success" {
				t.Errorf("the running call: %s", a.body)
			}
			if next := g.arrival(t); string(next.Input) != "3" {
				t.Errorf("called with %s, want the first that has stayed", next.Input)
			}
			g.one(t)
			resp, err := http.ReadResponse(bufio.NewReader(stays), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			a := &answer{t: t, what: "who stayed", status: resp.StatusCode, body: body}
			if a.expect(200).raw("output") != "3" {
				t.Errorf("who stayed was told %s", body)
			}
			if next := g.arrival(t); string(next.Input) != "5" || next.ID.String() != last {
				t.Errorf("called with %s of %s, want the queued work of nobody", next.Input, next.ID)
			}
			g.one(t)
			f.ended(last)
			found := f.get("/v1/admin/executions?function=fn&status=error").expect(200)
			list, _ := found.value("executions").([]any)
			if len(list) != 2 {
				t.Fatalf("errors: %s", found.body)
			}
			for _, e := range list {
				a := f.get("/v1/executions/" + e.(map[string]any)["executionId"].(string)).expect(200)
				if a.str("error", "code") != core.CodeCancelled || a.value("startedAtMillis") != nil {
					t.Errorf("who has left: %s", a.body)
				}
			}
			if n := f.series(`function_error_total{function="fn"}`); n != 2 {
				t.Errorf("%v errors are counted, want 2", n)
			}
		})
	}
}

// A caller who says that it will send nothing more looks like one who has left.
func TestHalfClosedCallersHaveLeft(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL", `"concurrency":1`)
	g := f.hold("fn")
	first := f.enqueue("fn", "1").expect(202).str("executionId")
	g.arrival(t)
	half := f.dial(nil)
	half.invoke("fn", "2")
	f.queued("fn", 1)
	half.hangUp()
	g.one(t)
	f.ended(first)
	resp, err := http.ReadResponse(bufio.NewReader(half), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if a := (&answer{t: t, status: resp.StatusCode, body: body}); a.str("error", "code") != core.CodeCancelled {
		t.Errorf("half closed: %s", body)
	}
}

func TestCancelOnDisconnectOff(t *testing.T) {
	f := start(t, func(c *Config) { c.CancelOnDisconnect = false })
	f.register("fn", "LOCAL", `"concurrency":1`)
	g := f.hold("fn")
	f.enqueue("fn", "1").expect(202)
	g.arrival(t)
	l := f.dial(nil)
	l.invoke("fn", "2")
	f.queued("fn", 1)
	l.hangUp()
	l.Close()
	g.one(t)
	if next := g.arrival(t); string(next.Input) != "2" {
		t.Errorf("called with %s", next.Input)
	}
}

// One who comes again with its key is served: the key of a call that never ran leads
// to a new one.
func TestCallerWhoLeavesAndComesAgain(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL", `"concurrency":1`)
	g := f.hold("fn")
	f.enqueue("fn", "1").expect(202)
	g.arrival(t)
	l := f.dial(nil)
	l.invoke("fn", "2", "Idempotency-Key", "k")
	f.queued("fn", 1)
	l.hangUp()
	g.one(t)
	f.eventually("its call has ended", func() bool { return f.series(`function_error_total{function="fn"}`) == 1 })
	again := f.dial(nil)
	again.invoke("fn", "2", "Idempotency-Key", "k")
	if next := g.arrival(t); string(next.Input) != "2" {
		t.Errorf("called with %s", next.Input)
	}
}

// Callers come and go while waiters and connections are used again: each accepted
// call either runs or ends as cancelled, and nothing is left.
func TestCallersLeaveUnderLoad(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL", `"concurrency":2`, `"queueSize":1000`)
	var ran atomic.Int64
	f.s.HandleLocal("fn", func(task core.Task) ([]byte, error) {
		ran.Add(1)
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		return task.Input, nil
	})
	var sent atomic.Int64
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			var kept *line
			for range 25 {
				if kept == nil {
					kept = f.dial(nil)
				}
				kept.invoke("fn", "1")
				sent.Add(1)
				if (i+int(sent.Load()))%3 == 0 {
					kept.Close() // leaves at once
					kept = nil
					continue
				}
				resp, err := http.ReadResponse(bufio.NewReader(kept), nil)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				if a := (&answer{t: t, status: resp.StatusCode, body: body}); a.status != 200 || a.str("status") != "success" {
					t.Errorf("who stayed was told %d %s", a.status, body)
				}
			}
		})
	}
	callers.Wait()
	f.eventually("all has ended", func() bool { queued, inFlight := f.s.only.core.Unfinished(); return queued+inFlight == 0 })
	left := f.series(`function_error_total{function="fn"}`)
	var succeeded float64
	f.eventually("the last ends are counted", func() bool { // which comes after they have ended
		succeeded = f.series(`function_success_total{function="fn"}`)
		return int64(succeeded) >= ran.Load()
	})
	t.Logf("%d sent, %v succeeded, %d ran, %v left", sent.Load(), succeeded, ran.Load(), left)
	if int64(succeeded) != ran.Load() {
		t.Errorf("%v succeeded, and %d ran", succeeded, ran.Load())
	}
}
