package sim

import (
	"encoding/binary"
	"unsafe"

	"simplane/core"
	"simplane/sim/internal/random"
)

// record is the witness's account of one stored execution. The slot number in
// the execution's id leads to it. It is reused after eviction.
type record struct {
	// What nearly every event reads comes first, in one cache line. The whole is
	// two, so that records stay aligned to them.
	id        core.ID
	fn        *generation
	number    int64 // in order of acceptance, from 1
	finished  int64 // wall ns
	state     recordState
	sync      bool
	holdsSlot bool
	cleaned   bool
	success   bool
	passed    bool // checker: others went before it
	failed    bool // checker: it ended with an error of its own, which cleanup drops
	attempt   int32
	waiters   int32 // sync callers to be woken
	queue     link  // neighbours in the function's queue

	created     int64 // wall ns
	createdMono int64
	queuedMono  int64 // of the running attempt; of one that pauses, when it will be queued
	startedMono int64 // of the running attempt
	timeout     int64
	moved       int64 // wall ns of the last transition before the end
	key         int32 // checker: entry of its idempotency key; -1 = none
	request     int32 // checker: payload bytes that came with the call
	result      int32 // checker: payload bytes of its output or error
	attempts    int32 // checker: payload bytes of the errors of its earlier attempts
}

const recordSize = 128

var _ [recordSize]byte = [unsafe.Sizeof(record{})]byte{}

type recordState uint8

const (
	stFree recordState = iota
	stQueued
	stPausing // between two attempts, outside the queue
	stRunning
	stEnded
)

// link holds neighbours by slot, -1 for none.
type link struct{ prev, next int32 }

// records is the table of stored executions.
type records struct {
	all    []record
	used   int   // slots that are not free; the spare one is not
	cursor int32 // where to look for a free slot
	spare  int32 // slot for the next id; -1 = take one
	ids    uint64
	idSeed uint64
	number int64
}

// NewID implements core.IDSource: bytes 0-3 are the slot, the others a
// one-to-one scramble of a counter, in the form of a version-4 UUID. The slot
// of a refused submission is used for the next one.
func (r *records) NewID() core.ID {
	if r.spare < 0 {
		r.spare = r.freeSlot()
	}
	r.ids++
	u := random.Mix(r.idSeed + r.ids*random.Step) // one-to-one: ids never repeat
	var id core.ID
	binary.BigEndian.PutUint32(id[:], uint32(r.spare))
	id[4] = byte(u >> 56)
	binary.BigEndian.PutUint64(id[8:], u)
	id[5] = id[9] ^ id[12]
	id[7] = id[10] ^ id[13]
	id[6] = 0x40 | id[11]&0x0f
	id[8] = 0x80 | id[14]&0x3f
	return id
}

// freeSlot searches the table in a circle from the last slot given out.
// Executions accepted in sequence, which mostly end in sequence, then have
// adjacent records. A quarter of the slots is kept free, so that the search is
// short.
func (r *records) freeSlot() int32 {
	if r.used >= len(r.all)/4*3 {
		r.all = append(r.all, record{})
		return int32(len(r.all) - 1)
	}
	for {
		slot := r.cursor
		if r.cursor++; int(r.cursor) == len(r.all) {
			r.cursor = 0
		}
		if r.all[slot].state == stFree {
			return slot
		}
	}
}

// adopt makes the record of an id that NewID has just handed out.
func (r *records) adopt(id core.ID) (*record, int32) {
	slot := int32(binary.BigEndian.Uint32(id[:]))
	if slot != r.spare || int(slot) >= len(r.all) {
		return nil, -1
	}
	r.spare = -1
	r.used++
	r.number++
	rec := &r.all[slot]
	*rec = record{id: id, number: r.number, key: -1, queue: link{-1, -1}}
	return rec, slot
}

// find is the record of an id; nil when it has been evicted.
func (r *records) find(id core.ID) (*record, int32) {
	slot := binary.BigEndian.Uint32(id[:])
	if int(slot) >= len(r.all) {
		return nil, -1
	}
	if rec := &r.all[slot]; rec.state != stFree && rec.id == id {
		return rec, int32(slot)
	}
	return nil, -1
}

func (r *records) release(slot int32) {
	r.all[slot].state = stFree
	r.all[slot].fn = nil
	r.used--
}
