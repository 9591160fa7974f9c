package world

import (
	"strings"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// backend simulates the instances of one function: it decides when and how a
// dispatch answers, and nothing else.
type backend struct {
	number     int
	name       string
	decl       *scenario.Function
	spec       *core.Spec        // of decl
	inForce    scenario.Function // decl, with the updates that core has taken
	registered bool              // not deleted
	redrives   int32             // the load that its redrives are booked on
	luck       random.Stream     // of what operators do to it

	service  draws.Service
	outages  int       // running ones
	slow     float64   // product of running slowdowns
	slowdown []float64 // running ones
	fleet    *fleet    // nil unless scaled
	rival    *rivalry  // nil unless a Rival scales it
}

// CodeFailed is the error code of every simulated failure, the one of a function
// that answers with an error or not at all.
const CodeFailed = "POOL_ERROR"

// CodePermanent is that of a failure that is not worth a retry.
const CodePermanent = "BAD_INPUT"

// attempt is a dispatch that will answer.
type attempt struct {
	task    core.Task
	outcome core.Outcome
	backend *backend
	again   int64 // ns after the first answer to repeat it; -1 = never
	refused bool  // no instance took it
	life    int32 // of the process that dispatched it
	of      Dispatched
}

// Dispatch implements core.Dispatcher.
func (w *World) Dispatch(t core.Task) {
	w.reach(dispatchBegins)
	w.dispatched.add(t.ID)
	w.witness.Dispatching(t)
	w.dispatch(t, nil)
	w.reach(dispatchDone)
}

func (w *World) dispatch(t core.Task, of Dispatched) {
	b := w.backends[t.Function.Handle().(Handle).Number()]
	if b.outages > 0 {
		o := core.Outcome{Status: core.Error, Code: CodeFailed, Message: w.tokens.text("refused ", 18)}
		a := w.answerIn(int64(draws.OutageAnswer))
		a.task, a.outcome, a.backend, a.again, a.refused, a.of = t, o, b, -1, true, of
		return
	}
	if b.fleet != nil && !b.fleet.take(t) {
		return
	}
	w.performFor(b, t, w.success(), of)
}

// success is an answer that no other is equal to.
func (w *World) success() core.Outcome {
	return core.Outcome{Status: core.Success, Output: w.tokens.json(len(draws.Output))}
}

// long makes a text of a failure as long as the function's behavior says, with characters of
// several bytes.
func (b *backend) long(text string) string {
	if n := b.decl.Behavior.ErrorBytes - len(text); n > 0 {
		text += strings.Repeat("€", n/len("€")+1)
	}
	return text
}

// deliver hands core an attempt's answer.
func (w *World) deliver(t core.Task, o core.Outcome) {
	w.witness.Answering(t.ID, t.Attempt, o)
	t.Complete(o)
	w.witness.Answered()
}

// perform runs a dispatch on an instance; o is what it answers if it succeeds.
func (w *World) perform(b *backend, t core.Task, o core.Outcome) { w.performFor(b, t, o, nil) }

// performFor is perform for one of several control planes.
func (w *World) performFor(b *backend, t core.Task, o core.Outcome, of Dispatched) {
	drawn := b.service.Draw(w.loop.Now(), b.slow, t.Input)
	d := drawn.Takes
	if b.decl.Behavior.Echo {
		o.Output = t.Input
	}
	if drawn.Cold {
		o.ColdStart, o.Init = true, b.decl.Behavior.ColdStart.InitDuration
	}
	switch {
	case drawn.Hangs && b.fleet != nil:
		d = int64(t.Timeout) // its instance is busy until then
	case drawn.Hangs:
		return
	case drawn.Late:
		d += int64(t.Timeout)
	case drawn.Fails:
		o.Status, o.Output, o.Code, o.Message = core.Error, nil, b.long(CodeFailed), b.long(w.tokens.text("failure ", 17))
		if drawn.Permanent {
			o.Permanent, o.Code = true, CodePermanent
		} else {
			o.RetryAfter = drawn.RetryAfter
		}
	}
	if d == 0 && drawn.Again < 0 {
		// An in-process handler answers before Dispatch returns.
		b.service.Retire(w.loop.Now())
		if b.fleet != nil {
			b.fleet.done()
		}
		if of != nil {
			of.Answer(t, o)
		} else {
			w.deliver(t, o)
		}
		return
	}
	a := w.answerIn(d)
	a.task, a.outcome, a.backend, a.again, a.refused, a.of = t, o, b, drawn.Again, false, of
}

// answerIn schedules an answer; the caller fills it in.
func (w *World) answerIn(d int64) *attempt {
	var i int32
	if n := len(w.freeAttempts); n > 0 {
		i = w.freeAttempts[n-1]
		w.freeAttempts = w.freeAttempts[:n-1]
	} else {
		i = int32(len(w.attempts))
		w.attempts = append(w.attempts, attempt{})
	}
	w.answersDue++
	w.answers.In(d, i)
	w.attempts[i].life = w.node.life
	return &w.attempts[i]
}

// answer delivers the outcome of a dispatch.
func (w *World) answer(i int32) {
	a := &w.attempts[i]
	if a.again >= 0 {
		w.answers.In(a.again, i)
		a.again = -1
	} else {
		if !a.refused {
			a.backend.service.Retire(w.loop.Now())
			if a.backend.fleet != nil {
				a.backend.fleet.done() // may begin others, and move them all
				a = &w.attempts[i]
			}
		}
		// Not cleared: the next attempt in this place overwrites it.
		w.freeAttempts = append(w.freeAttempts, i)
		w.answersDue--
	}
	if a.of != nil {
		a.of.Answer(a.task, a.outcome)
		return
	}
	if a.life != w.node.life {
		return // the process that dispatched it has crashed
	}
	w.deliver(a.task, a.outcome)
}
