package core

// FactKind says what a fact tells.
type FactKind uint8

// Kinds of facts. Their numbers are part of the stored format.
const (
	// FactFunctionSet: a function was registered, or its spec changed. The
	// latest one counts.
	FactFunctionSet FactKind = iota + 1
	// FactFunctionGone: a function was deleted.
	FactFunctionGone
	// FactAccepted: an execution was accepted; it is queued, at the tail. It
	// holds its idempotency key. With a Letter it comes from that dead letter,
	// which is gone.
	FactAccepted
	// FactStarted: an attempt has a slot, and may be dispatched once this is
	// durable.
	FactStarted
	// FactRetried: an attempt has failed and another will follow: queued at the
	// tail, or after a pause.
	FactRetried
	// FactRequeued: a pause is over: queued at the tail.
	FactRequeued
	// FactEnded: an execution has ended. Unless it succeeded or nobody wanted it
	// any more, it is a dead letter from now on.
	FactEnded
	// FactPurged: all dead letters of a name that are older than this are gone.
	FactPurged
	// FactConfig: the configuration of the program that embeds core. The latest
	// one counts.
	FactConfig
)

var factNames = [...]string{"", "function_set", "function_gone", "accepted", "started", "retried", "requeued", "ended", "purged", "config"}

func (k FactKind) String() string {
	if int(k) < len(factNames) && k > 0 {
		return factNames[k]
	}
	return unknownKind
}

const unknownKind = "unknown"

// Fact is one decision as the journal keeps it. Which fields are set is up to
// its kind; the others are zero.
type Fact struct {
	Kind FactKind
	Wall int64 // when it was decided, wall ns

	// Function is the name, Registration tells a name's registrations apart. They
	// are in every fact but FactConfig; FactPurged has no registration.
	Function     string
	Registration uint64

	// Generation is that of the spec, and Data the spec as SpecCodec wrote it, of
	// FactFunctionSet. Data of FactConfig is what SaveConfig was given.
	Generation uint64
	Data       []byte

	// Of facts about an execution. Attempt is from 1: the one that FactStarted
	// starts, the one to come of FactRetried and FactRequeued, and the last one
	// of FactEnded.
	ID      ID
	Attempt int32

	// Of FactAccepted. The execution was created at Wall.
	Letter                           ID
	Timeout                          int64 // of each attempt, ns
	Key                              string
	Print                            Fingerprint // of the request with the key
	TraceID, TraceParent, TraceState string
	Input, Metadata                  []byte

	RetryAt int64 // of FactRetried: the end of its pause, wall ns; 0 = none

	// Of FactEnded: how. Code and Message are of FactRetried, too: why the attempt
	// failed.
	Status        Status
	Output        []byte
	Echo          bool // the output is the input, and not repeated
	Code, Message string
	SharedError   bool // the error is one of core's own, see sharedError
	Unwanted      bool // it leaves no dead letter
	Cold          bool
	InitMillis    int32 // -1 = not reported
}
