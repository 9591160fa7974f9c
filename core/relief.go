package core

import (
	"bytes"
	"cmp"
	"container/heap"
	"iter"
)

// When payloads reach their bound, those of sync calls that have been answered
// go before cleanup, the oldest first over all functions: their callers have
// them. Only then is new work refused. The status of such an execution stays
// readable, as after cleanup.

// answered are the sync executions of a function that have ended, hold no slot
// and still have their payload, in the order in which that became so. It is
// linked through the executions. The function's lock guards it.
type answered struct {
	oldest, newest *execution
	bytes          int64 // of payload
}

// push adds an execution whose payload will not change until it is dropped.
func (a *answered) push(ex *execution) {
	ex.older = a.newest
	if a.newest != nil {
		a.newest.newer = ex
	} else {
		a.oldest = ex
	}
	a.newest = ex
	a.bytes += ex.payloadBytes()
}

func (a *answered) remove(ex *execution) {
	if ex.older != nil {
		ex.older.newer = ex.newer
	} else {
		a.oldest = ex.newer
	}
	if ex.newer != nil {
		ex.newer.older = ex.older
	} else {
		a.newest = ex.older
	}
	ex.older, ex.newer = nil, nil
	a.bytes -= ex.payloadBytes()
}

// answerable says that ex is, or belongs, in its function's list of answered
// executions; the caller holds the function's lock.
func (ex *execution) answerable() bool {
	return ex.sync && ex.status.Terminal() && !ex.holdsSlot && !ex.cleaned
}

// dropPayload takes ex out of the answered ones, if it is there, and drops its
// payload; it returns how many bytes that frees. The caller holds fn.mu.
func (fn *Function) dropPayload(ex *execution) int64 {
	if ex.answerable() {
		fn.answered.remove(ex)
	}
	return ex.dropPayload()
}

// reliefShare is which part of the bound is freed beyond what is needed, so that
// functions need not be compared for each submission.
const reliefShare = 64

// relief makes room for payloads, for one submission at a time.
type relief struct {
	mu      mutex
	dropped []*execution
}

// relieve makes room for a payload of n bytes and reports whether it has done
// so. If all that may go is not enough, nothing is dropped.
func (c *Core) relieve(n int64, now Instant) bool {
	c.relief.mu.Lock()
	made, dropped := c.makeRoom(n, now), c.relief.dropped
	c.relief.dropped = nil
	c.relief.mu.Unlock()
	for _, ex := range dropped {
		c.event(EventCleaned, ex, now)
	}
	return made
}

// makeRoom frees room until there is enough: other submissions may take what
// has been freed, and bring what can be freed next.
func (c *Core) makeRoom(n int64, now Instant) bool {
	for c.excess(n) > 0 {
		fns, most := c.oldestAnswered()
		if c.excess(n) > most {
			return false
		}
		c.drop(fns, n, now)
	}
	return true
}

// drop frees room for n bytes, and some more, at the functions' expense.
func (c *Core) drop(fns answeredHeap, n int64, now Instant) {
	slack := c.cfg.MaxPayloadBytes / reliefShare
	for len(fns) > 0 && c.excess(n)+slack > 0 {
		next := &fns[0]
		step := reliefStep{need: c.excess(n) + slack, before: fns.second(), dropped: c.relief.dropped}
		c.take(next.fn, &input{kind: StepRelieve, now: now, relief: &step})
		c.store.used.addBytes(-step.freed)
		c.relief.dropped = step.dropped
		if next.oldest(); next.ex != nil {
			heap.Fix(&fns, 0)
		} else {
			heap.Pop(&fns)
		}
	}
}

// excess is by how much a payload of n bytes more would be above the bound.
func (c *Core) excess(n int64) int64 {
	return c.store.used.bounded() + c.keys.Bytes() + n - c.cfg.MaxPayloadBytes
}

// relieveAtOnce bounds how long a function's lock is held for relief.
const relieveAtOnce = 32

// reliefStep is the input and the result of a step of fn.relieve.
type reliefStep struct {
	need    int64
	before  *execution // another function's oldest; nil for none
	dropped []*execution
	from    int // of dropped: the first of this step
	freed   int64
	exactly int // in a replay: so many payloads, however many bytes are needed; 0 = no replay
}

// relieve drops the payloads of fn's oldest answered executions, those that
// ended before s.before, until s.need bytes are freed. The caller holds fn.mu.
func (fn *Function) relieve(s *reliefStep) {
	s.from = len(s.dropped)
	for n := 0; s.wantsMore(n); n++ {
		ex := fn.answered.oldest
		if ex == nil || s.before != nil && endedBefore(s.before, ex) {
			return
		}
		s.freed += fn.dropPayload(ex)
		s.dropped = append(s.dropped, ex)
	}
}

// wantsMore says that a step that has dropped n payloads goes on.
func (s *reliefStep) wantsMore(n int) bool {
	if s.exactly > 0 {
		return n < s.exactly
	}
	return n < relieveAtOnce && s.freed < s.need
}

// oldestAnswered has the functions with answered executions, as a heap, and how
// many bytes of payload these have.
func (c *Core) oldestAnswered() (fns answeredHeap, bytes int64) {
	for f := range c.withAnswered() {
		if bytes += f.oldest(); f.ex != nil {
			fns = append(fns, f)
		}
	}
	heap.Init(&fns)
	return fns, bytes
}

// withAnswered has each function that may have answered executions.
func (c *Core) withAnswered() iter.Seq[answeredFunction] {
	return func(yield func(answeredFunction) bool) {
		for _, list := range [][]*Function{c.registry.list(), c.leaving.list()} {
			for _, fn := range list {
				if !yield(answeredFunction{fn: fn}) {
					return
				}
			}
		}
	}
}

// answeredFunction is a function with its oldest answered execution.
type answeredFunction struct {
	fn *Function
	ex *execution
}

// oldest brings f up to date and returns how many bytes its function's answered
// executions have.
func (f *answeredFunction) oldest() int64 {
	f.fn.mu.Lock()
	defer f.fn.mu.Unlock()
	f.ex = f.fn.answered.oldest
	return f.fn.answered.bytes
}

// endedBefore compares two executions that have ended: nothing of what it reads
// changes any more.
func endedBefore(a, b *execution) bool {
	return cmp.Or(cmp.Compare(a.finished, b.finished), bytes.Compare(a.id[:], b.id[:])) < 0
}

// answeredHeap has the function with the oldest execution first. It implements
// heap.Interface.
type answeredHeap []answeredFunction

func (h answeredHeap) Len() int           { return len(h) }
func (h answeredHeap) Less(i, j int) bool { return endedBefore(h[i].ex, h[j].ex) }
func (h answeredHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *answeredHeap) Push(x any)        { *h = append(*h, x.(answeredFunction)) }
func (h *answeredHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// second is the oldest execution but that of the first function; nil when there
// is none.
func (h answeredHeap) second() *execution {
	switch {
	case len(h) < 2:
		return nil
	case len(h) > 2 && h.Less(2, 1):
		return h[2].ex
	}
	return h[1].ex
}

// AnsweredBytes is the part of the payloads that goes first when their bound is
// reached: that of answered sync calls.
func (c *Core) AnsweredBytes() (bytes int64) {
	for f := range c.withAnswered() {
		bytes += f.oldest()
	}
	return bytes
}
