package core

import "slices"

// Leaver is a Waiter whose caller may leave before its execution's turn comes.
// When that turn comes, all who wait for a sync execution are asked, and if
// nobody is there it ends as ERROR with code CANCELLED instead of running. A
// running one goes on, and one that a Waiter which is no Leaver waits for always
// runs, as async work does.
type Leaver interface {
	Waiter
	// Gone reports whether the caller has left. It is called without a lock, by
	// whichever call serves the queue, must return at once and must not call
	// back into core. It may still be called when Wake has been: that answer
	// decides nothing.
	Gone() bool
}

// question is asked before an execution's turn is taken: is anybody there?
type question struct {
	ex     *execution // nil = nobody is to be asked
	caller Leaver
	joined []Waiter // Leavers
	joins  uint32   // everJoined then
}

// nobodyThere asks, until one is there.
func (q *question) nobodyThere() bool {
	return q.caller.Gone() && !slices.ContainsFunc(q.joined, func(w Waiter) bool { return !w.(Leaver).Gone() })
}

// ask leaves in fx whom to ask before ex starts, and reports whether there is
// anybody to ask; the caller holds fn.mu.
func (fn *Function) ask(fx *effects, ex *execution) bool {
	caller, ok := ex.waiter.(Leaver)
	if !ok || !ex.sync {
		return false
	}
	q := question{ex: ex, caller: caller, joins: ex.everJoined()}
	if ex.joined() {
		if slices.ContainsFunc(ex.more.waiters, func(w Waiter) bool { _, ok := w.(Leaver); return !ok }) {
			return false
		}
		q.joined = slices.Clone(ex.more.waiters)
	}
	fx.question = q
	return true
}

// answered reports whether in answers the question that ex, the first in the
// queue, raises; the caller holds fn.mu.
func (in *input) answered(ex *execution) bool { return in.asked.ex == ex }

// left reports whether nobody is there: those asked have left, and nobody has
// joined ex since; the caller holds fn.mu.
func (in *input) left(ex *execution) bool {
	return in.nobody && ex.everJoined() == in.asked.joins
}

// everJoined is how many have joined ex, those that have forgotten it included.
func (ex *execution) everJoined() uint32 {
	if ex.more == nil {
		return 0
	}
	return ex.more.joins
}

var errLeft = sharedError(CodeCancelled, "its caller left while it was queued")

// leave ends ex, which is queued and nobody waits for any more. If it has never
// run it gives its idempotency key back: a caller that comes again must not be
// told that it has left. The caller holds fn.mu.
func (fn *Function) leave(fx *effects, ex *execution) {
	fn.end(fx, ex, ending{status: Error, err: errLeft, unwanted: true})
	if ex.attempt == 1 {
		fx.freeKey = ex
	}
}

// turn takes a step that starts the first of fn's queue, StepTick or StepDrain.
// Who waits for that is asked between two such steps, without a lock. It
// reports what carryOut does.
func (c *Core) turn(fn *Function, in *input, fx *effects) (completed bool) {
	for {
		in.now, in.draining = c.clock.Now(), c.draining.Load()
		fn.step(in, fx)
		completed = c.carryOut(fx)
		if fx.question.ex == nil {
			return completed
		}
		in.asked, in.nobody = fx.question, fx.question.nobodyThere()
		*fx = effects{}
	}
}
