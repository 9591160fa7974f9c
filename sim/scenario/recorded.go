package scenario

import (
	"reflect"
	"time"
)

// What was recorded of real traffic is in side files, not in the YAML: a list of
// a million values is none that anybody would edit.

// Call is one arrival of a stream with a time for each.
type Call struct {
	At time.Duration
	// Took is how long its dispatches take if it is Timed; otherwise the function's
	// behavior says that.
	Took  time.Duration
	Timed bool
	// Input is the size of what it brings in bytes; 0 = that of all other calls.
	Input int32
}

// Attempt is a recorded dispatch: when it began, how long it took, how it ended.
type Attempt struct {
	At, Took time.Duration
	// RetryAfter is the shortest pause that a failure asked for.
	RetryAfter time.Duration
	Ending     Ending
	Cold       bool
}

// Ending is how an attempt ends.
type Ending uint8

// The endings of attempts.
const (
	Succeeded Ending = iota
	Failed
	FailedForGood // and is not worth a retry
	Unanswered    // within its timeout
)

var endings = []string{"success", "error", "permanent", "none"}

func (e Ending) String() string { return endings[e] }

// MaxRecorded is how many calls, and how many attempts, a side file may have.
const MaxRecorded = 2_000_000

// MaxCallInput bounds the size of a recorded call's input, in bytes.
const MaxCallInput = 64 << 20

// onlyAttempts says that nothing else is given.
func (b *Behavior) onlyAttempts() bool {
	only := NewFunction().Behavior
	only.AttemptsFile, only.Attempts = b.AttemptsFile, b.Attempts
	return reflect.DeepEqual(only, *b)
}
