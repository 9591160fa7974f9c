package core

import (
	"cmp"
	"container/heap"
)

// bySize is a heap of the names that have dead letters, the one with the most
// bytes first, and of equal ones the first by name: it says who gives way at the
// bound of bytes. The lock of the deadLetters guards it.
type bySize []*deadQueue

func (s bySize) Len() int { return len(s) }

func (s bySize) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(s[j].bytes, s[i].bytes), cmp.Compare(s[i].name, s[j].name)) < 0
}

func (s bySize) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push implements heap.Interface.
func (s *bySize) Push(q any) {
	q.(*deadQueue).place = len(*s)
	*s = append(*s, q.(*deadQueue))
}

// Pop implements heap.Interface.
func (s *bySize) Pop() any {
	last := len(*s) - 1
	q := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return q
}

// queue is that of a name, made when there is none; the caller holds mu.
func (d *deadLetters) queue(name string) *deadQueue {
	q := d.byName[name]
	if q == nil {
		q = &deadQueue{name: name}
		d.byName[name] = q
		heap.Push(&d.bySize, q)
	}
	return q
}

// count adds to what the letters of a name take; the caller holds mu.
func (d *deadLetters) count(q *deadQueue, by int64) {
	q.bytes += by
	d.bytes += by
	heap.Fix(&d.bySize, q.place)
}

// largest is the name with the most bytes; of equal ones the first by name. The
// caller holds mu.
func (d *deadLetters) largest() *deadQueue { return d.bySize[0] }

// forget drops a name with all of its letters, if that has not happened yet; the
// caller holds mu.
func (d *deadLetters) forget(q *deadQueue) {
	if d.byName[q.name] != q {
		return
	}
	d.bytes -= q.bytes
	delete(d.byName, q.name)
	heap.Remove(&d.bySize, q.place)
}
