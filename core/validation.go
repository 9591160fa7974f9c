package core

import "strings"

// ValidationError names everything that is wrong with a value, as
// "field: what is wrong".
type ValidationError struct {
	Details []string
}

func (e *ValidationError) Error() string { return strings.Join(e.Details, "; ") }

// violations collects what is wrong.
type violations struct{ details []string }

func (v *violations) add(field, what string) { v.details = append(v.details, field+": "+what) }

// count adds what is wrong with n as the bound's field below a prefix, if
// anything.
func (v *violations) count(prefix string, n int, b Bound[int64]) {
	inRange(v, prefix+b.Name, int64(n), b)
}

// inRange adds what is wrong with n as the field, if anything.
func inRange[T Number](v *violations, field string, n T, b Bound[T]) {
	if problem := b.Problem(n); problem != "" {
		v.add(field, problem)
	}
}

func (v *violations) err() error {
	if len(v.details) == 0 {
		return nil
	}
	return &ValidationError{Details: v.details}
}
