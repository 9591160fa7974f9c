package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// ExecError is why an execution ended in error.
type ExecError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Invocation is the answer to a submission.
type Invocation struct {
	ExecutionID string          `json:"executionId"`
	Status      string          `json:"status"`
	Output      json.RawMessage `json:"output"`
	Error       *ExecError      `json:"error"`
}

// Execution is the status of an execution.
type Execution struct {
	Invocation
	FunctionName     string          `json:"functionName"`
	Attempt          int             `json:"attempt"`
	CreatedAtMillis  int64           `json:"createdAtMillis"`
	StartedAtMillis  int64           `json:"startedAtMillis"`
	FinishedAtMillis int64           `json:"finishedAtMillis"`
	ColdStart        bool            `json:"coldStart"`
	InitDurationMs   int64           `json:"initDurationMs"`
	CleanedUp        bool            `json:"cleanedUp"`
	RetryAtMillis    int64           `json:"retryAtMillis"`  // of one that pauses between two attempts
	FailedAttempts   []FailedAttempt `json:"failedAttempts"` // the latest, oldest first
	Input            json.RawMessage `json:"input"`
	InputBytes       int64           `json:"inputBytes"` // in place of it
	Metadata         json.RawMessage `json:"metadata"`
	MetadataBytes    int64           `json:"metadataBytes"` // in place of them
	IdempotencyKey   string          `json:"idempotencyKey"`
	TraceID          string          `json:"traceId"`
}

// FailedAttempt is an attempt before the present one.
type FailedAttempt struct {
	Attempt          int       `json:"attempt"`
	StartedAtMillis  int64     `json:"startedAtMillis"`
	FinishedAtMillis int64     `json:"finishedAtMillis"`
	Error            ExecError `json:"error"`
}

// Ended reports whether the status is final.
func (i Invocation) Ended() bool {
	return i.Status == "success" || i.Status == "error" || i.Status == "timeout"
}

// Submission is what is sent to a function.
type Submission struct {
	Input          json.RawMessage
	Metadata       map[string]string
	Timeout        time.Duration // 0: the function's own
	IdempotencyKey string
	TraceID        string
}

func (s Submission) request(path string) request {
	body := map[string]any{"input": s.Input}
	if len(s.Metadata) > 0 {
		body["metadata"] = s.Metadata
	}
	header := map[string]string{"Idempotency-Key": s.IdempotencyKey, "X-Trace-Id": s.TraceID}
	if s.Timeout > 0 {
		header["X-Timeout-Ms"] = strconv.FormatInt(max(s.Timeout.Milliseconds(), 1), 10)
	}
	return request{method: "POST", path: path, header: header, body: body}
}

// Invoke runs a function and waits for the result.
func (c *Client) Invoke(ctx context.Context, name string, s Submission) (Answer[Invocation], error) {
	return call[Invocation](ctx, c, s.request(functionPath(name)+":invoke"))
}

// Enqueue hands work to a function's queue.
func (c *Client) Enqueue(ctx context.Context, name string, s Submission) (Answer[Invocation], error) {
	return call[Invocation](ctx, c, s.request(functionPath(name)+":enqueue"))
}

// Execution gets the status of an execution.
func (c *Client) Execution(ctx context.Context, id string) (Answer[Execution], error) {
	return call[Execution](ctx, c, request{method: "GET", path: "/v1/executions/" + url.PathEscape(id)})
}

// ExecutionInFull is Execution with input and metadata of any length.
func (c *Client) ExecutionInFull(ctx context.Context, id string) (Answer[Execution], error) {
	return call[Execution](ctx, c, request{method: "GET", path: "/v1/executions/" + url.PathEscape(id) + "?include=input"})
}

// Cancel ends an execution that has not ended: a queued one leaves the queue,
// the call of a running one is broken off.
func (c *Client) Cancel(ctx context.Context, id string) (Answer[Execution], error) {
	return call[Execution](ctx, c, request{method: "POST", path: "/v1/executions/" + url.PathEscape(id) + ":cancel"})
}

// Wait polls an execution until it has ended, and reports every change of
// status or attempt, the first look included.
func (c *Client) Wait(ctx context.Context, id string, changed func(Answer[Execution]) error) (Answer[Execution], error) {
	const first, longest = 20 * time.Millisecond, time.Second
	var seen Execution
	for pause := first; ; pause = min(pause*3/2, longest) {
		a, err := c.Execution(ctx, id)
		if err != nil {
			return a, err
		}
		if e := a.Value; e.Status != seen.Status || e.Attempt != seen.Attempt || e.RetryAtMillis != seen.RetryAtMillis {
			seen, pause = e, first
			if changed != nil {
				if err := changed(a); err != nil {
					return a, err
				}
			}
		}
		if a.Value.Ended() {
			return a, nil
		}
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Search narrows a list of executions; empty fields do not. Limit is the most
// that are listed, > 0. Cursor is the NextCursor of an earlier list.
type Search struct {
	Function, Status, Code, Key string
	SinceMillis, BeforeMillis   int64
	Cursor                      string
	Limit                       int
}

// Executions is a list, newest first, without outputs.
type Executions struct {
	Executions []Execution `json:"executions"`
	Cut
}

// Executions lists executions that are still kept.
func (c *Client) Executions(ctx context.Context, s Search) (Answer[Executions], error) {
	q := query("function", s.Function, "status", s.Status, "code", s.Code, "key", s.Key,
		"since", millis(s.SinceMillis), "before", millis(s.BeforeMillis), "cursor", s.Cursor)
	return list[Executions](ctx, c, request{method: "GET", path: "/v1/admin/executions", query: q}, "executions", s.Limit)
}
