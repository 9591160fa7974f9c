package server

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
)

func (s *Server) handleExecution(ctx *fasthttp.RequestCtx, text string) {
	id, err := core.ParseID(text)
	snap, found := core.Snapshot{}, false
	if err == nil {
		snap, found = s.core.Execution(id)
	}
	if !found {
		s.writeRejection(ctx, core.ErrExecutionGone)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	writeBody(ctx, func(b []byte) []byte { return appendExecution(b, snap) })
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

func (s *Server) handleComplete(ctx *fasthttp.RequestCtx, text string) {
	outcome, fault := decodeCompletion(ctx.PostBody())
	id, err := core.ParseID(text)
	if err != nil {
		s.writeRejection(ctx, core.ErrExecutionGone)
		return
	}
	if fault != nil {
		if _, found := s.core.Execution(id); !found {
			s.writeRejection(ctx, core.ErrExecutionGone)
			return
		}
		fault.write(ctx)
		return
	}
	note(ctx, "as", outcome.Status.String())
	if err := s.core.Complete(id, outcome); err != nil {
		s.refused(ctx, err)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

func decodeCompletion(body []byte) (core.Outcome, *apiError) {
	if fault := wholeObject(body); fault != nil {
		return core.Outcome{}, fault
	}
	var c completion
	if err := json.Unmarshal(body, &c); err != nil {
		return core.Outcome{}, undecodable(err)
	}
	status, known := core.ParseStatus(c.Status)
	if !known || !status.Terminal() {
		return core.Outcome{}, validationFailed(fmt.Sprintf("status: must be success, error or timeout, not %q", clip([]byte(c.Status), 40)))
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

// handleDrainOnce works one queued execution off and answers when that
// dispatch has finished.
func (s *Server) handleDrainOnce(ctx *fasthttp.RequestCtx, name string) {
	finished := make(chan struct{})
	dispatched, err := s.core.DrainOnce(name, func() { close(finished) })
	if err != nil {
		s.refused(ctx, err)
		return
	}
	if dispatched {
		<-finished
	}
	note(ctx, "dispatched", dispatched)
	writeJSON(ctx, fasthttp.StatusOK, map[string]bool{"dispatched": dispatched})
}
