package core

import "unsafe"

// slab allocates values that are never freed one by one: they come from
// blocks, and a block is garbage once none of its values is referenced.
// Values that are taken in one order and dropped in about the same waste
// little that way, and the garbage collector has a fraction of the objects to
// find, mark and sweep. The first blocks are small: a core may be short-lived.
type slab[T any] struct {
	current atomicPointer[slabBlock[T]]
}

type slabBlock[T any] struct {
	next  atomicInt64 // values handed out; may run past the end
	items []T
}

// slabBytes is the largest block, less what the allocator adds to it.
const slabBytes = 8192 - 8

// take returns n adjacent zero values. They may not be larger than a quarter
// of a block, all together.
func (s *slab[T]) take(n int) []T {
	var one T
	most := slabBytes / int(unsafe.Sizeof(one))
	for {
		b := s.current.Load()
		size := n
		if b != nil {
			if end := int(b.next.Add(int64(n))); end <= len(b.items) {
				return b.items[end-n : end : end]
			}
			size = max(n, min(2*len(b.items), most))
		}
		fresh := &slabBlock[T]{items: make([]T, size)}
		fresh.next.Store(int64(n))
		if s.current.CompareAndSwap(b, fresh) {
			return fresh.items[:n:n]
		}
	}
}

// keep returns a copy of b. A large one is an allocation of its own, so that
// dropping it frees its memory.
func keep(s *slab[byte], b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) > slabBytes/8 {
		return append([]byte(nil), b...)
	}
	c := s.take(len(b))
	copy(c, b)
	return c
}

// slabs are where records and small inputs of all functions come from. A slab of
// each function would be cold whenever calls are spread over many. There are
// several, so that processors seldom meet at one, and sync and async executions
// have their own: payloads of sync ones may go long before those of async ones
// (see relief.go), which would hold their blocks.
type slabs [2][8]slabPair

type slabPair struct {
	records slab[execution]
	inputs  slab[byte]
	logs    slab[factLog] // of durable ones
	_       [40]byte      // keep neighbours off one cache line
}

// of is where an execution's memory comes from.
func (s *slabs) of(id ID, sync bool) *slabPair {
	kind := 0
	if sync {
		kind = 1
	}
	return &s[kind][id[15]%8]
}
