package core

import "time"

// Observer receives core's events, for metrics and for the simulator's log.
type Observer interface {
	// FunctionAdded is called before the function takes work; its result is
	// kept in Function.Handle, so that an observer needs no lookup.
	FunctionAdded(*Function) any
	// Observe is called after each event, outside core's locks. From one
	// thread the order is exact; with several, events may arrive in another
	// order than they happened. It must not call back into core.
	Observe(Event)
}

// EventKind says what happened.
type EventKind uint8

// Kinds of events.
const (
	EventAccepted EventKind = iota
	EventRejected           // Code says why
	EventIdempotentHit
	EventDispatched // QueueWait is set
	EventRetried    // Attempt is the coming one, Pause the time before it is queued, Code why
	EventRequeued   // a pause is over: it is in the queue
	EventEnded      // Status, Code, E2E; Service when it had been dispatched
	EventSlotReleased
	EventLateResult      // a result for an execution that had ended; dropped
	EventDuplicateResult // a second result for one dispatch; dropped
	EventCleaned         // payload dropped
	EventEvicted
	EventKeysEvicted // Count keys
	EventFunctionAdded
	EventFunctionDeleted
	EventReconfigured
	EventScaled             // Count replicas are wanted now
	EventReplicasReady      // Count replicas take work now
	EventConcurrencyChanged // Count slots there are now
)

var eventNames = [...]string{"accepted", "rejected", "idempotent_hit", "dispatched", "retried", "requeued", "ended",
	"slot_released", "late_result", "duplicate_result", "cleaned", "evicted", "keys_evicted",
	"function_added", "function_deleted", "reconfigured",
	"scaled", "replicas_ready", "concurrency_changed"}

func (k EventKind) String() string { return eventNames[k] }

// Event is one thing that happened.
type Event struct {
	Kind     EventKind
	Status   Status
	Sync     bool
	Cold     bool
	Attempt  int32
	Function *Function // nil when the name is unknown, and for EventKeysEvicted
	ID       ID
	At       Instant
	Count    int
	Tag      uint64 // Request.Tag, of EventAccepted, EventRejected and EventIdempotentHit
	Code     string
	Trace    *TraceContext // of EventDispatched and EventEnded; nil without one

	QueueWait time.Duration
	Service   time.Duration // of the last attempt
	E2E       time.Duration // from creation
	Init      time.Duration // -1 = not reported
	Pause     time.Duration // of EventRetried; 0 = it was queued at once
}

// nopObserver is used when none is given.
type nopObserver struct{}

func (nopObserver) FunctionAdded(*Function) any { return nil }
func (nopObserver) Observe(Event)               {}
