package admin

import (
	"fmt"
	"log/slog"
	"strings"

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
	// OnChange is told of changes that took place: kind and text of a history.Mark,
	// the function, and who did it. nil = nobody is told.
	OnChange func(kind, function, text, who string)
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
	if a.OnChange != nil && ctx.Response.StatusCode() < fasthttp.StatusMultipleChoices {
		if kind, function, text := changed(ctx, notes); kind != "" {
			a.OnChange(kind, function, text, a.guard.Who(ctx))
		}
	}
}

// changed says what a request has changed that shows in what functions do; kind is
// empty for nothing.
func changed(ctx *fasthttp.RequestCtx, notes []any) (kind, function, text string) {
	said := func(key string) string {
		for i := 0; i+1 < len(notes); i += 2 {
			if notes[i] == key {
				return fmt.Sprint(notes[i+1])
			}
		}
		return ""
	}
	path, method := string(ctx.Path()), string(ctx.Method())
	if path == "/v1/admin/runtime-config" {
		return "settings", "", "settings of the server were changed"
	}
	rest, ok := strings.CutPrefix(path, "/v1/functions")
	if !ok {
		return "", "", ""
	}
	name := strings.TrimPrefix(rest, "/")
	switch {
	case strings.HasSuffix(name, ":rollback"):
		return "rolled-back", strings.TrimSuffix(name, ":rollback"), "an earlier spec is in force again, as generation " + said("generation")
	case strings.HasSuffix(name, "/replicas"):
		return "scaled", strings.TrimSuffix(name, "/replicas"), "the number of instances was set by hand"
	case strings.HasSuffix(name, "/dead-letters:redrive"):
		return "redriven", strings.TrimSuffix(name, "/dead-letters:redrive"), said("redriven") + " dead letters were submitted again"
	case strings.ContainsAny(name, "/:"):
		return "", "", ""
	case method == fasthttp.MethodDelete:
		return "deleted", name, "deleted"
	case ctx.Response.StatusCode() == fasthttp.StatusCreated:
		return "registered", said("function"), "registered"
	case method == fasthttp.MethodPut:
		return "updated", name, "the spec was changed, generation " + said("generation")
	}
	return "", "", ""
}

// refused records a caller refused for lack of authorisation.
func (a *Audit) refused(ctx *fasthttp.RequestCtx, status int, need auth.Scope) {
	if !a.refusals.Take() {
		return
	}
	a.log.Warn("audit: refused", "who", a.guard.Who(ctx), "remote", ctx.RemoteAddr().String(),
		"method", httpjson.Clip(ctx.Method(), 20), "path", httpjson.Clip(ctx.Path(), 300), "status", status, "scope", need.String())
}
