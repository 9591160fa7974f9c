package api

import (
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/journal"
	"simplane/server/internal/sock"
	"simplane/server/internal/telemetry"
)

// maxHeaderValue bounds Idempotency-Key and X-Trace-Id, in bytes.
const maxHeaderValue = 512

var headerExecutionIDBytes = []byte(httpjson.HeaderExecutionID)

// submission decodes what :invoke and :enqueue share.
func (a *API) submission(ctx *fasthttp.RequestCtx, name string) (core.Request, *httpjson.Error) {
	req := core.Request{Function: name, Borrowed: true}
	if fault := options(ctx, &req); fault != nil {
		return req, fault
	}
	inv, fault := decodeInvocation(ctx.PostBody())
	if fault != nil {
		return req, fault
	}
	req.Input, req.Metadata = inv.input, inv.metadata
	return req, nil
}

// options reads what headers say of a call.
func options(ctx *fasthttp.RequestCtx, req *core.Request) *httpjson.Error {
	var timeout, key, traceID, durability []byte
	timeouts := 0
	for name, v := range ctx.Request.Header.All() { // one pass over the headers instead of three searches
		var to *[]byte
		switch httpjson.UnsafeString(name) {
		case "X-Timeout-Ms":
			to = &timeout
			timeouts++
		case "Idempotency-Key":
			to = &key
		case "X-Trace-Id":
			to = &traceID
		case headerDurability:
			to = &durability
		}
		if to != nil && *to == nil {
			*to = v // the first, if there are more
		}
	}
	if timeouts > 1 {
		return httpjson.ValidationFailed("X-Timeout-Ms: must be given once")
	}
	if timeouts > 0 {
		ms, err := strconv.ParseInt(string(timeout), 10, 64)
		if err != nil || ms <= 0 || ms > core.MaxTimeoutMillis {
			return httpjson.ValidationFailed(fmt.Sprintf("X-Timeout-Ms: must be a whole number of milliseconds from 1 to %d, not %q", core.MaxTimeoutMillis, httpjson.Clip(timeout, 40)))
		}
		req.Timeout = time.Duration(ms) * time.Millisecond
	}
	if len(key) > maxHeaderValue {
		return httpjson.ValidationFailed(fmt.Sprintf("Idempotency-Key: must be at most %d bytes", maxHeaderValue))
	}
	if len(traceID) > maxHeaderValue {
		return httpjson.ValidationFailed(fmt.Sprintf("X-Trace-Id: must be at most %d bytes", maxHeaderValue))
	}
	if fault := durabilityOf(durability, req); fault != nil {
		return fault
	}
	req.IdempotencyKey, req.TraceID = httpjson.UnsafeString(key), httpjson.UnsafeString(traceID)
	return nil
}

// submit hands a request to core; a request that meets a concurrent claim on
// its idempotency key sleeps until the claim is settled. A large input is given
// away rather than copied, unless core keeps none. The result goes to res: returned
// through each function it would lie on the stack of the connection several times,
// and the stack, which a connection keeps while it is idle, be of twice the size.
func (a *API) submit(ctx *fasthttp.RequestCtx, req *core.Request, res *core.Result) (err error) {
	req.InputGiven = http1.TakeBody(ctx, req.Input)
	var settled chan struct{}
	if req.IdempotencyKey != "" {
		settled = make(chan struct{}, 1)
		req.OnSettled = func() { settled <- struct{}{} }
	}
	for {
		if *res, err = a.Core.Submit(req); err != core.ErrPending {
			break
		}
		<-settled
	}
	if req.InputGiven && (err != nil || res.Existing) {
		http1.ReturnBody(ctx)
	}
	return err
}

// Refuses says, from the head of a request alone, that Invoke and Enqueue will refuse it:
// its body need not come.
func (a *API) Refuses(ctx *fasthttp.RequestCtx, name string) bool {
	var req core.Request
	return a.Core.Function(name) == nil || options(ctx, &req) != nil
}

// RefusesWork is Refuses of Enqueue.
func (a *API) RefusesWork(ctx *fasthttp.RequestCtx, name string) bool {
	return !a.AsyncEnabled || a.Refuses(ctx, name)
}

