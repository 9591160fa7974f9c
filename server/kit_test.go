package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// hangGuard ends a test that waits for something that never comes. It is no
// time limit on correct behaviour.
const (
	hangGuard = 2 * time.Minute
	ms        = time.Millisecond
)

// fixture is a running server on free ports. Every answer it gets is held
// against the OpenAPI document.
type fixture struct {
	t      *testing.T
	s      *Server
	api    string // http://host:port
	mgmt   string
	log    *lockedBuffer
	client *http.Client

	stop    context.CancelFunc
	isReady chan struct{}
	served  chan error
}

// start runs a server without a rate limit; change adjusts its configuration.
// At the test's end it must shut down with nothing left behind.
func start(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := launch(t, change...)
	t.Cleanup(func() {
		if err := f.shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return f
}

// launch is start without the shutdown at the end, for tests of it.
func launch(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := build(t, change...)
	f.serve()
	return f
}

// build makes a server that does not serve yet.
func build(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Addr, cfg.MgmtAddr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Core.RateMaxPerSecond = 0
	cfg.ShutdownGrace = hangGuard
	cfg.Provider = ProviderNone
	for _, c := range change {
		c(&cfg)
	}
	f := &fixture{t: t, log: &lockedBuffer{}, served: make(chan error, 1)}
	var err error
	if f.s, err = New(cfg, slog.New(slog.NewTextHandler(f.log, nil))); err != nil {
		t.Fatalf("New: %v", err)
	}
	f.api, f.mgmt = "http://"+f.s.Addr(), "http://"+f.s.MgmtAddr()
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	f.client = &http.Client{Transport: transport, Timeout: hangGuard}
	t.Cleanup(transport.CloseIdleConnections)
	return f
}

func (f *fixture) serve() {
	f.begin()
	f.awaitReady()
}

// begin is serve, but does not wait until requests are answered.
func (f *fixture) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	f.isReady = make(chan struct{})
	f.s.WhenReady(func() { close(f.isReady) })
	served := f.served
	go func() { served <- f.s.Serve(ctx) }()
}

func (f *fixture) awaitReady() {
	select {
	case <-f.isReady:
	case err := <-f.served:
		f.t.Fatalf("Serve: %v", err)
	}
}

// shutdown asks the server to stop and returns what Serve returned.
func (f *fixture) shutdown() error {
	f.stop()
	f.client.CloseIdleConnections()
	select {
	case err := <-f.served:
		return err
	case <-time.After(2 * hangGuard):
		return fmt.Errorf("the server did not stop; log:\n%s", f.log)
	}
}

// answer is a response, read in full.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request to the API address. headers are pairs of name and value.
func (f *fixture) do(method, path, body string, headers ...string) *answer {
	f.t.Helper()
	a, err := f.try(f.api, method, path, body, headers...)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// onMgmt is do for the management address.
func (f *fixture) onMgmt(method, path, body string, headers ...string) *answer {
	f.t.Helper()
	a, err := f.try(f.mgmt, method, path, body, headers...)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// try may be called from any goroutine.
func (f *fixture) try(base, method, path, body string, headers ...string) (*answer, error) {
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{t: f.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: raw}
	if err := conforms(method, req.URL.Path, a); err != nil {
		f.t.Errorf("%s: %d %s: not as documented: %v", a.what, a.status, httpjson.Clip(raw, 300), err)
	}
	return a, nil
}

func (f *fixture) get(path string) *answer { f.t.Helper(); return f.do("GET", path, "") }
func (f *fixture) post(path, body string, headers ...string) *answer {
	f.t.Helper()
	return f.do("POST", path, body, headers...)
}

// register adds a function; fields are further members of its spec.
func (f *fixture) register(name, mode string, fields ...string) {
	f.t.Helper()
	members := append([]string{fmt.Sprintf(`"name":%q,"image":"img","executionMode":%q`, name, mode)}, fields...)
	f.post("/v1/functions", "{"+strings.Join(members, ",")+"}").expect(201)
}

func (f *fixture) invoke(name, input string, headers ...string) *answer {
	f.t.Helper()
	return f.post("/v1/functions/"+name+":invoke", `{"input":`+input+`}`, headers...)
}

func (f *fixture) enqueue(name, input string, headers ...string) *answer {
	f.t.Helper()
	return f.post("/v1/functions/"+name+":enqueue", `{"input":`+input+`}`, headers...)
}

// ended waits until an execution is terminal and returns its status answer.
func (f *fixture) ended(id string) *answer {
	f.t.Helper()
	var a *answer
	f.eventually("execution "+id+" ends", func() bool {
		a = f.get("/v1/executions/" + id).expect(200)
		s := a.str("status")
		return s != "queued" && s != "running"
	})
	return a
}

func (f *fixture) eventually(what string, cond func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(hangGuard); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain: %s; log:\n%s", what, f.log)
		}
	}
}

// expect fails the test unless the answer has this status.
func (a *answer) expect(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d; body: %s", a.what, a.status, status, a.body)
	}
	return a
}

