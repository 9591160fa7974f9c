package telemetry

import "sync/atomic"

// byReason counts by reason. The reasons are core's codes, so there are few. The
// list is replaced whole when one is added: counting takes no lock.
type byReason struct {
	list atomic.Pointer[[]*reasonCount]
}

type reasonCount struct {
	reason string
	n      atomic.Uint64
}

func (r *byReason) count(reason string) {
	for {
		old := r.list.Load()
		known := deref(old)
		for _, c := range known {
			if c.reason == reason {
				c.n.Add(1)
				return
			}
		}
		next := append(known[:len(known):len(known)], &reasonCount{reason: reason})
		r.list.CompareAndSwap(old, &next) // else another was added meanwhile
	}
}

// all are the reasons so far.
func (r *byReason) all() []*reasonCount { return deref(r.list.Load()) }

// total is the sum over all reasons.
func (r *byReason) total() (n uint64) {
	for _, c := range r.all() {
		n += c.n.Load()
	}
	return n
}

func deref(list *[]*reasonCount) []*reasonCount {
	if list == nil {
		return nil
	}
	return *list
}
