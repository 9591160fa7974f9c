package admin

import (
	"log/slog"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/telemetry"
)

// Audit logs changes with their authors, and callers who were refused.
type Audit struct {
	log      *slog.Logger
	guard    *auth.Guard
	refusals *telemetry.LineBudget
}

// NewAudit makes the audit log, which records guard's refusals.
func NewAudit(guard *auth.Guard, log *slog.Logger) *Audit {
	a := &Audit{log: log, guard: guard, refusals: telemetry.NewLineBudget(log, "audit: refusals left out of the log; simplane_unauthorized_total counts all")}
	guard.OnRefusal = a.refused
	return a
}

// Close logs how many refusals the last window left out.
func (a *Audit) Close() { a.refusals.Close() }

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
	if !a.refusals.Take() {
		return
	}
	a.log.Warn("audit: refused", "who", a.guard.Who(ctx), "remote", ctx.RemoteAddr().String(),
		"method", httpjson.Clip(ctx.Method(), 20), "path", httpjson.Clip(ctx.Path(), 300), "status", status, "scope", need.String())
}
