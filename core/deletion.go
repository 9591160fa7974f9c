package core

// Deletion is the end of a function's queue after Retire. It is for one
// goroutine.
type Deletion struct {
	Function *Function
	// LSN is the fact that must be durable before anybody is told that the
	// function is deleted; 0 = none.
	LSN   LSN
	ends  []effects // of one batch; made for the first
	place int       // among the deadlines, of the one looked at last
}

// endAtOnce bounds how long a function's lock is held to end its queue.
const endAtOnce = 32

// Delete removes a function and returns when all that waited there has ended:
// Retire, and Next until there is nothing left. The error is ErrNotFound.
func (c *Core) Delete(name string) (*Function, error) {
	d, err := c.Retire(name)
	if err != nil {
		return nil, err
	}
	for d.Next() {
	}
	return d.Function, nil
}

// Retire removes a function at once: its name is free, it takes no more work and
// starts none. Running executions finish on their own; those that are queued or
// pause are still to be ended, in ERROR with code FUNCTION_DELETED, by calls of
// Deletion.Next.
// The error is ErrNotFound.
func (c *Core) Retire(name string) (*Deletion, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return nil, ErrNotFound
	}
	now := c.clock.Now()
	var fx effects
	fn.step(&input{kind: StepClose, now: now}, &fx)
	if !fx.did {
		return nil, ErrNotFound // someone else does it
	}
	// While the name is taken, so that this is observed before a successor.
	c.observe(&Event{Kind: EventFunctionDeleted, Function: fn, At: now})
	c.leaving.add(fn)
	c.registry.remove(name)
	return &Deletion{Function: fn, LSN: fx.lsn}, nil
}

// close makes a deleted function take no more work and start none, and sets
// fx.did unless it was deleted already; the caller holds fn.mu.
func (fn *Function) close(fx *effects) {
	fx.did, fn.deleted = !fn.deleted, true
	if fx.did && fn.core.cfg.Journal != nil {
		fn.recordGone(fx)
	}
}

// Next ends a batch of the executions that are queued or pause and reports
// whether there are more. Their inputs are given back. Other calls run between
// two batches, and the caller lets them.
func (d *Deletion) Next() (more bool) {
	fn := d.Function
	var fx effects
	fn.step(&input{kind: StepEmpty, now: fn.core.clock.Now(), deletion: d}, &fx)
	for i := range d.ends {
		fn.core.carryOut(&d.ends[i])
	}
	clear(d.ends) // it holds executions
	d.ends = d.ends[:0]
	return fx.more
}

var errFunctionDeleted = sharedError(CodeFunctionDeleted, "the function was deleted before this execution started")

// endWaiting ends a batch of what waits at a deleted function and sets fx.more
// if that leaves any; the caller holds fn.mu.
func (fn *Function) endWaiting(d *Deletion, fx *effects) {
	if waiting := fn.queue.live + fn.Pausing(); d.ends == nil {
		d.ends = make([]effects, 0, min(waiting, endAtOnce))
	}
	for fn.queue.live > 0 && d.room() {
		fn.endUnstarted(d.next(fx), fn.queue.first())
	}
	// What pauses is in the heap of deadlines. Taking one out moves others, and so
	// may what comes between two batches: it is searched until none is left.
	for looks := lookAtOnce; looks > 0 && fn.Pausing() > 0 && d.room(); looks-- {
		if d.place == 0 {
			d.place = len(fn.deadlines.items)
		}
		d.place = min(d.place, len(fn.deadlines.items)) - 1
		if ex := fn.deadlines.items[d.place].ex; ex.pausing {
			fn.endUnstarted(d.next(fx), ex)
		}
	}
	fx.more = fn.queue.live+fn.Pausing() > 0
}

// lookAtOnce bounds how many deadlines a batch looks at.
const lookAtOnce = 256

func (d *Deletion) room() bool { return len(d.ends) < cap(d.ends) }

// next is where the effects of the batch's next end go.
func (d *Deletion) next(fx *effects) *effects {
	d.ends = append(d.ends, effects{fn: fx.fn, now: fx.now})
	return &d.ends[len(d.ends)-1]
}

// endUnstarted ends an execution of a deleted function that has not started,
// or not again; the caller holds fn.mu.
func (fn *Function) endUnstarted(fx *effects, ex *execution) {
	fn.end(fx, ex, ending{status: Error, err: errFunctionDeleted, unwanted: true})
}
