package api

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
)

// Execution shows one execution.
func (a *API) Execution(ctx *fasthttp.RequestCtx, text string) {
	id, err := core.ParseID(text)
	snap, found := core.Snapshot{}, false
	if err == nil {
		snap, found = a.Core.Execution(id)
	}
	if !found {
		a.writeRejection(ctx, core.ErrExecutionGone)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	httpjson.WriteBody(ctx, func(b []byte) []byte { return appendExecution(b, snap) })
}

// completion is the body of a completion callback.
type completion struct {
	Status string          `json:"status"`
	Output json.RawMessage `json:"output"`
	Error  *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	ColdStart      bool  `json:"coldStart"`
	InitDurationMs int64 `json:"initDurationMs"`
}

// Complete handles a completion callback.
func (a *API) Complete(ctx *fasthttp.RequestCtx, text string) {
	outcome, fault := decodeCompletion(ctx.PostBody())
	id, err := core.ParseID(text)
	if err != nil {
		a.writeRejection(ctx, core.ErrExecutionGone)
		return
	}
	if fault != nil {
		if _, found := a.Core.Execution(id); !found {
			a.writeRejection(ctx, core.ErrExecutionGone)
			return
		}
		fault.Write(ctx)
		return
	}
	admin.Note(ctx, "as", outcome.Status.String())
	if err := a.Core.Complete(id, outcome); err != nil {
		a.refused(ctx, err)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

func decodeCompletion(body []byte) (core.Outcome, *httpjson.Error) {
	if fault := httpjson.WholeObject(body); fault != nil {
		return core.Outcome{}, fault
	}
	var c completion
	if err := json.Unmarshal(body, &c); err != nil {
		return core.Outcome{}, httpjson.Undecodable(err)
	}
	status, known := core.ParseStatus(c.Status)
	if !known || !status.Terminal() {
		return core.Outcome{}, httpjson.ValidationFailed(fmt.Sprintf("status: must be success, error or timeout, not %q", httpjson.Clip([]byte(c.Status), 40)))
	}
	initMs := min(max(c.InitDurationMs, 0), math.MaxInt32)
	o := core.Outcome{Status: status, ColdStart: c.ColdStart, Init: time.Duration(initMs) * time.Millisecond}
	if status == core.Success {
		// RawMessage is its own copy already.
		if o.Output = c.Output; o.Output == nil {
			o.Output = []byte("null")
		}
	}
	if status == core.Error {
		o.Code, o.Message = "FUNCTION_ERROR", "the completion callback reported an error"
		if c.Error != nil {
			if c.Error.Code != "" {
				o.Code = c.Error.Code
			}
			o.Message = c.Error.Message
		}
	}
	return o, nil
}

// DrainOnce dispatches one queued execution and answers when that dispatch
// has finished.
func (a *API) DrainOnce(ctx *fasthttp.RequestCtx, name string) {
	finished := make(chan struct{})
	dispatched, err := a.Core.DrainOnce(name, func() { close(finished) })
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if dispatched {
		<-finished
	}
	admin.Note(ctx, "dispatched", dispatched)
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]bool{"dispatched": dispatched})
}
