package core

import "fmt"

// Codes of errors and rejections, as the HTTP API shows them.
const (
	CodeNotFound        = "NOT_FOUND"
	CodeExists          = "ALREADY_EXISTS"
	CodeFunctionLimit   = "FUNCTION_LIMIT"
	CodeRateLimited     = "RATE_LIMITED"
	CodeQueueFull       = "QUEUE_FULL"
	CodeEstWait         = "EST_WAIT"
	CodeDepth           = "DEPTH"
	CodeQueueWait       = "QUEUE_WAIT"
	CodeStoreFull       = "STORE_FULL"
	CodeIdempotencyFull = "IDEMPOTENCY_STORE_FULL"
	CodeKeyReused       = "IDEMPOTENCY_KEY_REUSED"
	CodeDraining        = "DRAINING"
	CodeFunctionDeleted = "FUNCTION_DELETED"
	CodeStale           = "STALE"
	CodePending         = "PENDING"
	CodeCancelled       = "CANCELLED"
	CodeAlreadyEnded    = "ALREADY_ENDED"
	CodeGeneration      = "GENERATION_CONFLICT"
	CodeDispatchFailed  = "DISPATCH_FAILED"
	CodeNoJournal       = "NO_JOURNAL"
	CodeJournalFull     = "JOURNAL_FULL"
	CodeInterrupted     = "INTERRUPTED"
)

// Rejection is why a call was refused. The values below are shared and never
// change, so that refusing allocates nothing.
type Rejection struct {
	Code    string
	Message string
}

func (r *Rejection) Error() string { return r.Code + ": " + r.Message }

// Reasons a submission is refused.
var (
	ErrNotFound      = &Rejection{CodeNotFound, "function not found"}
	ErrExecutionGone = &Rejection{CodeNotFound, "execution not found (unknown id, or past its TTL)"}
	// ErrGenerationConflict says that somebody else has changed the function.
	ErrGenerationConflict = &Rejection{CodeGeneration, "the function is at another generation; read it again"}
	// ErrAlreadyEnded says that an execution cannot be cancelled any more.
	ErrAlreadyEnded    = &Rejection{CodeAlreadyEnded, "the execution has ended already"}
	ErrRateLimited     = &Rejection{CodeRateLimited, "rate limit reached; retry in the next second"}
	ErrQueueFull       = &Rejection{CodeQueueFull, "the function's queue is full; retry later or raise queueSize"}
	ErrEstWait         = &Rejection{CodeEstWait, "estimated queue wait is above the limit; retry later"}
	ErrDepth           = &Rejection{CodeDepth, "the sync queue is at its maximum depth; retry later"}
	ErrStoreFull       = &Rejection{CodeStoreFull, "the execution store is at its bound; retry after older executions expire"}
	ErrIdempotencyFull = &Rejection{CodeIdempotencyFull, "the idempotency store is at its bound; retry after older keys expire"}
	ErrKeyReused       = &Rejection{CodeKeyReused, "the idempotency key belongs to a request with another input or metadata; send each new request with a new key"}
	ErrDraining        = &Rejection{CodeDraining, "shutting down; no new work is accepted"}
	// ErrPending says that another submission with the same idempotency key is
	// being admitted right now: submit again once Request.OnSettled was called.
	ErrPending = &Rejection{CodePending, "the idempotency key is being claimed by a concurrent request"}
	// ErrNoJournal says that durability "disk" was asked for where nothing is kept.
	ErrNoJournal     = &Rejection{CodeNoJournal, "durability \"disk\" needs a journal, and there is none; start with a data directory, or leave durability out"}
	ErrJournalFull   = &Rejection{CodeJournalFull, "the journal is at its bound; retry after older executions expire, or ask for durability \"memory\""}
	ErrFunctionLimit = &Rejection{CodeFunctionLimit, "the maximum number of functions is registered"}
	ErrExists        = &Rejection{CodeExists, "a function with this name is already registered"}
)

// ExecError is the error of a failed execution.
type ExecError struct {
	Code    string // at most MaxErrorCode bytes
	Message string // at most MaxErrorMessage bytes

	shared bool // see sharedError
}

func (e *ExecError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }
