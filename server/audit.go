package server

import (
	"log/slog"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// audited says that the route's requests are changes to be logged. What a
// function reports about its own execution is no change of management, and
// comes as often as invocations do.
func (rt *route) audited(byOwnToken bool) bool {
	return rt.scope >= scopeManage && rt.method != fasthttp.MethodGet && !rt.changesNothing && !byOwnToken
}

type auditNotes struct{}

// note adds what a path does not tell to the request's line in the audit log:
// keys and values as for slog. Nothing of payloads, and no secrets.
func note(ctx *fasthttp.RequestCtx, what ...any) { ctx.SetUserValue(auditNotes{}, what) }

// audit records a change: who did what from where, and what came of it.
func (s *Server) audit(ctx *fasthttp.RequestCtx) {
	what := []any{
		"who", s.who(ctx), "remote", ctx.RemoteAddr().String(),
		"method", string(ctx.Method()), "path", clip(ctx.Path(), 300), "status", ctx.Response.StatusCode(),
	}
	notes, _ := ctx.UserValue(auditNotes{}).([]any)
	s.log.Info("audit", append(what, notes...)...)
}

// auditRefusal records that a caller was turned away for who it is.
func (s *Server) auditRefusal(ctx *fasthttp.RequestCtx, status int, need scope) {
	if !s.refusals.take() {
		return
	}
	s.log.Warn("audit: refused", "who", s.who(ctx), "remote", ctx.RemoteAddr().String(),
		"method", clip(ctx.Method(), 20), "path", clip(ctx.Path(), 300), "status", status, "scope", need.String())
}

// refusalBudget bounds the lines about refusals: anybody can cause them. What
// a window leaves out is counted, and said once it is over.
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

// close ends the window and says what it left out.
func (b *refusalBudget) close() {
	b.mu.Lock()
	leftOut := b.leftOut
	b.leftOut, b.began = 0, time.Time{}
	b.mu.Unlock()
	if leftOut > 0 {
		b.log.Warn("audit: refusals left out of the log; simplane_unauthorized_total counts all", "count", leftOut)
	}
}
