package api

import (
	"errors"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
)

// DeadLetters lists a function's dead letters, newest first, or shows one.
// Inputs are left out unless they are asked for.
func (a *API) DeadLetters(ctx *fasthttp.RequestCtx, name string) {
	limit, fault := httpjson.LimitArg(ctx, "limit", 100, httpjson.MaxListed)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	inputs, fault := includeArg(ctx, "input")
	if fault != nil {
		fault.Write(ctx)
		return
	}
	var before uint64
	if text := ctx.QueryArgs().Peek("cursor"); len(text) > 0 {
		var err error
		if before, err = strconv.ParseUint(string(text), 10, 64); err != nil || before == 0 {
			errCursor.Write(ctx)
			return
		}
	}
	id := string(ctx.QueryArgs().Peek("id"))
	if id != "" {
		if _, err := core.ParseID(id); err != nil {
			httpjson.ValidationFailed("id: must be an execution id").Write(ctx)
			return
		}
	}
	name = strings.Clone(name) // the answer is made when the request's memory is used again
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	a.Lists.Write(ctx, func() func(*httpjson.Parts) bool {
		page, err := a.Core.DeadLetters(name, before, limit)
		if id != "" && err == nil {
			page, err = a.oneLetter(name, id, page.Dropped)
		}
		if err != nil {
			a.refused(ctx, err)
			return nil
		}
		return a.letters(name, page, inputs)
	})
}

// oneLetter is a page with the dead letter of an execution; empty when there
// is none.
func (a *API) oneLetter(name, id string, dropped int64) (core.DeadLetterPage, error) {
	page := core.DeadLetterPage{Dropped: dropped}
	parsed, err := core.ParseID(id)
	if err != nil {
		return page, nil
	}
	l, err := a.Core.DeadLetter(name, parsed)
	if err == nil {
		page.Letters = []core.DeadLetter{l}
	}
	return page, nil
}

// letters writes a page. An answer that waits for its reader holds no input:
// each is looked up when its turn comes.
func (a *API) letters(name string, page core.DeadLetterPage, inputs bool) func(*httpjson.Parts) bool {
	left, last := page.Letters, uint64(0)
	sizes := make([]int, len(left))
	for i := range left {
		sizes[i] = len(left[i].Input)
		left[i].Input, left[i].Metadata = nil, nil
	}
	separator := `{"deadLetters":[`
	return func(p *httpjson.Parts) bool {
		if len(left) == 0 || p.Size() >= httpjson.MaxListBytes {
			if separator != "," {
				p.B = append(p.B, separator...)
			}
			p.B = append(p.B, `],"dropped":`...)
			p.B = append(strconv.AppendInt(p.B, page.Dropped, 10), ',')
			p.B = append(httpjson.AppendCut(p.B, page.More || len(left) > 0, strconv.FormatUint(last, 10)), '}')
			return false
		}
		l, size := left[0], sizes[len(sizes)-len(left)]
		left, last = left[1:], l.Place
		if inputs {
			now, err := a.Core.DeadLetters(name, l.Place+1, 1)
			if err != nil || len(now.Letters) == 0 || now.Letters[0].ID != l.ID {
				return true // it has been dropped or taken since
			}
			l = now.Letters[0]
		}
		p.B, separator = append(p.B, separator...), ","
		p.B = appendExecution(p.B, l.Snapshot)
		p.B = p.B[:len(p.B)-1]
		if !inputs {
			p.B = append(appendSize(p.B, "inputBytes", size), '}')
			return true
		}
		p.B = append(p.B, `,"input":`...)
		p.Value(l.Input)
		if len(l.Metadata) > 0 {
			p.B = append(p.B, `,"metadata":`...)
			p.Value(l.Metadata)
		}
		p.B = append(p.B, '}')
		return true
	}
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
	if err := httpjson.Unmarshal(raw, &body); err != nil || (len(body.IDs) == 0) != body.All {
		httpjson.ValidationFailed(`ids: send either {"ids":["<execution id>",…]} or {"all":true}`).Write(ctx)
		return
	}
	all, err := a.Core.DeadLetterIDs(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if body.All {
		for _, id := range all { // as they failed
			body.IDs = append(body.IDs, id.String())
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
	last := core.LSN(0)
	for _, text := range body.IDs {
		id, err := core.ParseID(text)
		if err != nil {
			answer.Failed = append(answer.Failed, failed{text, core.CodeNotFound, "not an execution id"})
			continue
		}
		res, err := a.Core.Redrive(name, id, 0)
		var why *core.Rejection
		switch {
		case err == nil:
			last = max(last, res.LSN)
			answer.Redriven = append(answer.Redriven, redriven{text, res.ID.String()})
		case errors.As(err, &why) && why == core.ErrNotFound:
			answer.Failed = append(answer.Failed, failed{text, why.Code, "no such dead letter"})
		case errors.As(err, &why):
			answer.Failed = append(answer.Failed, failed{text, why.Code, why.Message})
		}
	}
	if !a.stored(ctx, last) {
		return
	}
	admin.Note(ctx, "redriven", len(answer.Redriven), "failed", len(answer.Failed))
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, answer)
}

// PurgeDeadLetters forgets all dead letters of a function.
func (a *API) PurgeDeadLetters(ctx *fasthttp.RequestCtx, name string) {
	n, at, err := a.Core.PurgeDeadLetters(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if !a.stored(ctx, at) {
		return
	}
	admin.Note(ctx, "purged", n)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
