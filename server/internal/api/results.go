package api

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
)

// appendInvocationHead appends the invocation response up to its result.
func appendInvocationHead(b []byte, id core.ID, status core.Status) []byte {
	b = append(b, `{"executionId":"`...)
	b = id.AppendTo(b)
	b = append(b, `","status":"`...)
	b = append(b, status.String()...)
	return append(b, '"')
}

func appendResult(b, output []byte, err *core.ExecError) []byte {
	if output != nil {
		b = append(b, beforeOutput...)
		b = append(b, output...)
	}
	return appendError(b, err)
}

const beforeOutput = `,"output":`

func appendError(b []byte, err *core.ExecError) []byte {
	if err != nil {
		b = append(b, `,"error":{"code":`...)
		b = httpjson.AppendString(b, err.Code)
		b = append(b, `,"message":`...)
		b = httpjson.AppendString(b, err.Message)
		b = append(b, '}')
	}
	return b
}

// appendExecution appends the execution status.
func appendExecution(b []byte, s core.Snapshot) []byte {
	b = appendExecutionHead(b, s)
	b = appendResult(b, s.Output, s.Err)
	return append(b, '}')
}

// appendExecutionHead appends the execution status up to its result.
func appendExecutionHead(b []byte, s core.Snapshot) []byte {
	b = append(b, `{"executionId":"`...)
	b = s.ID.AppendTo(b)
	b = append(b, `","functionName":`...)
	b = httpjson.AppendString(b, s.Function)
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
	if s.RetryAtMillis > 0 {
		b = append(b, `,"retryAtMillis":`...)
		b = strconv.AppendInt(b, s.RetryAtMillis, 10)
	}
	b = appendAttempts(b, s.Attempts)
	if s.CleanedUp {
		b = append(b, `,"cleanedUp":true`...)
	}
	return b
}

// shownInput is the longest input, and the longest metadata, that an execution's
// answer shows unasked, in bytes.
const shownInput = 4 << 10

// appendDetails appends what the caller has sent, as members.
func appendDetails(b []byte, d core.Details, whole bool) []byte {
	if d.Idempotency != "" {
		b = httpjson.AppendString(append(b, `,"idempotencyKey":`...), d.Idempotency)
	}
	if d.TraceID != "" {
		b = httpjson.AppendString(append(b, `,"traceId":`...), d.TraceID)
	}
	b = appendSent(b, "metadata", d.Metadata, whole)
	return appendSent(b, "input", d.Input, whole)
}

// appendSent appends a member whose value is raw JSON, if there is any: its size
// where that is too long.
func appendSent(b []byte, name string, raw []byte, whole bool) []byte {
	switch {
	case len(raw) == 0:
		return b
	case whole || len(raw) <= shownInput:
		b = append(append(append(b, ',', '"'), name...), '"', ':')
		return append(b, raw...)
	}
	return appendSize(b, name+"Bytes", len(raw))
}

// appendSize appends a member: the size of a value that is left out.
func appendSize(b []byte, name string, size int) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendInt(b, int64(size), 10)
}

// appendAttempts appends the failed attempts before the present one.
func appendAttempts(b []byte, failed []core.Attempt) []byte {
	for i, a := range failed {
		if i == 0 {
			b = append(b, `,"failedAttempts":[`...)
		} else {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"attempt":`...), int64(a.Number), 10)
		b = strconv.AppendInt(append(b, `,"startedAtMillis":`...), a.StartedMillis, 10)
		b = strconv.AppendInt(append(b, `,"finishedAtMillis":`...), a.EndedMillis, 10)
		b = append(appendResult(b, nil, &a.Err), '}')
	}
	if len(failed) > 0 {
		b = append(b, ']')
	}
	return b
}

func writeInvocation(ctx *fasthttp.RequestCtx, status int, id core.ID, state core.Status, output []byte, err *core.ExecError) {
	ctx.SetStatusCode(status)
	setExecutionID(ctx, id)
	writeResult(ctx, output, err, func(b []byte) []byte { return appendInvocationHead(b, id, state) })
}

// largeOutput is the least length in bytes of an output that is sent from where
// it is, rather than copied into the answer.
const largeOutput = 4 << 10

// writeResult answers with an object that ends in a result: begin appends what
// comes before it.
func writeResult(ctx *fasthttp.RequestCtx, output []byte, err *core.ExecError, begin func([]byte) []byte) {
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	if len(output) < largeOutput {
		httpjson.WriteBody(ctx, func(b []byte) []byte {
			return append(appendResult(begin(b), output, err), '}')
		})
		return
	}
	text := append(begin(make([]byte, 0, 512)), beforeOutput...)
	before := len(text)
	text = append(appendError(text, err), '}')
	http1.SetPieces(ctx, text[:before], output, text[before:])
}

func setExecutionID(ctx *fasthttp.RequestCtx, id core.ID) {
	var text [36]byte
	ctx.Response.Header.SetCanonical(headerExecutionIDBytes, id.AppendTo(text[:0]))
}
