package core

// Recorder receives the steps of all functions, each with what it was given and
// what it decided, so that they can be taken again elsewhere: see Replay. The
// steps of one function come in their order, under its lock; those of several
// come at the same time. Both methods must be safe for that, must return at once,
// and must not call back into core.
type Recorder interface {
	Step(Step)
	// Base is a function's state at one of its steps. It must not be changed.
	Base(*Base)
}

// Domains numbers the domains of records: each registration of a function, and each
// shard of keys, has a number that no other has. The zero value is ready.
type Domains struct {
	functions, shards atomicUint32 // the latest numbers given
}

// Step is one record. A step is one of them, with Step.More further ones of kind
// StepMore behind it, where what it was given does not fit. It has lengths only,
// no content: core reads none. Its size is 64 bytes.
type Step struct {
	Wall, Mono int64  // the step's instant
	Extra      uint64 // by kind, see recording.go
	ID         ID     // the execution, if it is about one
	Domain     uint32 // the function's registration, from 1; 0 = of an unknown function
	Seq        uint32 // of its domain, without gaps, from 1; wraps. 0 = a refusal before any step
	A          uint32 // by kind
	B          uint32 // queue depth << 16 | slots in use, after the step; each held down to 65535
	Check      uint32 // running hash of all that the domain's steps were given and decided
	Kind       StepKind
	More       uint8
	Flags      StepFlags
}

// StepFlags are what a step was given, by kind, and in the highest five bits what
// came of it, see Step.Outcome.
type StepFlags uint16

// Flags of StepAccept and StepRefuse; FlagWaiter and FlagLeaver are of StepJoin, too.
const (
	FlagSync       StepFlags = 1 << iota
	FlagDurable              // kept in the journal
	FlagCallerRuns           // Request.CallerRuns
	FlagWaiter               // there is a Waiter
	FlagLeaver               // which is a Leaver
	FlagKey                  // there is an idempotency key
	FlagLetter               // it redrives a dead letter
	FlagLetterGone           // which is not there any more
	FlagOwnLater             // its place in the function's rate is of a newer second
	FlagAllLater             // and so its place in the rate of all
)

// Flags of StepAnswer and StepComplete. The lowest two bits are the status.
const (
	FlagCold      StepFlags = 1 << (iota + 2)
	FlagPermanent           // Outcome.Permanent
	FlagEcho                // the output is the input
)

// Flags of StepTick and StepDrain.
const (
	FlagAsked    StepFlags = 1 << iota // who waits for ID was asked
	FlagNobody                         // and nobody is there
	FlagAwaited                        // somebody waits for the end of the attempt
	FlagDraining                       // durable work is set aside
)

// Flags of StepDurable.
const (
	FlagEnded    StepFlags = 1 << iota // whoever waits for ID is woken
	FlagBreakOff                       // its attempt is broken off
	FlagDone                           // somebody waits for the end of its attempt
)

// Flags of StepUpdate and StepRelieve.
const (
	FlagFailed StepFlags = 1 << iota // StepUpdate: the spec cannot be stored
	FlagBefore                       // StepRelieve: another function has answered executions, too
)

// FlagGone is of every kind: the journal is another process's, see Journal.Gone.
const FlagGone StepFlags = 1 << 10

// FlagPlaces is of a StepMore that has places in the journal.
const FlagPlaces StepFlags = 1

const outcomeShift = 11

// StepOutcome says what came of a step.
type StepOutcome uint8

// OutcomeNothing and OutcomeRefused are the outcomes of a step without an event.
const (
	OutcomeNothing StepOutcome = 0
	OutcomeRefused StepOutcome = 31
)

// Outcome is what came of the step: OutcomeNothing, OutcomeRefused, or what is
// then observed.
func (s *Step) Outcome() StepOutcome { return StepOutcome(s.Flags >> outcomeShift) }

// outcomeOf is the outcome of a step with an observed event.
func outcomeOf(kind EventKind) StepOutcome { return StepOutcome(kind + 1) }

// Event is the observed event of an outcome; false when there is none.
func (o StepOutcome) Event() (EventKind, bool) {
	return EventKind(o - 1), o != OutcomeNothing && o != OutcomeRefused
}

func (o StepOutcome) String() string {
	switch kind, ok := o.Event(); {
	case o == OutcomeRefused:
		return "refused"
	case !ok:
		return "nothing"
	case int(kind) < len(eventNames):
		return kind.String()
	}
	return unknownKind
}

// Depth is the number of queued executions after the step, at most 65535.
func (s *Step) Depth() int { return int(s.B >> 16) }

// Running is the number of slots in use after the step, at most 65535.
func (s *Step) Running() int { return int(s.B & 0xffff) }

// NeedsBase says that the step cannot be taken again without the Base that is
// recorded with its last record.
func (s *Step) NeedsBase() bool {
	return s.Kind == StepRestore || s.Kind == StepUpdate && s.Outcome() == outcomeOf(EventReconfigured)
}
