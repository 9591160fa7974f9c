package cluster

import (
	"encoding/json"
	"errors"
	"fmt"

	"simplane/core"
)

// Partitions is the number of partitions, for ever: core.PartitionOf has as many.
const Partitions = 256

// Fence is the place of an ownership record in the engine's order of messages.
// An owner's is its epoch: writes of the partition hold only while the newest
// record is the one at Fence. 0 = there is no record.
type Fence uint64

// Member is one control plane while its process lives.
type Member struct {
	// Name is the node's, the same over restarts. Life tells its processes apart.
	Name string `json:"name"`
	Life string `json:"life"`
	// Peer is the host:port at which it takes requests from other members.
	Peer string `json:"peer"`
	// API is the host:port of its API, for people.
	API     string `json:"api,omitempty"`
	Version string `json:"version,omitempty"`
	// Leaving says that it gives its partitions up and takes none.
	Leaving bool `json:"leaving,omitempty"`
}

// Ownership is the newest record of who owns a partition.
type Ownership struct {
	Name string `json:"name"`
	Life string `json:"life"`
	// Free says that the owner has given the partition up. Tail is its last frame
	// then; nil = not known.
	Free bool  `json:"free,omitempty"`
	Tail *Tail `json:"tail,omitempty"`
	// Granted is the latest window that the owner, which has freed the partition, may
	// have granted places of the rate limit of; 0 = that is not known, or it is not the
	// partition whose owner grants.
	Granted uint64 `json:"granted,omitempty"`
	// Fence is where the record is; it is not part of its bytes.
	Fence Fence `json:"-"`
}

// Tail is the last frame of a partition; zero when there is none yet.
type Tail struct {
	Seq uint64 `json:"seq,omitempty"`
	Sum uint32 `json:"sum,omitempty"` // CRC-32C of its bytes
}

// Encode is the record's bytes.
func (o Ownership) Encode() []byte {
	b, _ := json.Marshal(o) // of a struct of texts and numbers
	return b
}

// DecodeOwnership reads the record at a fence.
func DecodeOwnership(at Fence, b []byte) (o Ownership, err error) {
	if err := json.Unmarshal(b, &o); err != nil {
		return o, fmt.Errorf("ownership record at %d: %w", at, err)
	}
	if o.Name == "" || o.Life == "" {
		return o, fmt.Errorf("ownership record at %d: no owner", at)
	}
	o.Fence = at
	return o, nil
}

// Results of writes to the engine other than success. Any other error says that
// the outcome is unknown.
var (
	// ErrOvertaken is of a claim or of giving up: the newest record is another one.
	ErrOvertaken = errors.New("the partition's ownership has changed")
	// ErrReplaced is of a renewal: another process has taken the name.
	ErrReplaced = errors.New("another process runs under this node's name")
)

// FencedError is of a batch of which nothing was stored: these partitions are
// owned by others.
type FencedError struct{ Partitions []core.Partition }

// RefusedError is of a batch of which nothing was stored: frames of these partitions never
// can be.
type RefusedError struct {
	Partitions []core.Partition
	Why        error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("nothing was stored: frames of partitions %v never can be: %v", e.Partitions, e.Why)
}

// Unwrap says why.
func (e *RefusedError) Unwrap() error { return e.Why }

func (e *FencedError) Error() string {
	return fmt.Sprintf("nothing was stored: partitions %v are owned by others", e.Partitions)
}
