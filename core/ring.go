package core

// ring is a FIFO of queued executions from whose middle one can be removed.
// A removal leaves a hole; holes are skipped at the head and squeezed out
// when the buffer is full. Every element knows its position, so removal does
// not search. It has no lock and no bound of its own: its function has both.
type ring struct {
	live       int          // elements, holes not counted
	head, tail uint64       // absolute positions; slot is position & (len-1)
	buf        []*execution // length is zero or a power of two
}

func (r *ring) push(ex *execution) {
	if int(r.tail-r.head) == len(r.buf) {
		r.makeRoom()
	}
	ex.queuePos = r.tail
	r.buf[r.tail&uint64(len(r.buf)-1)] = ex
	r.tail++
	r.live++
}

// pop takes the oldest element, nil when there is none.
func (r *ring) pop() *execution {
	for r.head != r.tail {
		slot := &r.buf[r.head&uint64(len(r.buf)-1)]
		ex := *slot
		*slot = nil
		r.head++
		if ex != nil {
			r.live--
			return ex
		}
	}
	return nil
}

// first returns the oldest element, which there must be, and leaves it in.
func (r *ring) first() *execution {
	at := r.head
	for r.buf[at&uint64(len(r.buf)-1)] == nil {
		at++
	}
	return r.buf[at&uint64(len(r.buf)-1)]
}

// remove takes ex, which must be queued here, and keeps the order of the rest.
func (r *ring) remove(ex *execution) {
	r.buf[ex.queuePos&uint64(len(r.buf)-1)] = nil
	r.live--
	for r.head != r.tail && r.buf[r.head&uint64(len(r.buf)-1)] == nil {
		r.head++
	}
}

// makeRoom squeezes the holes out when they are half of the buffer or more,
// and doubles the buffer otherwise: constant cost a push either way.
func (r *ring) makeRoom() {
	old := *r
	if n := len(old.buf); n == 0 {
		r.buf = make([]*execution, 4)
	} else if old.live > n/2 {
		r.buf = make([]*execution, 2*n)
	} else {
		r.buf = make([]*execution, n)
	}
	r.head, r.tail, r.live = 0, 0, 0
	for ex := old.pop(); ex != nil; ex = old.pop() {
		r.push(ex)
	}
}
