// Package httpjson reads request bodies and writes responses in JSON: the
// form of an error, the position of an error in malformed JSON, and pooled
// buffers.
package httpjson

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"
)

// Error codes that are not core's.
const (
	CodeValidation       = "VALIDATION_ERROR"
	CodeRevisionConflict = "REVISION_CONFLICT"
	CodeBadRequest       = "BAD_REQUEST"
	CodeMalformedJSON    = "MALFORMED_JSON"
	CodeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	CodeBodyTooLarge     = "BODY_TOO_LARGE"
	CodeSpecTooLarge     = "SPEC_TOO_LARGE"
	CodeHeadersTooLarge  = "HEADERS_TOO_LARGE"
	CodeRequestTimeout   = "REQUEST_TIMEOUT"
	CodeBodiesBusy       = "BODIES_BUSY"
	CodeAsyncDisabled    = "ASYNC_DISABLED"
	CodeUnauthorized     = "UNAUTHORIZED"
	CodeInternal         = "INTERNAL_ERROR"
)

// HeaderExecutionID is the response header with the execution's id.
const HeaderExecutionID = "X-Execution-Id"

// ContentTypeJSON is the content type of all answers that are JSON.
var ContentTypeJSON = []byte("application/json")

// Error is the response to a request that failed.
type Error struct {
	Status  int
	Code    string
	Message string
	Details []string
}

// BadRequest is an error of status 400.
func BadRequest(code, message string) *Error {
	return &Error{Status: fasthttp.StatusBadRequest, Code: code, Message: message}
}

// Bounds of what a refusal repeats of a bad request: a request must not get a
// larger answer than it is itself.
const (
	maxDetails     = 100
	maxDetailBytes = 500
)

// ValidationFailed is the error of a request that breaks rules, one detail each.
func ValidationFailed(details ...string) *Error {
	listed := slices.Clone(details[:min(len(details), maxDetails)])
	for i, d := range listed {
		listed[i] = Clip([]byte(d), maxDetailBytes)
	}
	if more := len(details) - len(listed); more > 0 {
		listed = append(listed, fmt.Sprintf("and %d more", more))
	}
	return &Error{fasthttp.StatusBadRequest, CodeValidation, "Request validation failed", listed}
}

// Write answers with e.
func (e *Error) Write(ctx *fasthttp.RequestCtx) {
	WriteError(ctx, e.Status, e.Code, e.Message, e.Details...)
}

// WriteError writes {"error","message"}, with details when there are any,
// into the response's own buffer: a refusal allocates nothing.
func WriteError(ctx *fasthttp.RequestCtx, status int, code, message string, details ...string) {
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(ContentTypeJSON)
	WriteBody(ctx, func(b []byte) []byte {
		b = append(b, `{"error":"`...)
		b = append(b, code...)
		b = append(b, `","message":`...)
		b = AppendString(b, message)
		if len(details) > 0 {
			b = append(b, `,"details":[`...)
			for i, d := range details {
				if i > 0 {
					b = append(b, ',')
				}
				b = AppendString(b, d)
			}
			b = append(b, ']')
		}
		return append(b, '}')
	})
}

// WriteBody lets fill append to the response's own pooled body buffer.
func WriteBody(ctx *fasthttp.RequestCtx, fill func([]byte) []byte) {
	ctx.Response.SwapBody(fill(ctx.Response.SwapBody(nil)[:0]))
}

// WriteJSON answers with v. Off the hot path only.
func WriteJSON(ctx *fasthttp.RequestCtx, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		WriteError(ctx, fasthttp.StatusInternalServerError, CodeInternal, err.Error())
		return
	}
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(ContentTypeJSON)
	ctx.SetBody(raw)
}

// AppendString appends s as a JSON string; invalid UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