// Invoke runs a function and waits for the result.
func (a *API) Invoke(ctx *fasthttp.RequestCtx, name string) {
	trace := telemetry.TraceContext(&ctx.Request.Header)
	span := a.Tracing.Begin("invoke", name, &trace)
	if span != nil {
		defer span.End(ctx)
	}
	req, fault := a.submission(ctx, name)
	if fault != nil {
		span.Refused(a.refuseEarly(ctx, name, fault))
		return
	}
	w := newWaiter(a.callersConn(ctx))
	req.Sync, req.Waiter, req.CallerRuns, req.Trace = true, w, true, trace
	var res core.Result
	if err := a.submit(ctx, &req, &res); err != nil {
		w.recycle()
		span.Refused(a.refused(ctx, err))
		return
	}
	snap := res.Snapshot
	switch {
	case !res.Existing:
		if res.Run.Attempt > 0 {
			a.Run(res.Run, &w.stop)
		}
		snap = w.wait()
		w.recycle()
	case res.Waiting:
		// Another request owns the execution and its deadline; this one waits
		// as long as its own allows and leaves the execution alone.
		limit := req.Timeout
		if limit == 0 {
			limit = functionTimeout(a.Core, name)
		}
		var given <-chan struct{}
		if res.LSN != 0 {
			given = a.Given
		}
		ended := false
		if snap, ended = w.waitFor(limit, a.Lost, given); !ended {
			a.Core.Forget(res.ID, w)
			if over(given) {
				span.Refused(a.refused(ctx, core.ErrDraining)) // and asked at the next owner
				return
			}
			snap = core.Snapshot{Status: core.Timeout}
		} else {
			w.recycle()
		}
	}
	span.Ended(&res, &snap)
	if snap.Err != nil && snap.Err.Code == core.CodeQueueWait {
		setExecutionID(ctx, res.ID)
		a.writeRejection(ctx, &core.Rejection{Code: core.CodeQueueWait, Message: snap.Err.Message})
		return
	}
	writeInvocation(ctx, fasthttp.StatusOK, res.ID, snap.Status, snap.Output, snap.Err)
}

// over says that a channel, which may be nil, is closed.
func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// callersConn is the connection by which core may learn that a caller has left;
// nil if it is not to learn that.
func (a *API) callersConn(ctx *fasthttp.RequestCtx) *sock.Conn {
	if !a.CancelOnDisconnect {
		return nil
	}
	return http1.ConnOf(ctx)
}

// Enqueue accepts work and answers at once.
func (a *API) Enqueue(ctx *fasthttp.RequestCtx, name string) {
	trace := telemetry.TraceContext(&ctx.Request.Header)
	span := a.Tracing.Begin("enqueue", name, &trace)
	if span != nil {
		defer span.End(ctx)
	}
	if !a.AsyncEnabled {
		span.Refused(httpjson.CodeAsyncDisabled)
		httpjson.WriteError(ctx, fasthttp.StatusNotImplemented, httpjson.CodeAsyncDisabled, "asynchronous queueing is switched off (asyncEnabled); use :invoke")
		return
	}
	req, fault := a.submission(ctx, name)
	if fault != nil {
		span.Refused(a.refuseEarly(ctx, name, fault))
		return
	}
	req.Trace = trace
	var res core.Result
	if err := a.submit(ctx, &req, &res); err != nil {
		span.Refused(a.refused(ctx, err))
		return
	}
	if !a.stored(ctx, res.LSN) {
		span.Refused(journal.CodeUnavailable)
		return
	}
	span.Queued(&res)
	status := core.Queued
	if res.Existing {
		status = res.Snapshot.Status
	}
	writeInvocation(ctx, fasthttp.StatusAccepted, res.ID, status, res.Snapshot.Output, res.Snapshot.Err)
}

// functionTimeout is how long an invocation of name may take. A function that
// was deleted since the request came in sets no limit: what it left running
// ends by its own deadline.
func functionTimeout(c *core.Core, name string) time.Duration {
	if fn := c.Function(name); fn != nil {
		return time.Duration(fn.Spec().TimeoutMillis) * time.Millisecond
	}
	return core.MaxTimeoutMillis * time.Millisecond
}
