package core

import (
	"fmt"
	"strings"
	"time"
)

// ValidationError names everything that is wrong with a value, as
// "field: what is wrong".
type ValidationError struct {
	Details []string
}

func (e *ValidationError) Error() string { return strings.Join(e.Details, "; ") }

// violations collects what is wrong.
type violations struct{ details []string }

func (v *violations) add(field, what string) { v.details = append(v.details, field+": "+what) }

func (v *violations) positive(field string, n int64) {
	if n <= 0 {
		v.add(field, "must be greater than 0")
	}
}

// maxSpan keeps the sum of a time and a span within 64 bits.
const maxSpan = 100 * 365 * 24 * time.Hour

func (v *violations) span(field string, d time.Duration) {
	v.positive(field, int64(d))
	if d > maxSpan {
		v.add(field, "must be at most 100 years")
	}
}

func (v *violations) within(field string, n, low, high int) {
	switch {
	case n < low && low == 0:
		v.add(field, "must be 0 or greater")
	case n < low && low == 1:
		v.add(field, "must be greater than 0")
	case n < low || n > high:
		v.add(field, fmt.Sprintf("must be between %d and %d", low, high))
	}
}

func (v *violations) err() error {
	if len(v.details) == 0 {
		return nil
	}
	return &ValidationError{Details: v.details}
}
