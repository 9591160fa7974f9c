package server

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"simplane/core"
)

func (s *Server) handleDeadLetters(ctx *fasthttp.RequestCtx, name string) {
	limit, fault := limitArg(ctx, "limit", 100, maxListed)
	if fault != nil {
		fault.write(ctx)
		return
	}
	letters, dropped, err := s.core.DeadLetters(name)
	if err != nil {
		s.refused(ctx, err)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	writeBody(ctx, func(b []byte) []byte {
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

// handleRedrive submits dead letters again, those named or all.
func (s *Server) handleRedrive(ctx *fasthttp.RequestCtx, name string) {
	var body struct {
		IDs []string `json:"ids"`
		All bool     `json:"all"`
	}
	raw := ctx.PostBody()
	if fault := wholeObject(raw); fault != nil {
		fault.write(ctx)
		return
	}
	if err := json.Unmarshal(raw, &body); err != nil || (len(body.IDs) == 0) != body.All {
		validationFailed(`ids: send either {"ids":["<execution id>",…]} or {"all":true}`).write(ctx)
		return
	}
	letters, _, err := s.core.DeadLetters(name)
	if err != nil {
		s.refused(ctx, err)
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
		res, err := s.core.Redrive(name, id)
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
	note(ctx, "redriven", len(answer.Redriven), "failed", len(answer.Failed))
	writeJSON(ctx, fasthttp.StatusOK, answer)
}

func (s *Server) handlePurgeDeadLetters(ctx *fasthttp.RequestCtx, name string) {
	n, err := s.core.PurgeDeadLetters(name)
	if err != nil {
		s.refused(ctx, err)
		return
	}
	note(ctx, "purged", n)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
