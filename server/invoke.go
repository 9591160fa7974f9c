package server

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
)

// maxHeaderValue bounds Idempotency-Key and X-Trace-Id, in bytes.
const maxHeaderValue = 512

const headerExecutionID = "X-Execution-Id"

var headerExecutionIDBytes = []byte(headerExecutionID)

// submission decodes what :invoke and :enqueue share.
func (s *Server) submission(ctx *fasthttp.RequestCtx, name string) (core.Request, *apiError) {
	req := core.Request{Function: name, Borrowed: true}
	var timeout, key, traceID []byte
	for name, v := range ctx.Request.Header.All() { // one pass, not a search for each
		var to *[]byte
		switch unsafeString(name) {
		case "X-Timeout-Ms":
			to = &timeout
		case "Idempotency-Key":
			to = &key
		case "X-Trace-Id":
			to = &traceID
		}
		if to != nil && *to == nil {
			*to = v // the first, if there are more
		}
	}
	if len(timeout) > 0 {
		ms, err := strconv.ParseInt(string(timeout), 10, 64)
		if err != nil || ms <= 0 || ms > core.MaxTimeoutMillis {
			return req, validationFailed(fmt.Sprintf("X-Timeout-Ms: must be a whole number of milliseconds from 1 to %d, not %q", core.MaxTimeoutMillis, clip(timeout, 40)))
		}
		req.Timeout = time.Duration(ms) * time.Millisecond
	}
	if len(key) > maxHeaderValue {
		return req, validationFailed(fmt.Sprintf("Idempotency-Key: must be at most %d bytes", maxHeaderValue))
	}
	if len(traceID) > maxHeaderValue {
		return req, validationFailed(fmt.Sprintf("X-Trace-Id: must be at most %d bytes", maxHeaderValue))
	}
	inv, fault := decodeInvocation(ctx.PostBody())
	if fault != nil {
		return req, fault
	}
	req.Input, req.Metadata = inv.input, inv.metadata
	req.IdempotencyKey, req.TraceID = unsafeString(key), unsafeString(traceID)
	return req, nil
}

// submit hands a request to core; a request that meets a concurrent claim on
// its idempotency key sleeps until the claim is settled.
func (s *Server) submit(req *core.Request) (core.Result, error) {
	var settled chan struct{}
	if req.IdempotencyKey != "" {
		settled = make(chan struct{}, 1)
		req.OnSettled = func() { settled <- struct{}{} }
	}
	for {
		res, err := s.core.Submit(req)
		if err != core.ErrPending {
			return res, err
		}
		<-settled
	}
}

// refused answers for a request that core did not take, and returns the code
// it answered with.
func (s *Server) refused(ctx *fasthttp.RequestCtx, err error) string {
	var why *core.Rejection
	if errors.As(err, &why) {
		s.writeRejection(ctx, why)
		return why.Code
	}
	writeError(ctx, fasthttp.StatusInternalServerError, codeInternal, err.Error())
	return codeInternal
}

// handleInvoke runs a function and waits for the result.
func (s *Server) handleInvoke(ctx *fasthttp.RequestCtx, name string) {
	trace := traceContext(&ctx.Request.Header)
	span := s.tracing.begin("invoke", name, &trace)
	if span != nil {
		defer span.end(ctx)
	}
	req, fault := s.submission(ctx, name)
	if fault != nil {
		span.refused(s.refuseEarly(ctx, name, fault))
		return
	}
	w := newWaiter()
	req.Sync, req.Waiter, req.CallerRuns, req.Trace = true, w, true, trace
	res, err := s.submit(&req)
	if err != nil {
		w.recycle()
		span.refused(s.refused(ctx, err))
		return
	}
	snap := res.Snapshot
	switch {
	case !res.Existing:
		if res.Run.Attempt > 0 {
			s.dispatcher.Run(res.Run)
		}
		snap = w.wait()
		w.recycle()
	case res.Waiting:
		// Another request owns the execution and its deadline; this one waits
		// as long as its own allows and leaves the execution alone.
		limit := req.Timeout
		if limit == 0 {
			limit = s.functionTimeout(name)
		}
		ended := false
		if snap, ended = w.waitFor(limit); !ended {
			s.core.Forget(res.ID, w)
			snap = core.Snapshot{Status: core.Timeout}
		} else {
			w.recycle()
		}
	}
	span.ended(&res, &snap)
	if snap.Err != nil && snap.Err.Code == core.CodeQueueWait {
		setExecutionID(ctx, res.ID)
		s.writeRejection(ctx, &core.Rejection{Code: core.CodeQueueWait, Message: snap.Err.Message})
		return
	}
	writeInvocation(ctx, fasthttp.StatusOK, res.ID, snap.Status, snap.Output, snap.Err)
}

// handleEnqueue accepts work and answers at once.
func (s *Server) handleEnqueue(ctx *fasthttp.RequestCtx, name string) {
	trace := traceContext(&ctx.Request.Header)
	span := s.tracing.begin("enqueue", name, &trace)
	if span != nil {
		defer span.end(ctx)
	}
	if !s.cfg.AsyncEnabled {
		span.refused(codeAsyncDisabled)
		writeError(ctx, fasthttp.StatusNotImplemented, codeAsyncDisabled, "asynchronous queueing is switched off (asyncEnabled); use :invoke")
		return
	}
	req, fault := s.submission(ctx, name)
	if fault != nil {
		span.refused(s.refuseEarly(ctx, name, fault))
		return
	}
	req.Trace = trace
	res, err := s.submit(&req)
	if err != nil {
		span.refused(s.refused(ctx, err))
		return
	}
	span.queued(&res)
	status := core.Queued
	if res.Existing {
		status = res.Snapshot.Status
	}
	writeInvocation(ctx, fasthttp.StatusAccepted, res.ID, status, res.Snapshot.Output, res.Snapshot.Err)
}

// refuseEarly answers a bad request, and returns the code it answered with. An
// unknown function is the more useful answer when both apply.
func (s *Server) refuseEarly(ctx *fasthttp.RequestCtx, name string, fault *apiError) string {
	if s.core.Function(name) == nil {
		s.writeRejection(ctx, core.ErrNotFound)
		return core.CodeNotFound
	}
	fault.write(ctx)
	return fault.code
}

// functionTimeout is how long an invocation of name may take. A function that
// was deleted since the request came in sets no limit: what it left running
// ends by its own deadline.
func (s *Server) functionTimeout(name string) time.Duration {
	if fn := s.core.Function(name); fn != nil {
		return time.Duration(fn.Spec().TimeoutMillis) * time.Millisecond
	}
	return core.MaxTimeoutMillis * time.Millisecond
}

func writeInvocation(ctx *fasthttp.RequestCtx, status int, id core.ID, state core.Status, output []byte, err *core.ExecError) {
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	setExecutionID(ctx, id)
	writeBody(ctx, func(b []byte) []byte { return appendInvocation(b, id, state, output, err) })
}

func setExecutionID(ctx *fasthttp.RequestCtx, id core.ID) {
	var text [36]byte
	ctx.Response.Header.SetCanonical(headerExecutionIDBytes, id.AppendTo(text[:0]))
}

// clip shortens untrusted text for a message.
func clip(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}
