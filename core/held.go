package core

// No effect of a durable execution leaves before the facts it rests on are
// durable (output commit). What a step decides holds inside core at once: slots,
// queue order, retries, events. But an attempt is dispatched, a caller woken and
// an attempt broken off only when the journal has come as far as the step's last
// fact. Until then they are held here. Look-ups and searches show no end before
// it is durable (endHeld), and a call that changes something returns the place
// that its answer must wait for.

// heldEffects are the effects of one step that wait for its last fact.
type heldEffects struct {
	lsn          LSN
	ex           *execution
	attempt      int32 // to be dispatched; 0 = none
	ended        bool  // whoever waits for ex is to be woken
	breakOff     bool
	attemptEnded func()
}

// heldQueue has held effects in the order of their facts.
type heldQueue struct {
	durable atomicUint64 // LSN
	count   atomicInt64

	mu    mutex
	items []heldEffects
	head  int
}

// keptHeld is the room for held effects that is kept while there are none.
const keptHeld = 1024

// advance notes how far the journal has come.
func (q *heldQueue) advance(to LSN) {
	for {
		old := q.durable.Load()
		if uint64(to) <= old || q.durable.CompareAndSwap(old, uint64(to)) {
			return
		}
	}
}

func (q *heldQueue) reached(l LSN) bool { return uint64(l) <= q.durable.Load() }

// push holds h unless its fact is durable by now; false then.
func (q *heldQueue) push(h *heldEffects) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count.Add(1) // before the look: whoever advances after it sees that there is one
	if q.reached(h.lsn) {
		q.count.Add(-1)
		return false
	}
	q.items = append(q.items, *h)
	for i := len(q.items) - 1; i > q.head && q.items[i-1].lsn > h.lsn; i-- { // steps of other functions
		q.items[i-1], q.items[i] = q.items[i], q.items[i-1]
	}
	return true
}

// pop takes the first whose fact is durable.
func (q *heldQueue) pop() (h heldEffects, ok bool) {
	if q.count.Load() == 0 {
		return heldEffects{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) || !q.reached(q.items[q.head].lsn) {
		return heldEffects{}, false
	}
	h = q.items[q.head]
	q.items[q.head] = heldEffects{}
	q.head++
	q.count.Add(-1)
	switch {
	case q.head < len(q.items) && q.head < len(q.items)/2:
	case cap(q.items) > keptHeld && q.head == len(q.items):
		q.items, q.head = nil, 0
	default:
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return h, true
}

// hold keeps the effects of a step that wait for its last fact; if that is
// durable by now, it carries them out and reports, as carryOut does, whether a
// dispatch completed at once.
func (c *Core) hold(fx *effects) (completed bool) {
	h := heldEffects{lsn: fx.lsn, attemptEnded: fx.attemptEnded, breakOff: fx.breakOff != nil}
	switch {
	case fx.dispatch != nil:
		h.ex, h.attempt = fx.dispatch, fx.dispatch.attempt
	case fx.ended != nil:
		h.ex, h.ended = fx.ended, true
	case fx.attemptEnded != nil:
		h.ex = fx.released
	default:
		return false
	}
	if c.held.push(&h) {
		return false
	}
	return c.letGo(&h)
}

// letGo takes the step that follows when the facts of held effects are durable.
func (c *Core) letGo(h *heldEffects) (completed bool) {
	var fx effects
	h.ex.fn.step(&input{kind: StepDurable, now: c.clock.Now(), held: h}, &fx)
	return c.carryOut(&fx)
}

// JournalAdvanced says that every fact up to durable is durable, and lets go
// what was held for that. Like a timer it is an input: it may be called from any
// goroutine, several at once, but not from inside a Journal's methods. It
// dispatches work, so the one that syncs should not call it.
func (c *Core) JournalAdvanced(durable LSN) {
	c.held.advance(durable)
	for h, ok := c.held.pop(); ok; h, ok = c.held.pop() {
		c.letGo(&h)
	}
	c.serve()
}

// durableNow carries out what waited for the facts of an earlier step; the caller
// holds fn.mu.
func (fn *Function) durableNow(h *heldEffects, fx *effects) {
	ex := h.ex
	fx.attemptEnded = h.attemptEnded
	switch {
	case h.ended:
		fn.takeWaiters(fx, ex)
		if h.breakOff {
			fx.breakOff = ex
		}
	case h.attempt != 0 && h.attempt == ex.attempt && ex.status == Running && ex.awaitsDispatch():
		ex.more.facts.held = false
		ex.startedMono = fx.now.Mono // its time counts from here
		fn.watch(ex, fx.now)
		fn.toDispatch(fx, ex)
	}
}

// endHeld says that ex has ended and that this is not durable yet: nobody may
// see it. The caller holds the function's lock.
func (c *Core) endHeld(ex *execution) bool {
	return ex.status.Terminal() && ex.durable() && !c.held.reached(ex.more.facts.last())
}

// endHeld is Core.endHeld for a step, which asks how far the journal is once.
func (fx *effects) endHeld(ex *execution) bool {
	if !ex.status.Terminal() || !ex.durable() {
		return false
	}
	if !fx.askedJournal {
		fx.durable, fx.askedJournal = LSN(fx.fn.core.held.durable.Load()), true
	}
	return fx.durable < ex.more.facts.last()
}

// expired is Core.expired for a step.
func (fx *effects) expired(ex *execution) bool {
	return ex.status.Terminal() && fx.fn.core.store.ttl.evictable(ex.finished, fx.now.Wall) && !fx.endHeld(ex)
}

// hideEnd takes the end out of a snapshot.
func (s *Snapshot) hideEnd() {
	s.Status = Running
	if s.StartedAtMillis == 0 {
		s.Status = Queued
	}
	s.Output, s.Err, s.FinishedAtMillis, s.ended = nil, nil, 0, 0
	s.ColdStart, s.InitMillis = false, -1
}
