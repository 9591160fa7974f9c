package core

import (
	"math"
	"slices"
	"strings"
	"time"
)

// execution is the record of one accepted invocation. Its function's lock
// guards every field that changes, so a snapshot is never half-applied.
type execution struct {
	id ID
	fn *Function

	created, started, finished           int64 // wall ns; 0 = not yet
	createdMono, queuedMono, startedMono int64 // elapsed ns; startedMono -1 = not yet
	queueDeadline                        int64 // of the first wait, elapsed ns; 0 = none
	lookAt                               int64 // wall ns of the store's next look

	input, output []byte
	err           *ExecError
	more          *executionExtras
	waiter        Waiter
	older, newer  *execution // neighbours among the answered, see relief.go

	timeout   int64 // ns
	queuePos  uint64
	attempt   int32
	heapIndex int32
	initMs    int32        // -1 = not reported
	handoff   atomicUint32 // see dispatch.go

	status                                                 Status
	sync, holdsSlot, answered, coldStart, cleaned, evicted bool
	passed                                                 bool // by others in the queue, see late.go
	pausing                                                bool // QUEUED, but not in the queue, see retry.go
	restored                                               bool // its id says no place, see store.go
}

// executionExtras holds what few executions have.
type executionExtras struct {
	metadata       []byte
	traceID        string
	trace          TraceContext // never changes
	idempotencyKey string
	waiters        []Waiter
	joins          uint32 // see everJoined
	attemptEnded   func() // drain-once waits for the attempt in flight

	facts *factLog
	// Of an execution that has been retried.
	attempts []Attempt // the failed ones
	moved    int64     // wall ns of when it was last put back
	retryAt  Instant   // the end of its pause
}

// newRecord is an execution that has just been created.
func newRecord(id ID, fn *Function, now Instant, sync bool) execution {
	return execution{
		id: id, fn: fn, sync: sync, created: now.Wall, createdMono: now.Mono, queuedMono: now.Mono,
		attempt: 1, heapIndex: -1, initMs: -1, startedMono: -1,
	}
}

// inQueue says that ex has a place in its function's queue.
func (ex *execution) inQueue() bool { return ex.status == Queued && !ex.pausing }

// lastMoved is the wall time of ex's last transition while it has not ended.
func (ex *execution) lastMoved() int64 {
	switch {
	case ex.status == Running:
		return ex.started
	case ex.attempt > 1:
		return ex.more.moved
	}
	return ex.created
}

// own replaces borrowed bytes and strings by copies.
func (x *executionExtras) own() {
	if x == nil {
		return
	}
	x.metadata = slices.Clone(x.metadata)
	x.traceID, x.idempotencyKey = strings.Clone(x.traceID), strings.Clone(x.idempotencyKey)
	x.trace.own()
}

// payloadBytes is what the payload bound counts of them.
func (x *executionExtras) payloadBytes() int64 {
	return int64(len(x.metadata)+len(x.traceID)+len(x.idempotencyKey)+len(x.trace.Parent)+len(x.trace.State)) + attemptBytes(x.attempts)
}

// afterCleanup is what is still needed when the payload has been dropped; nil
// when nothing is. An attempt that still runs may be reading the old one.
func (x *executionExtras) afterCleanup() *executionExtras {
	if x == nil || (x.attemptEnded == nil && x.facts == nil) {
		return nil
	}
	return &executionExtras{attemptEnded: x.attemptEnded, facts: x.facts, waiters: x.waiters}
}

// joined says that a sync invocation waits for ex beside its own caller, if any.
func (ex *execution) joined() bool { return ex.more != nil && len(ex.more.waiters) > 0 }

func (ex *execution) extras() *executionExtras {
	if ex.more == nil {
		ex.more = &executionExtras{}
	}
	return ex.more
}

// markRunning applies QUEUED to RUNNING for one more attempt.
func (ex *execution) markRunning(now Instant) bool {
	if !ex.status.mayBecome(Running) {
		return false
	}
	ex.status = Running
	ex.started, ex.startedMono = now.Wall, now.Mono
	ex.answered = false
	return true
}

// markEnded makes a terminal transition: output belongs to Success, err to Error
// and to a Timeout that says why.
func (ex *execution) markEnded(status Status, output []byte, err *ExecError, now Instant) bool {
	if !ex.status.mayBecome(status) {
		return false
	}
	ex.status, ex.output, ex.err, ex.finished = status, output, err, now.Wall
	return true
}

// requeue puts an execution whose attempt has failed back for the next one: it
// clears what belonged to the attempt and keeps id, input and creation time.
func (ex *execution) requeue(now Instant, failed *ExecError) bool {
	if ex.status == Queued || !ex.status.mayBecome(Queued) {
		return false
	}
	x := ex.extras()
	x.attempts, x.moved = withAttempt(x.attempts, ex, now, failed), now.Wall
	ex.status = Queued
	ex.started, ex.finished, ex.startedMono = 0, 0, -1
	ex.output, ex.err = nil, nil
	ex.coldStart, ex.initMs = false, -1
	ex.attempt++
	ex.queuedMono = now.Mono
	ex.queueDeadline = 0 // it has run: only its caller's deadline ends it now
	return true
}

