package api

import (
	"errors"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
)

// ReportMetric handles the report of a metric that core cannot measure
// itself: a function's cpu, memory or prometheus metric.
func (a *API) ReportMetric(ctx *fasthttp.RequestCtx, name string) {
	var body struct {
		Type  string   `json:"type"`
		Name  string   `json:"name"`
		Value *float64 `json:"value"`
	}
	raw := ctx.PostBody()
	if fault := httpjson.WholeObject(raw); fault != nil {
		fault.Write(ctx)
		return
	}
	if err := httpjson.Unmarshal(raw, &body); err != nil {
		if field, what, ok := httpjson.WrongType(err); ok {
			httpjson.ValidationFailed(field + ": " + what).Write(ctx)
			return
		}
		httpjson.BadRequest(httpjson.CodeMalformedJSON, "malformed JSON: "+err.Error()).Write(ctx)
		return
	}
	if body.Value == nil {
		httpjson.ValidationFailed("value: is required").Write(ctx)
		return
	}
	admin.Note(ctx, "type", httpjson.Clip([]byte(body.Type), 64), "name", httpjson.Clip([]byte(body.Name), 64), "value", *body.Value)
	err := a.Core.ReportMetric(name, body.Type, body.Name, *body.Value)
	var invalid *core.ValidationError
	switch {
	case errors.As(err, &invalid):
		httpjson.ValidationFailed(invalid.Details...).Write(ctx)
	case err != nil:
		a.refused(ctx, err)
	default:
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	}
}
