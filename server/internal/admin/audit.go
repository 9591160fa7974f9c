package admin

import (
	"log/slog"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
	"simplane/server/internal/httpjson"
)

// Audit logs changes with their authors, and callers who were refused.
type Audit struct {
	log      *slog.Logger
	guard    *auth.Guard
	refusals *refusalBudget
}

// NewAudit makes the audit log, which records guard's refusals.
func NewAudit(guard *auth.Guard, log *slog.Logger) *Audit {
	a := &Audit{log: log, guard: guard, refusals: newRefusalBudget(log)}
	guard.OnRefusal = a.refused
	return a
}

// Close logs how many refusals the last window left out.
func (a *Audit) Close() { a.refusals.close() }

type auditNotes struct{}

// Note adds what the path does not say to the request's line in the audit
// log: keys and values as for slog. It must get no payloads and no secrets.
func Note(ctx *fasthttp.RequestCtx, what ...any) { ctx.SetUserValue(auditNotes{}, what) }

// Change records a change: its author, address, path and result.
func (a *Audit) Change(ctx *fasthttp.RequestCtx) {
	what := []any{
		"who", a.guard.Who(ctx), "remote", ctx.RemoteAddr().String(),
		"method", string(ctx.Method()), "path", httpjson.Clip(ctx.Path(), 300), "status", ctx.Response.StatusCode(),
	}
	notes, _ := ctx.UserValue(auditNotes{}).([]any)
	a.log.Info("audit", append(what, notes...)...)
}

// refused records a caller refused for lack of authorisation.
func (a *Audit) refused(ctx *fasthttp.RequestCtx, status int, need auth.Scope) {
	if !a.refusals.take() {
		return
	}
	a.log.Warn("audit: refused", "who", a.guard.Who(ctx), "remote", ctx.RemoteAddr().String(),
		"method", httpjson.Clip(ctx.Method(), 20), "path", httpjson.Clip(ctx.Path(), 300), "status", status, "scope", need.String())
}

// refusalBudget bounds the lines about refusals, because any caller can cause
// them. Those beyond it are counted, and the number is logged at the end of
// the window.
type refusalBudget struct {
	log     *slog.Logger
	window  time.Duration
	lines   int // in each window
	mu      sync.Mutex
	began   time.Time // the window's
	taken   int
	leftOut int64
}

func newRefusalBudget(log *slog.Logger) *refusalBudget {
	return &refusalBudget{log: log, window: 10 * time.Second, lines: 20}
}

// take reports whether a line may be written now.
func (b *refusalBudget) take() bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) >= b.window && b.leftOut == 0 {
		b.began, b.taken = now, 0
	}
	if b.taken < b.lines {
		b.taken++
		return true
	}
	if b.leftOut == 0 {
		time.AfterFunc(b.window-now.Sub(b.began), b.close)
	}
	b.leftOut++
	return false
}

// close ends the window and returns what it left out.
func (b *refusalBudget) close() {
	b.mu.Lock()
	leftOut := b.leftOut
	b.leftOut, b.began = 0, time.Time{}
	b.mu.Unlock()
	if leftOut > 0 {
		b.log.Warn("audit: refusals left out of the log; simplane_unauthorized_total counts all", "count", leftOut)
	}
}