// refused is expect for an error answer with this code.
func (a *answer) refused(status int, code string) *answer {
	a.t.Helper()
	a.expect(status)
	if got := a.str("error"); got != code {
		a.t.Fatalf("%s: error %q, want %q; body: %s", a.what, got, code, a.body)
	}
	return a
}

// value finds a member of the JSON body; nil when there is none.
func (a *answer) value(path ...string) any {
	a.t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber() // a number's text is kept as it is
	if err := d.Decode(&v); err != nil {
		a.t.Fatalf("%s: body is not JSON: %v: %s", a.what, err, a.body)
	}
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func (a *answer) str(path ...string) string {
	a.t.Helper()
	s, _ := a.value(path...).(string)
	return s
}

func (a *answer) num(path ...string) float64 {
	a.t.Helper()
	number, _ := a.value(path...).(json.Number)
	n, _ := number.Float64()
	return n
}

// raw is a member of the JSON body in compact form; "" when there is none.
func (a *answer) raw(path ...string) string {
	a.t.Helper()
	v := a.value(path...)
	if v == nil && !bytes.Contains(a.body, []byte(`"`+path[len(path)-1]+`"`)) {
		return ""
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func (a *answer) details() string {
	a.t.Helper()
	list, _ := a.value("details").([]any)
	var lines []string
	for _, d := range list {
		lines = append(lines, fmt.Sprint(d))
	}
	return strings.Join(lines, "\n")
}

// gate is a LOCAL handler that holds each call until it is let go.
type gate struct {
	entered chan core.Task
	leave   chan struct{}
	once    sync.Once
}

// hold makes the LOCAL function name wait at a gate, which opens for good at
// the test's end.
func (f *fixture) hold(name string) *gate {
	g := &gate{entered: make(chan core.Task, 4096), leave: make(chan struct{})}
	f.s.HandleLocal(name, func(t core.Task) ([]byte, error) {
		g.entered <- t
		<-g.leave
		return t.Input, nil
	})
	f.t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.leave) }) }

// one lets a single call go.
func (g *gate) one(t *testing.T) {
	t.Helper()
	select {
	case g.leave <- struct{}{}:
	case <-time.After(hangGuard):
		t.Fatal("no call waits at the gate")
	}
}

// arrival waits for the next call to come in.
func (g *gate) arrival(t *testing.T) core.Task {
	t.Helper()
	select {
	case task := <-g.entered:
		return task
	case <-time.After(hangGuard):
		t.Fatal("no call came in")
		return core.Task{}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// receive takes from ch, with a hang guard.
func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(hangGuard):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// once leaves a long test out of -short, as which the tests run under the race
// detector: it asks one thing after another, and runs in full without.
func once(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one request after another: it runs in full without the race detector")
	}
}
