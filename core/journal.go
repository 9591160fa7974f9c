package core

// LSN is the place of a fact among all facts of a journal: 1 for the first one
// ever, and each later one has a greater one. 0 is no fact.
type LSN uint64

// Partition is the part of the journal that a function's facts are in: its
// name decides, in every process and for ever.
type Partition uint8

// PartitionOf is the partition of the function of this name: the low 8 bits of
// the name's FNV-1a hash (64 bits).
func PartitionOf(function string) Partition { return Partition(nameTag(function)) }

// configPartition is where facts are that belong to no function.
const configPartition Partition = 0

// Journal stores facts, so that they outlive the process. Core tells it what
// has been decided, and lets no effect out that rests on a fact which is not
// durable (see held.go). Its methods are called under a function's lock, from
// many goroutines: they must return at once, wait for no disk, and not call
// back into core.
type Journal interface {
	// Append puts a fact behind all earlier ones and returns its place. It
	// copies what it needs: f and its bytes belong to the caller.
	Append(p Partition, f *Fact) LSN
	// Durable is the place up to which every fact is durable; 0 = none. Core
	// reads it once, in Restorer.Done; from then on it is told by
	// Core.JournalAdvanced.
	Durable() LSN
	// Release says that the fact at l, of partition p, is not needed any more.
	// Releases take effect in the order of the calls, and none before all facts
	// are durable that were appended before it.
	Release(p Partition, l LSN)
	// Room is false while the journal has no room for new work. What was
	// accepted can always go on: its facts are taken at any time.
	Room() bool
	// Gone says that no fact which is appended from now on becomes durable: the
	// journal is another process's, which goes on with the durable executions, or
	// nobody's. It is asked in each step, and is never false again.
	Gone() bool
}

// SpecCodec turns specs into bytes for the journal and back. EncodeSpec is
// called under a function's lock and must be a pure function of the spec.
// Generation need not be among the bytes: core keeps it beside them.
type SpecCodec interface {
	EncodeSpec(*Spec) ([]byte, error)
	// DecodeSpec returns a spec as ResolveSpec would, with its Data.
	DecodeSpec(stored []byte) (*Spec, error)
}

// Durability says whether enqueued work is kept in the journal.
type Durability string

// Durabilities.
const (
	// DurabilityDefault is DurabilityDisk with a Config.Journal, and
	// DurabilityMemory without.
	DurabilityDefault Durability = ""
	DurabilityMemory  Durability = "memory"
	DurabilityDisk    Durability = "disk"
)
