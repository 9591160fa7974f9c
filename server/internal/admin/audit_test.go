package admin

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
)

const hangGuard = 30 * time.Second

// refusing is a guard whose audit log is read by a test.
type refusing struct {
	audit    *Audit
	guard    *auth.Guard
	registry *prometheus.Registry

	mu  sync.Mutex
	log bytes.Buffer
}

func (r *refusing) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *refusing) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.log.String(), text)
}

func newRefusing(t *testing.T, window time.Duration) *refusing {
	t.Helper()
	r := &refusing{registry: prometheus.NewRegistry()}
	var err error
	if r.guard, err = auth.NewGuard(auth.Tokens{Internal: "x"}, "", nil, r.registry); err != nil {
		t.Fatal(err)
	}
	r.audit = NewAudit(r.guard, slog.New(slog.NewTextHandler(r, nil)))
	r.audit.refusals.Window = window
	return r
}

// refuse turns a caller away.
func (r *refusing) refuse(t *testing.T) {
	t.Helper()
	var ctx fasthttp.RequestCtx
	r.guard.RefuseUnauthorized(&ctx, auth.ScopeInternal)
	if ctx.Response.StatusCode() != fasthttp.StatusUnauthorized {
		t.Fatalf("status %d", ctx.Response.StatusCode())
	}
}

const refusedLine = `msg="audit: refused"`

// A flood of refusals cannot flood the log, and none goes uncounted.
func TestAuditBoundsRefusals(t *testing.T) {
	r := newRefusing(t, time.Hour)
	const flood = 300
	for range flood {
		r.refuse(t)
	}
	r.audit.Close()
	lines := r.audit.refusals.Lines
	if n := r.count(refusedLine); n != lines {
		t.Errorf("%d lines, want %d", n, lines)
	}
	if r.count("refusals left out") != 1 || r.count(fmt.Sprintf("count=%d\n", flood-lines)) != 1 {
		t.Errorf("what was left out is not said, or wrongly: %s", r.log.String())
	}
	families, err := r.registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%v, %v", families, err)
	}
	for _, m := range families[0].Metric {
		if scope := m.Label[0].GetValue(); (m.Counter.GetValue() == flood) != (scope == "internal") {
			t.Errorf("%s: %v of %d", scope, m.Counter.GetValue(), flood)
		}
	}
}

// What was left out is said when the window ends, with or without another
// refusal, and then there is room for lines again.
func TestAuditRefusalWindowEnds(t *testing.T) {
	r := newRefusing(t, 100*time.Millisecond)
	r.audit.refusals.Lines = 1
	eventually := func(what string, cond func() bool) {
		t.Helper()
		for deadline := time.Now().Add(hangGuard); !cond(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain: %s", what)
			}
		}
	}
	eventually("some are left out, and that is said", func() bool {
		r.refuse(t)
		r.refuse(t)
		return r.count("refusals left out") > 0
	})
	before := r.count(refusedLine)
	eventually("lines are written again", func() bool {
		r.refuse(t)
		return r.count(refusedLine) > before
	})
}
