package provider

import (
	"encoding/json"
	"errors"
	"time"

	"simplane/server/internal/fncall"
)

// Invocation is one attempt to run a function. A zero Deadline means the
// deployment's timeout from now.
type Invocation = fncall.Request

// Result is how an invocation ended: Output when ErrorCode is empty.
type Result struct {
	Output       json.RawMessage // valid JSON
	ErrorCode    string
	ErrorMessage string
	TimedOut     bool // the deadline passed; ErrorCode is POOL_TIMEOUT

	// ColdStart says the invocation had to wait for an instance to start;
	// InitDuration is how long that instance took to become ready.
	ColdStart    bool
	InitDuration time.Duration

	Permanent  bool          // another attempt would fail as well
	RetryAfter time.Duration // the shortest pause before one; 0 = any
}

// OK reports whether the function answered with an output.
func (r Result) OK() bool { return r.ErrorCode == "" }

// Error codes of a Result. A function may also answer with codes of its own.
const (
	CodeNoProvider  = "NO_PROVIDER"           // nobody starts instances here
	CodeNoEndpoint  = "POOL_ENDPOINT_MISSING" // a POOL function without an endpoint
	CodeStartFailed = "FUNCTION_START_FAILED" // not found, exited or silent before it was ready
	CodeCrashed     = "FUNCTION_CRASHED"      // died with the invocation running
	CodeBadOutput   = "FUNCTION_BAD_OUTPUT"   // output is not JSON in UTF-8, or too large
	CodeFailed      = "FUNCTION_FAILED"       // reported by the function, or exit status not 0 (FILE)
	CodeNotFound    = "FUNCTION_NOT_FOUND"    // not provisioned
	CodeDeleted     = "FUNCTION_DELETED"      // deprovisioned before it ran
	CodeError       = "POOL_ERROR"            // status >= 300 or a transport failure
	CodeTimeout     = "POOL_TIMEOUT"          // deadline passed
	CodeSaturated   = "POOL_SATURATED"        // too many invocations wait for an instance
	CodeCanceled    = "POOL_CANCELED"         // the waiting caller gave up
	CodeClosed      = "PROVIDER_CLOSED"       // the provider is shutting down

	// CodeNotTaken is an instance's answer to its Pool: nothing of the
	// invocation was read. The pool gives it to another; no caller sees it.
	CodeNotTaken = "INSTANCE_GONE"
)

// Error is a failure with the code a Result carries.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Failure is the Result of a failure.
func Failure(code, message string) Result {
	return Result{ErrorCode: code, ErrorMessage: message, TimedOut: code == CodeTimeout}
}

// ResultOf is the Result of a call that fncall has made or read; an error that
// is no *fncall.Error counts as transport failure.
func ResultOf(a fncall.Answer, err error) Result {
	if err == nil {
		return Result{Output: a.Output, ColdStart: a.ColdStart, InitDuration: a.Init}
	}
	var e *fncall.Error
	if !errors.As(err, &e) {
		return Failure(CodeError, err.Error())
	}
	switch e.Kind {
	case fncall.TimedOut:
		return Failure(CodeTimeout, e.Message)
	case fncall.CallerLeft:
		return Failure(CodeCanceled, e.Message)
	case fncall.BadOutput:
		return Failure(CodeBadOutput, e.Message)
	case fncall.Refused:
		r := Failure(CodeError, "the function "+e.Message)
		r.Permanent, r.RetryAfter = e.Permanent, e.RetryAfter
		return r
	case fncall.Failed:
		r := Failure(e.Code, e.Message)
		r.Permanent = e.Permanent
		if r.ErrorCode == "" {
			r.ErrorCode = CodeFailed
		}
		r.TimedOut = false // the function's own error code
		return r
	}
	return Failure(CodeError, e.Message)
}

// faulty reports whether a result is the fault of the instance, as opposed to
// the function's own logic or the caller.
func (r Result) faulty() bool {
	switch r.ErrorCode {
	case CodeStartFailed, CodeCrashed, CodeError, CodeTimeout:
		return true
	}
	return false
}
