package loop

// event is one thing due at a virtual time. order breaks ties between equal
// times: a seeded random number in the high half, so that every order of
// simultaneous events is tried by some seed, and a sequence number in the low
// one.
type event struct {
	at     int64 // virtual ns
	order  uint64
	source uint8
	index  int32 // for its source's handler
}

func (a *event) before(b *event) bool {
	return a.at < b.at || (a.at == b.at && a.order < b.order)
}

// eventHeap is a 4-ary min-heap of values: half as deep as a binary one, and
// without an allocation per event.
type eventHeap []event

func (h *eventHeap) push(e event) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) >> 2
		if !e.before(&s[parent]) {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = e
}

// pop takes the earliest event out of a heap that is not empty.
func (h *eventHeap) pop() event {
	s := *h
	top := s[0]
	n := len(s) - 1
	e := s[n]
	s = s[:n]
	*h = s
	if n == 0 {
		return top
	}
	i := 0
	for {
		first := i<<2 + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, n); c++ {
			if s[c].before(&s[least]) {
				least = c
			}
		}
		if !s[least].before(&e) {
			break
		}
		s[i] = s[least]
		i = least
	}
	s[i] = e
	return top
}
