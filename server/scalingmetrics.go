package server

import (
	"encoding/json"
	"errors"

	"github.com/valyala/fasthttp"

	"simplane/core"
)

// handleReportMetric takes one figure of an autoscaled function that core
// cannot measure itself: its cpu, memory or prometheus metric.
func (s *Server) handleReportMetric(ctx *fasthttp.RequestCtx, name string) {
	var body struct {
		Type  string   `json:"type"`
		Name  string   `json:"name"`
		Value *float64 `json:"value"`
	}
	raw := ctx.PostBody()
	if fault := wholeObject(raw); fault != nil {
		fault.write(ctx)
		return
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		if field, what, ok := wrongType(err); ok {
			validationFailed(field + ": " + what).write(ctx)
			return
		}
		badRequest(codeMalformedJSON, "malformed JSON: "+err.Error()).write(ctx)
		return
	}
	if body.Value == nil {
		validationFailed("value: is required").write(ctx)
		return
	}
	note(ctx, "type", clip([]byte(body.Type), 64), "name", clip([]byte(body.Name), 64), "value", *body.Value)
	err := s.core.ReportMetric(name, body.Type, body.Name, *body.Value)
	var invalid *core.ValidationError
	switch {
	case errors.As(err, &invalid):
		validationFailed(invalid.Details...).write(ctx)
	case err != nil:
		s.refused(ctx, err)
	default:
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	}
}
