package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simplane/server"
)

// hangGuard ends a test that waits for something that never comes.
const hangGuard = 30 * time.Second

// plane is a running server and a command line that talks to it.
type plane struct {
	t    *testing.T
	s    *server.Server
	addr string
}

func startPlane(t *testing.T, change ...func(*server.Config)) *plane {
	t.Helper()
	t.Setenv("SIMPLANE_SERVER", "")
	t.Setenv("SIMPLANE_TOKEN", "")
	t.Setenv("SIMPLANE_CONTEXTS", filepath.Join(t.TempDir(), "contexts.yaml"))
	cfg := server.DefaultConfig()
	cfg.Addr, cfg.MgmtAddr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Core.RateMaxPerSecond = 0
	for _, c := range change {
		c(&cfg)
	}
	s, err := server.New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("shutdown: %v", err)
			}
		case <-time.After(2 * hangGuard):
			t.Error("the server did not stop")
		}
	})
	return &plane{t, s, s.Addr()}
}

// ran is what a command line did.
type ran struct {
	t        *testing.T
	line     string
	code     int
	out, err string
}

// cli runs a command line against the plane.
func (p *plane) cli(args ...string) ran { p.t.Helper(); return p.cliWith("", args...) }

func (p *plane) cliWith(stdin string, args ...string) ran {
	p.t.Helper()
	return runCLI(p.t, stdin, append(args, "--server", p.addr)...)
}

func runCLI(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	code := runWith(args, strings.NewReader(stdin), &out, &errs)
	r := ran{t, strings.Join(args, " "), code, out.String(), errs.String()}
	// Whatever the command, a failure is told in one line, a success in none.
	want := 1
	if code == 0 {
		want = 0
	}
	if n := strings.Count(r.err, "\n"); n != want || want == 1 && !strings.HasSuffix(r.err, "\n") {
		t.Errorf("%s: exit %d with %d lines on stderr:\n%s", r.line, code, n, r.err)
	}
	return r
}

// ok requires success.
func (r ran) ok() ran {
	r.t.Helper()
	if r.code != 0 {
		r.t.Fatalf("%s: exit %d\nstdout: %s\nstderr: %s", r.line, r.code, r.out, r.err)
	}
	return r
}

// fails requires an exit code, and that stderr says each of why.
func (r ran) fails(code int, why ...string) ran {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("%s: exit %d, want %d\nstdout: %s\nstderr: %s", r.line, r.code, code, r.out, r.err)
	}
	for _, text := range why {
		if !strings.Contains(r.err, text) {
			r.t.Errorf("%s: stderr does not say %q:\n%s", r.line, text, r.err)
		}
	}
	return r
}

// prints requires that stdout has each of want.
func (r ran) prints(want ...string) ran {
	r.t.Helper()
	for _, text := range want {
		if !strings.Contains(r.out, text) {
			r.t.Errorf("%s: stdout does not have %q:\n%s", r.line, text, r.out)
		}
	}
	return r
}

// flaky is the endpoint of a POOL function that fails while it is broken, and
// remembers the last request's headers.
type flaky struct {
	*httptest.Server
	broken atomic.Bool
	header atomic.Pointer[http.Header]
}

func startFlaky(t *testing.T, broken bool) *flaky {
	f := &flaky{}
	f.broken.Store(broken)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		f.header.Store(&h)
		if f.broken.Load() {
			http.Error(w, "the database is away", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"fine":true}`)
	}))
	t.Cleanup(f.Close)
	return f
}

const echoSpec = "name: echo\nimage: none\nexecutionMode: LOCAL\n"

func (f *flaky) spec(name string, retries string) string {
	return "name: " + name + "\nimage: none\nexecutionMode: POOL\nendpointUrl: " + f.URL + "\nmaxRetries: " + retries + "\n"
}
