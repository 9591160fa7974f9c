package api

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
)

// Execution shows one execution.
func (a *API) Execution(ctx *fasthttp.RequestCtx, text string) {
	whole, fault := includeArg(ctx, "input")
	if fault != nil {
		fault.Write(ctx)
		return
	}
	id, err := core.ParseID(text)
	d, found := core.Details{}, false
	if err == nil {
		d, found = a.Core.Details(id)
	}
	if !found {
		a.writeRejection(ctx, core.ErrExecutionGone)
		return
	}
	writeResult(ctx, d.Output, d.Err, func(b []byte) []byte { return appendDetails(appendExecutionHead(b, d.Snapshot), d, whole) })
}

// Cancel ends an execution that has not ended.
func (a *API) Cancel(ctx *fasthttp.RequestCtx, text string) {
	id, err := core.ParseID(text)
	if err != nil {
		a.writeRejection(ctx, core.ErrExecutionGone)
		return
	}
	snap, err := a.Core.Cancel(id)
	if !a.stored(ctx, snap.LSN) {
		return
	}
	if err != nil {
		a.refused(ctx, err)
		return
	}
	writeResult(ctx, snap.Output, snap.Err, func(b []byte) []byte { return appendExecutionHead(b, snap) })
}

// completion is the body of a completion callback.
type completion struct {
	Status string `json:"status"`
	// Success is the older form of Status.
	Success *bool           `json:"success"`
	Output  json.RawMessage `json:"output"`
	// Attempt is the one that the outcome is of; 0 = any. The header
	// X-Dispatch-Attempt, as the function got it, says the same.
	Attempt int `json:"attempt"`
	Error   *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	ColdStart      bool  `json:"coldStart"`
	InitDurationMs int64 `json:"initDurationMs"`
}

// Complete handles a completion callback.
func (a *API) Complete(ctx *fasthttp.RequestCtx, text string) {
	outcome, attempt, fault := decodeCompletion(ctx.PostBody(), ctx.Request.Header.Peek(headerDispatchAttempt))
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
	at, err := a.Core.Complete(id, attempt, outcome)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if !a.stored(ctx, at) {
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

const headerDispatchAttempt = "X-Dispatch-Attempt"

func decodeCompletion(body, attemptHeader []byte) (o core.Outcome, attempt int, fault *httpjson.Error) {
	if fault := httpjson.WholeObject(body); fault != nil {
		return o, 0, fault
	}
	var c completion
	if err := httpjson.Unmarshal(body, &c); err != nil {
		return o, 0, httpjson.Undecodable(err)
	}
	if c.Attempt == 0 && len(attemptHeader) > 0 {
		c.Attempt, _ = strconv.Atoi(string(attemptHeader))
		if c.Attempt == 0 {
			c.Attempt = -1
		}
	}
	if c.Attempt < 0 || c.Attempt > math.MaxInt32 {
		return o, 0, httpjson.ValidationFailed("attempt: must be the number of an attempt, counted from 1, as the header X-Dispatch-Attempt of the call had it")
	}
	if c.Success != nil && c.Status == "" {
		c.Status = map[bool]string{true: core.Success.String(), false: core.Error.String()}[*c.Success]
	}
	status, known := core.ParseStatus(c.Status)
	if !known || !status.Terminal() {
		return o, 0, httpjson.ValidationFailed(fmt.Sprintf("status: must be success, error or timeout, not %q", httpjson.Clip([]byte(c.Status), 40)))
	}
	initMs := min(max(c.InitDurationMs, 0), math.MaxInt32)
	o = core.Outcome{Status: status, ColdStart: c.ColdStart, Init: time.Duration(initMs) * time.Millisecond}
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
	return o, c.Attempt, nil
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
		select {
		case <-finished:
		case <-a.Lost: // the answer that follows is replaced
		}
	}
	admin.Note(ctx, "dispatched", dispatched)
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]bool{"dispatched": dispatched})
}