// dropPayload forgets all that the payload bound counts; the status stays
// readable. It returns how many bytes that frees.
func (ex *execution) dropPayload() int64 {
	freed := ex.payloadBytes()
	ex.input, ex.output, ex.err = nil, nil, ex.err.cleaned()
	ex.more = ex.more.afterCleanup()
	ex.cleaned = true
	return freed
}

// dropInput forgets input and metadata before cleanup and returns how many bytes
// that frees.
func (ex *execution) dropInput() int64 {
	freed := len(ex.input)
	ex.input = nil
	if ex.more != nil {
		freed += len(ex.more.metadata)
		ex.more.metadata = nil
	}
	return int64(freed)
}

// payloadBytes is what the payload bound counts: all that is of a size which
// callers and functions choose.
func (ex *execution) payloadBytes() int64 { return ex.requestBytes() + ex.resultBytes() }

// requestBytes is the part of the payload that comes with the request.
func (ex *execution) requestBytes() int64 {
	n := int64(len(ex.input))
	if ex.more != nil {
		n += ex.more.payloadBytes()
	}
	return n
}

// resultBytes is the part of the payload that comes with the end: output or
// error, the output not twice when it is the input (echo).
func (ex *execution) resultBytes() int64 {
	n := ex.err.bytes()
	if !sameBytes(ex.input, ex.output) {
		n += int64(len(ex.output))
	}
	return n
}

func sameBytes(a, b []byte) bool {
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
}

// callerDeadline is when a sync caller gives up, in elapsed time; 0 = never.
func (ex *execution) callerDeadline() int64 {
	if !ex.sync {
		return 0
	}
	return ex.createdMono + ex.timeout
}

// attemptDeadline is when ex's slot is released although its attempt has not
// answered, in elapsed time.
func (ex *execution) attemptDeadline() int64 {
	if ex.formerly() {
		return ex.more.facts.until
	}
	return ex.startedMono + ex.timeout
}

// nextDeadline is the elapsed time at which something is next due for ex; 0
// means never.
func (ex *execution) nextDeadline() int64 {
	at := int64(0)
	earlier := func(t int64) {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	if !ex.status.Terminal() {
		earlier(ex.callerDeadline())
	}
	if ex.status == Queued {
		earlier(ex.queueDeadline)
	}
	if ex.pausing {
		earlier(ex.more.retryAt.Mono)
	}
	switch {
	case !ex.holdsSlot:
	case ex.awaitsDispatch():
		earlier(notDispatched)
	default:
		earlier(ex.attemptDeadline())
	}
	return at
}

// notDispatched is the deadline of an attempt whose time has not begun, and of what
// is set aside: never, and so they are among their function's deadlines, which have
// all that runs or pauses.
const notDispatched = math.MaxInt64

// Snapshot is a consistent copy of an execution at one moment. The byte
// slices are shared and must not be changed.
type Snapshot struct {
	ID       ID
	Function string
	Status   Status
	Output   []byte     // raw JSON; nil unless Success, or after cleanup
	Err      *ExecError // set on Error, and on Timeout with code STALE; after cleanup only one of core's own

	CreatedAtMillis  int64
	StartedAtMillis  int64 // 0 = not started
	FinishedAtMillis int64 // 0 = not finished

	ColdStart   bool
	InitMillis  int32 // -1 = not reported
	Attempt     int32 // from 1
	CleanedUp   bool
	QueueWait   time.Duration // of the last attempt; 0 = not started
	Idempotency string        // "" after cleanup, and so TraceID
	TraceID     string
	// RetryAtMillis is when a pausing execution is put back into the queue; 0 =
	// it does not pause.
	RetryAtMillis int64
	Attempts      []Attempt // the latest failed ones before this; nil after cleanup

	// LSN is the fact that must be durable before anybody is told of this; 0 =
	// none. Only Cancel sets it.
	LSN LSN

	ended int64 // wall ns
}

// snapshot copies the record; the caller holds fn.mu.
func (ex *execution) snapshot() (s Snapshot) {
	ex.copyTo(&s)
	return s
}

// copyTo is snapshot into the empty s.
func (ex *execution) copyTo(s *Snapshot) {
	s.ID, s.Function, s.Status, s.Output, s.Err = ex.id, ex.fn.name, ex.status, ex.output, ex.err
	s.CreatedAtMillis = ex.created / int64(time.Millisecond)
	s.StartedAtMillis = ex.started / int64(time.Millisecond)
	s.FinishedAtMillis = ex.finished / int64(time.Millisecond)
	s.ended = ex.finished
	s.ColdStart, s.InitMillis, s.Attempt, s.CleanedUp = ex.coldStart, ex.initMs, ex.attempt, ex.cleaned
	if ex.startedMono >= 0 {
		s.QueueWait = time.Duration(ex.startedMono - ex.queuedMono)
	}
	if ex.more != nil {
		s.Idempotency, s.TraceID = ex.more.idempotencyKey, ex.more.traceID
		s.Attempts, s.RetryAtMillis = ex.more.attempts, ex.more.retryAt.Wall/int64(time.Millisecond)
	}
}

// Waiter is woken once, when the execution it waits for ends.
type Waiter interface {
	// Wake must return at once and must not call back into core. It is called
	// from whichever call ended the execution, possibly before Submit returns.
	Wake(Snapshot)
}
