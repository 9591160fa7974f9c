package api

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
)

// DeadLetters lists a function's dead letters, newest first.
func (a *API) DeadLetters(ctx *fasthttp.RequestCtx, name string) {
	limit, fault := limitArg(ctx, "limit", 100, maxListed)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	letters, dropped, err := a.Core.DeadLetters(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	httpjson.WriteBody(ctx, func(b []byte) []byte {
		b = append(b, `{"deadLetters":[`...)
		for i, l := range letters[:min(limit, len(letters))] {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendExecution(b, l.Snapshot)
			b = append(b[:len(b)-1], `,"input":`...)
			b = append(b, l.Input...)
			if len(l.Metadata) > 0 {
				b = append(b, `,"metadata":`...)
				b = append(b, l.Metadata...)
			}
			b = append(b, '}')
		}
		b = append(b, `],"dropped":`...)
		return append(strconv.AppendInt(b, dropped, 10), '}')
	})
}

// Redrive submits dead letters again, those named or all.
func (a *API) Redrive(ctx *fasthttp.RequestCtx, name string) {
	var body struct {
		IDs []string `json:"ids"`
		All bool     `json:"all"`
	}
	raw := ctx.PostBody()
	if fault := httpjson.WholeObject(raw); fault != nil {
		fault.Write(ctx)
		return
	}
	if err := json.Unmarshal(raw, &body); err != nil || (len(body.IDs) == 0) != body.All {
		httpjson.ValidationFailed(`ids: send either {"ids":["<execution id>",…]} or {"all":true}`).Write(ctx)
		return
	}
	letters, _, err := a.Core.DeadLetters(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if body.All {
		for i := range letters { // oldest first, as they failed
			body.IDs = append(body.IDs, letters[len(letters)-1-i].ID.String())
		}
	}
	type redriven struct {
		ID          string `json:"id"`
		ExecutionID string `json:"executionId"`
	}
	type failed struct {
		ID      string `json:"id"`
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	answer := struct {
		Redriven []redriven `json:"redriven"`
		Failed   []failed   `json:"failed"`
	}{[]redriven{}, []failed{}}
	for _, text := range body.IDs {
		id, err := core.ParseID(text)
		if err != nil {
			answer.Failed = append(answer.Failed, failed{text, core.CodeNotFound, "not an execution id"})
			continue
		}
		res, err := a.Core.Redrive(name, id)
		var why *core.Rejection
		switch {
		case err == nil:
			answer.Redriven = append(answer.Redriven, redriven{text, res.ID.String()})
		case errors.As(err, &why) && why == core.ErrNotFound:
			answer.Failed = append(answer.Failed, failed{text, why.Code, "no such dead letter"})
		case errors.As(err, &why):
			answer.Failed = append(answer.Failed, failed{text, why.Code, why.Message})
		}
	}
	admin.Note(ctx, "redriven", len(answer.Redriven), "failed", len(answer.Failed))
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, answer)
}

// PurgeDeadLetters forgets all dead letters of a function.
func (a *API) PurgeDeadLetters(ctx *fasthttp.RequestCtx, name string) {
	n, err := a.Core.PurgeDeadLetters(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	admin.Note(ctx, "purged", n)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
