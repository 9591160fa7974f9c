package api

import (
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/journal"
	"simplane/server/internal/telemetry"
)

// CodeNoOwner is the error of a request for a partition that this node has given up:
// it was not carried out.
const CodeNoOwner = "NO_OWNER"

// writeRejection maps core's refusals to HTTP.
func (a *API) writeRejection(ctx *fasthttp.RequestCtx, why *core.Rejection) {
	status, retryAfter := fasthttp.StatusTooManyRequests, time.Second
	switch why.Code {
	case core.CodeNotFound:
		httpjson.WriteError(ctx, fasthttp.StatusNotFound, why.Code, why.Message)
		return
	case core.CodeKeyReused, core.CodeNoJournal:
		httpjson.WriteError(ctx, fasthttp.StatusUnprocessableEntity, why.Code, why.Message)
		return
	case core.CodeAlreadyEnded:
		httpjson.WriteError(ctx, fasthttp.StatusConflict, why.Code, why.Message)
		return
	case core.CodeEstWait, core.CodeDepth, core.CodeQueueWait:
		retryAfter = a.Core.SyncQueue().RetryAfter
		ctx.Response.Header.Set("X-Queue-Reject-Reason", telemetry.RejectReasons[why.Code])
	case core.CodeStoreFull, core.CodeIdempotencyFull, core.CodeDraining, core.CodeFunctionLimit, core.CodeJournalFull, journal.CodeUnavailable, CodeNoOwner:
		status = fasthttp.StatusServiceUnavailable
	}
	ctx.Response.Header.Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	httpjson.WriteError(ctx, status, why.Code, why.Message)
}

// refused writes the response to a request that core refused, and returns its
// error code.
func (a *API) refused(ctx *fasthttp.RequestCtx, err error) string {
	var why *core.Rejection
	if errors.As(err, &why) {
		a.writeRejection(ctx, why)
		return why.Code
	}
	httpjson.WriteError(ctx, fasthttp.StatusInternalServerError, httpjson.CodeInternal, err.Error())
	return httpjson.CodeInternal
}

// refuseEarly writes the response to a bad request, and returns its error
// code. That the function is unknown takes precedence: it is more useful.
func (a *API) refuseEarly(ctx *fasthttp.RequestCtx, name string, fault *httpjson.Error) string {
	if a.Core.Function(name) == nil {
		a.writeRejection(ctx, core.ErrNotFound)
		return core.CodeNotFound
	}
	fault.Write(ctx)
	return fault.Code
}
