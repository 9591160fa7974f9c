package core

import (
	"fmt"
	"unicode/utf8"
)

// Bounds of the error that is kept with an execution, in bytes. Functions,
// providers and completions from outside write these texts: longer ones are
// clipped on their way in. What is kept counts as payload.
const (
	MaxErrorCode    = 128
	MaxErrorMessage = 8 << 10
)

// newExecError is an error of one execution, clipped to the bounds.
func newExecError(code, message string) *ExecError {
	return &ExecError{Code: clip(code, MaxErrorCode), Message: clip(message, MaxErrorMessage)}
}

// sharedError is an error that all executions which end for one reason have in
// common. It costs them nothing: it does not count as payload and stays
// readable after cleanup.
func sharedError(code, message string) *ExecError {
	return &ExecError{Code: code, Message: message, shared: true}
}

// bytes is what the payload bound counts of an error, which may be nil.
func (e *ExecError) bytes() int64 {
	if e == nil || e.shared {
		return 0
	}
	return int64(len(e.Code) + len(e.Message))
}

// cleaned is what is left of an error, which may be nil, after cleanup.
func (e *ExecError) cleaned() *ExecError {
	if e == nil || !e.shared {
		return nil
	}
	return e
}

// clip cuts a text to at most most bytes, between two characters, and says so
// at its end. The rest of a text that was cut is not kept.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	mark := fmt.Sprintf("… (clipped, %d bytes)", len(text))
	end := most - len(mark)
	for back := 1; back < utf8.UTFMax && !utf8.RuneStart(text[end]); back++ { // a text may be no UTF-8
		end--
	}
	return text[:end] + mark
}
