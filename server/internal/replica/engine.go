// Package replica makes this process one of several control planes: it drives the
// machines of core/cluster over an engine, keeps a core for each partition that
// this node owns, and knows who owns the others.
package replica

import (
	"context"
	"errors"

	"simplane/core"
	"simplane/core/cluster"
)

// ErrFull says that nothing was stored because the engine is at its bound.
var ErrFull = errors.New("the engine's stream is full")

// ErrUnknown says that the outcome of a commit is not known and never will be: it must not
// be repeated.
var ErrUnknown = errors.New("whether this was stored is not known, and it is too late to repeat it")

// Engine is what brings consensus and replication. Its messages are in one order:
// places in it are from 1. Methods may be called at the same time.
//
// Where an error is none of those that a method names, the outcome is unknown: the
// call may be repeated with the same arguments, and is carried out once.
type Engine interface {
	// Renew writes the record of this process. The error is cluster.ErrReplaced when
	// another process has written one under the same name since.
	Renew(ctx context.Context, m cluster.Member) error
	// Resign removes the record.
	Resign(ctx context.Context) error
	// Member is the newest record under a name; nil = there is none, or it was removed.
	// Who answers may be behind.
	Member(ctx context.Context, name string) (*cluster.Member, error)
	// Claim writes the ownership record of p in place of the one at seen; 0 = there
	// is none. It returns where the new one is. The error is cluster.ErrOvertaken
	// when the newest record is another one.
	Claim(ctx context.Context, p core.Partition, o cluster.Ownership, seen cluster.Fence) (cluster.Fence, error)
	// Free is Claim of an owner that gives the partition up.
	Free(ctx context.Context, p core.Partition, o cluster.Ownership, at cluster.Fence) (cluster.Fence, error)
	// Commit stores all frames or none, in their order, while each one's partition
	// is owned by the record at its Fence. last is the place of the last frame; those
	// of one call follow one another. 0 = it is not known, since an earlier call has
	// stored them. The error is a *cluster.FencedError if a fence does not hold, a
	// *cluster.RefusedError where frames can never be stored, ErrFull where there is no
	// room, and ErrUnknown where the call must not be repeated.
	Commit(ctx context.Context, id string, frames []cluster.StoredFrame) (last uint64, err error)
	// Read calls each for the frames of p that are kept, from the place from on, in
	// their order, until it meets the ownership record at until or each's error,
	// which it returns. until 0 = until each returns one. data is valid during the
	// call.
	Read(ctx context.Context, p core.Partition, from uint64, until cluster.Fence, each func(at uint64, data []byte) error) error
	// Next is the oldest frame of p that is kept from the place on, and costs less than
	// Read. Who answers may be behind: at 0 = it knows of none.
	Next(ctx context.Context, p core.Partition, from uint64) (at uint64, data []byte, err error)
	// Purge removes the frames of p that are before a place.
	Purge(ctx context.Context, p core.Partition, before uint64) error
	// Announce keeps the value of a key that has the highest version, for all to watch. A
	// value that is not newer than what is kept changes nothing, and is no error.
	Announce(ctx context.Context, key string, version uint64, value []byte) error
	// Once stores value unless the key has one, and returns the one it has.
	Once(ctx context.Context, key string, value []byte) ([]byte, error)
	// Watch calls f, one call at a time, with all that is and what becomes of it,
	// until stop has returned.
	Watch(f func(Event)) (stop func())
	// Space is how many bytes are kept, on each server, and how many can be; most 0 = as
	// many as there is room for.
	Space(ctx context.Context) (used, most int64, err error)
	// Current says that what this process keeps for the engine is as new as what others
	// keep: one of them may end now. It is true where this process keeps nothing.
	Current(ctx context.Context) (bool, error)
	// StepDown has others lead the engine where this process does, which is about to
	// end: writes then do not wait for that later. It is not needed for anything else.
	StepDown(ctx context.Context) error
	// MaxFrame is the most bytes of a frame.
	MaxFrame() int
	Close() error
}

// Event is what a watch tells. One field is set.
type Event struct {
	Member *cluster.Member // it has renewed its record
	Gone   *cluster.Member // it has removed its record
	// Owner is the newest record of Partition, never an older one after it.
	Partition core.Partition
	Owner     *cluster.Ownership
	// Key and Value were announced.
	Key   string
	Value []byte
	// CaughtUp says that all that was there when the watch began has been told,
	// Lost that the watch is interrupted: until the next CaughtUp it tells nothing,
	// or what is known.
	CaughtUp, Lost bool
}
