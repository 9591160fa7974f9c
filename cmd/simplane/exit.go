package main

import "fmt"

// exitError carries the exit code a failed command ends with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageErrorf reports a wrong command line or invalid input file: exit code 2.
func usageErrorf(format string, args ...any) error {
	return &exitError{code: 2, err: fmt.Errorf(format, args...)}
}

// silentExit ends with code without a further message: the command has
// already reported what went wrong.
func silentExit(code int) error { return &exitError{code: code} }
