package server

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"

	"simplane/core"
)

// Error codes that core does not know.
const (
	codeBadRequest       = "BAD_REQUEST"
	codeMalformedJSON    = "MALFORMED_JSON"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeBodyTooLarge     = "BODY_TOO_LARGE"
	codeHeadersTooLarge  = "HEADERS_TOO_LARGE"
	codeRequestTimeout   = "REQUEST_TIMEOUT"
	codeAsyncDisabled    = "ASYNC_DISABLED"
	codeUnauthorized     = "UNAUTHORIZED"
	codeInternal         = "INTERNAL_ERROR"
)

var contentTypeJSON = []byte("application/json")

// apiError is an answer that is not a success.
type apiError struct {
	status  int
	code    string
	message string
	details []string
}

func badRequest(code, message string) *apiError {
	return &apiError{status: fasthttp.StatusBadRequest, code: code, message: message}
}

func validationFailed(details ...string) *apiError {
	return &apiError{fasthttp.StatusBadRequest, core.CodeValidation, "Request validation failed", details}
}

func (e *apiError) write(ctx *fasthttp.RequestCtx) {
	writeError(ctx, e.status, e.code, e.message, e.details...)
}

// writeError answers {"error","message"} with details when there are any. It
// appends into the response's own buffer: refusing costs no allocation.
func writeError(ctx *fasthttp.RequestCtx, status int, code, message string, details ...string) {
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	writeBody(ctx, func(b []byte) []byte {
		b = append(b, `{"error":"`...)
		b = append(b, code...)
		b = append(b, `","message":`...)
		b = appendString(b, message)
		if len(details) > 0 {
			b = append(b, `,"details":[`...)
			for i, d := range details {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendString(b, d)
			}
			b = append(b, ']')
		}
		return append(b, '}')
	})
}

// writeBody lets fill append to the response's own pooled body buffer.
func writeBody(ctx *fasthttp.RequestCtx, fill func([]byte) []byte) {
	ctx.Response.SwapBody(fill(ctx.Response.SwapBody(nil)[:0]))
}

// writeJSON answers with v. Off the hot path only.
func writeJSON(ctx *fasthttp.RequestCtx, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		writeError(ctx, fasthttp.StatusInternalServerError, codeInternal, err.Error())
		return
	}
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	ctx.SetBody(raw)
}

// writeRejection maps core's refusals to HTTP.
func (s *Server) writeRejection(ctx *fasthttp.RequestCtx, why *core.Rejection) {
	status, retryAfter := fasthttp.StatusTooManyRequests, time.Second
	switch why.Code {
	case core.CodeNotFound:
		writeError(ctx, fasthttp.StatusNotFound, why.Code, why.Message)
		return
	case core.CodeEstWait, core.CodeDepth, core.CodeQueueWait:
		retryAfter = s.core.SyncQueue().RetryAfter
		ctx.Response.Header.Set("X-Queue-Reject-Reason", rejectReasons[why.Code])
	case core.CodeStoreFull, core.CodeIdempotencyFull, core.CodeDraining, core.CodeFunctionLimit:
		status = fasthttp.StatusServiceUnavailable
	}
	ctx.Response.Header.Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	writeError(ctx, status, why.Code, why.Message)
}

var rejectReasons = map[string]string{
	core.CodeEstWait: "est_wait", core.CodeDepth: "depth", core.CodeQueueWait: "queue_wait",
}

// appendString appends s as a JSON string; invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// appendInvocation appends the invocation response.
func appendInvocation(b []byte, id core.ID, status core.Status, output []byte, err *core.ExecError) []byte {
	b = append(b, `{"executionId":"`...)
	b = id.AppendTo(b)
	b = append(b, `","status":"`...)
	b = append(b, status.String()...)
	b = append(b, '"')
	b = appendResult(b, output, err)
	return append(b, '}')
}

func appendResult(b, output []byte, err *core.ExecError) []byte {
	if output != nil {
		b = append(b, `,"output":`...)
		b = append(b, output...)
	}
	if err != nil {
		b = append(b, `,"error":{"code":`...)
		b = appendString(b, err.Code)
		b = append(b, `,"message":`...)
		b = appendString(b, err.Message)
		b = append(b, '}')
	}
	return b
}

// appendExecution appends the execution status.
func appendExecution(b []byte, s core.Snapshot) []byte {
	b = append(b, `{"executionId":"`...)
	b = s.ID.AppendTo(b)
	b = append(b, `","functionName":`...)
	b = appendString(b, s.Function)
	b = append(b, `,"status":"`...)
	b = append(b, s.Status.String()...)
	b = append(b, `","attempt":`...)
	b = strconv.AppendInt(b, int64(s.Attempt), 10)
	b = append(b, `,"createdAtMillis":`...)
	b = strconv.AppendInt(b, s.CreatedAtMillis, 10)
	if s.StartedAtMillis > 0 {
		b = append(b, `,"startedAtMillis":`...)
		b = strconv.AppendInt(b, s.StartedAtMillis, 10)
	}
	if s.FinishedAtMillis > 0 {
		b = append(b, `,"finishedAtMillis":`...)
		b = strconv.AppendInt(b, s.FinishedAtMillis, 10)
	}
	b = append(b, `,"coldStart":`...)
	b = strconv.AppendBool(b, s.ColdStart)
	if s.InitMillis >= 0 {
		b = append(b, `,"initDurationMs":`...)
		b = strconv.AppendInt(b, int64(s.InitMillis), 10)
	}
	if s.CleanedUp {
		b = append(b, `,"cleanedUp":true`...)
	}
	b = appendResult(b, s.Output, s.Err)
	return append(b, '}')
}
