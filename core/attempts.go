package core

import "time"

// Attempt is one failed attempt of an execution that was retried.
type Attempt struct {
	Number                     int32     // from 1
	StartedMillis, EndedMillis int64     // Unix time
	Err                        ExecError // its message clipped
}

const (
	// attemptsKept is how many of an execution's latest failed attempts are
	// remembered.
	attemptsKept = 8
	// attemptMessage is how much of an attempt's message is, in bytes.
	attemptMessage = 256
)

// withAttempt adds ex's present attempt, which has failed, to those remembered.
func withAttempt(kept []Attempt, ex *execution, now Instant, failed *ExecError) []Attempt {
	if len(kept) == attemptsKept {
		kept = append(kept[:0:0], kept[1:]...) // not in place: snapshots share it
	}
	return append(kept, Attempt{
		Number: ex.attempt, StartedMillis: ex.started / int64(time.Millisecond), EndedMillis: now.WallMillis(),
		Err: ExecError{Code: failed.Code, Message: clip(failed.Message, attemptMessage)},
	})
}

// attemptBytes is what the payload bound counts of the attempts.
func attemptBytes(failed []Attempt) (n int64) {
	for i := range failed {
		n += failed[i].Err.bytes()
	}
	return n
}
