package core

import "slices"

// deadlines is a binary min-heap of executions by their next deadline. Each
// execution has its index in the heap (heapIndex, -1 when absent), so that
// removing one needs no search. Its function's lock guards it.
type deadlines struct {
	items []deadlineItem
	seq   uint64
}

type deadlineItem struct {
	at  int64  // elapsed nanoseconds
	seq uint64 // insertion order decides between equal deadlines
	ex  *execution
}

func (a deadlineItem) before(b deadlineItem) bool {
	return a.at < b.at || (a.at == b.at && a.seq < b.seq)
}

// set adds ex or moves it to a new deadline.
func (d *deadlines) set(ex *execution, at int64) {
	d.drop(ex)
	d.seq++
	d.items = append(d.items, deadlineItem{at: at, seq: d.seq, ex: ex})
	d.up(len(d.items) - 1)
}

// drop takes ex out; no-op when it is not in the heap.
func (d *deadlines) drop(ex *execution) {
	i := int(ex.heapIndex)
	if i < 0 {
		return
	}
	last := len(d.items) - 1
	moved := d.items[last]
	d.items[last] = deadlineItem{}
	d.items = d.items[:last]
	ex.heapIndex = -1
	if i == last {
		return
	}
	d.place(moved, i)
	if !d.down(i) {
		d.up(i)
	}
}

// arrange puts those that set has added in order of time where they were in a heap of the
// same ones: the i-th at places[i]. It reports whether that is a heap.
func (d *deadlines) arrange(places []int) bool {
	if len(places) != len(d.items) {
		return false
	}
	sorted := slices.Clone(d.items)
	clear(d.items)
	for i, it := range sorted {
		if p := places[i]; p < 0 || p >= len(sorted) || d.items[p].ex != nil {
			return false
		}
		d.place(it, places[i])
	}
	for i := 1; i < len(d.items); i++ {
		if d.items[i].before(d.items[(i-1)/2]) {
			return false
		}
	}
	return true
}

// next is the earliest deadline, ok false when there is none.
func (d *deadlines) next() (at int64, ex *execution, ok bool) {
	if len(d.items) == 0 {
		return 0, nil, false
	}
	return d.items[0].at, d.items[0].ex, true
}

func (d *deadlines) place(it deadlineItem, i int) {
	d.items[i] = it
	it.ex.heapIndex = int32(i)
}

func (d *deadlines) up(i int) {
	it := d.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !it.before(d.items[parent]) {
			break
		}
		d.place(d.items[parent], i)
		i = parent
	}
	d.place(it, i)
}

func (d *deadlines) down(i int) bool {
	it, start := d.items[i], i
	for {
		child := 2*i + 1
		if child >= len(d.items) {
			break
		}
		if r := child + 1; r < len(d.items) && d.items[r].before(d.items[child]) {
			child = r
		}
		if !d.items[child].before(it) {
			break
		}
		d.place(d.items[child], i)
		i = child
	}
	d.place(it, i)
	return i != start
}
