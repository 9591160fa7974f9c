// Package fncall encodes a call to a function and decodes its answer. POOL
// endpoints, HTTP instances of providers and STDIO processes all use it, so
// that a function behaves the same wherever it runs. Target.Call makes a call
// over HTTP; the pipes of a STDIO process belong to its provider.
package fncall

import (
	"encoding/json"
	"time"

	"simplane/server/internal/sock"
)

// Request is one attempt to run a function. Empty strings are left out.
type Request struct {
	ExecutionID    string
	Input          json.RawMessage // valid JSON
	Metadata       json.RawMessage // a JSON object, or empty
	TraceID        string
	TraceParent    string // W3C trace context
	TraceState     string
	IdempotencyKey string
	Attempt        int // counted from 1

	// Path is added to the path of the target's URL; "" and "/" add nothing. A
	// request line has to be able to have it.
	Path string
	// RawBody says that the body of a call over HTTP is the input alone, a JSON
	// string as its text, and that an answer which is no JSON is text.
	RawBody bool

	// FencingToken grows with each owner that the function's partition has in a
	// cluster: who has seen a greater one may refuse this call. 0 = none.
	FencingToken uint64

	// CompletionToken lets the function complete the execution itself.
	CompletionToken string

	// Raw is the call of a caller whose request is passed on as it came, to a
	// function that serves HTTP; nil for any other. Input, Metadata, Path and RawBody
	// are not used then.
	Raw *Raw

	// Deadline ends the attempt.
	Deadline time.Time
	// Stop breaks a call over HTTP off; nil for none.
	Stop *sock.Stop
}

// Answer is what a function returned.
type Answer struct {
	Output    json.RawMessage // valid JSON in UTF-8
	Status    int             // of HTTP; 0 when there was none. Set beside an error, too.
	ColdStart bool            // the function reports that it was started for this call
	Init      time.Duration   // reported duration of that start; 0 = not reported
}

// Kind is how a call failed.
type Kind int

const (
	// Unreachable is a transport failure: whether the function ran is
	// unknown.
	Unreachable Kind = iota
	// TimedOut is a deadline that has passed.
	TimedOut
	// Refused is an HTTP status of 300 or more.
	Refused
	// BadOutput is an answer that is too large or not JSON.
	BadOutput
	// Failed is an error that the function itself reports, see Error.Code.
	Failed
	// CallerLeft is the end of a raw call whose caller is not there any more, or has
	// sent what is no request.
	CallerLeft
)

// Error is a call without an output.
type Error struct {
	Kind    Kind
	Code    string // the function's own, with Failed; may be empty
	Message string // fit for a user: valid UTF-8 and short, but for Failed

	// Permanent says that another attempt would fail as well.
	Permanent bool
	// RetryAfter is how long the function asks to be left alone; 0 = it does
	// not.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Message }
