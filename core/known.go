package core

import "encoding/binary"

// knownTable has a replay's executions by their ids: a hash table with open addressing,
// at most half full. Of a short simulation, all steps of which are taken again, a map
// was a tenth of the time: it hashes a key of 16 bytes that is as good as random, and
// needs three look-ups for each execution that is not there. The zero value is empty.
type knownTable struct {
	slots []knownSlot // a power of two
	count int
}

// knownSlot is free while it has no execution.
type knownSlot struct {
	hash uint64
	ex   *execution
}

func knownHash(id ID) uint64 {
	return mixed(binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:]))
}

// slot is the place of an execution, or the free one at which the search for it ends.
// The table has slots.
func (t *knownTable) slot(hash uint64, id ID) int {
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.ex == nil || s.hash == hash && s.ex.id == id {
			return i
		}
	}
}

// find is the execution with an id; nil when there is none.
func (t *knownTable) find(id ID) *execution {
	if t.count == 0 {
		return nil
	}
	return t.slots[t.slot(knownHash(id), id)].ex
}

// add takes in an execution that is not there.
func (t *knownTable) add(ex *execution) {
	if 2*(t.count+1) > len(t.slots) {
		t.resize(max(16, 2*len(t.slots)))
	}
	hash := knownHash(ex.id)
	t.slots[t.slot(hash, ex.id)] = knownSlot{hash, ex}
	t.count++
}

func (t *knownTable) resize(n int) {
	old := t.slots
	t.slots = make([]knownSlot, n)
	for _, s := range old {
		if s.ex != nil {
			t.slots[t.slot(s.hash, s.ex.id)] = s
		}
	}
}

// remove takes an execution out. Those behind it that a search would now end before
// move up.
func (t *knownTable) remove(id ID) {
	if t.count == 0 {
		return
	}
	mask := len(t.slots) - 1
	free := t.slot(knownHash(id), id)
	if t.slots[free].ex == nil {
		return
	}
	t.count--
	for i := (free + 1) & mask; t.slots[i].ex != nil; i = (i + 1) & mask {
		home := int(t.slots[i].hash) & mask
		if (i-home)&mask >= (i-free)&mask {
			t.slots[free], free = t.slots[i], i
		}
	}
	t.slots[free] = knownSlot{}
}
