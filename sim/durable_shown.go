package sim

import (
	"bytes"
	"fmt"
	"slices"

	"simplane/core"
	"simplane/sim/internal/world"
)

// What a call brought is in the facts of its execution, and what was shown of an execution
// once that was durable is shown again by the next process.

// brought is what a call brings.
type brought struct {
	input []byte
	with  *world.Beside // beside it
}

// Offering implements world.Witness.
func (d *durable) Offering(t world.Tag, _ *world.Caller, input []byte, letter core.ID) {
	d.caller(t).group.counts[cOffered]++
	d.calling = brought{slices.Clone(input), world.Nothing}
	if load := t.Load(); load >= 0 && letter == (core.ID{}) {
		d.calling.with = world.BringsWith(d.loads[load].Context, input)
	}
	if old := d.accounts[letter]; letter != (core.ID{}) {
		d.calling = brought{with: world.Nothing}
		if old != nil && old.call.input != nil {
			d.calling = brought{old.call.input, again(old.call.with.Metadata, old.call.with.TraceID)}
		}
	}
}

// hasCall compares the first fact of an execution with its call.
func (d *durable) hasCall(a *account, f *core.Fact) {
	c := &a.call
	if c.input == nil || d.nodes {
		return // of before a loss
	}
	trace := core.TraceContext{Parent: f.TraceParent, State: f.TraceState}
	if !bytes.Equal(f.Input, c.input) || !bytes.Equal(f.Metadata, c.with.Metadata) || f.TraceID != c.with.TraceID || trace != c.with.Trace {
		d.fail("facts have what a call brought", "execution #%d: input %q, metadata %q, trace id %q, trace context %+v; its call brought %q, %q, %q, %+v", a.rec.number, f.Input, f.Metadata, f.TraceID, trace, c.input, c.with.Metadata, c.with.TraceID, c.with.Trace)
	}
}

// Dispatching implements world.Witness.
func (d *durable) Dispatching(t core.Task) {
	a := d.accounts[t.ID]
	if a == nil || a.call.input == nil || d.nodes {
		return
	}
	c := &a.call
	if t.Durable != a.isDurable || !bytes.Equal(t.Input, c.input) || !bytes.Equal(t.Metadata, c.with.Metadata) || t.TraceID != c.with.TraceID || !sameTrace(t.Trace, &c.with.Trace) {
		d.fail("attempts get what belongs to their call", "execution #%d: attempt %d gets %q, metadata %q, trace id %q, trace context %+v, durable %v; its call brought %q, %+v, durable %v", a.rec.number, t.Attempt, t.Input, t.Metadata, t.TraceID, t.Trace, t.Durable, c.input, c.with, a.isDurable)
	}
}

// remember keeps what core shows of an execution whose facts are durable.
func (d *durable) remember(a *account) {
	if now, ok := d.core.Details(a.rec.id); ok && a.there && !d.nodes {
		// Of the attempts those that have failed by what is durable, while it keeps them all.
		durable := 0
		if a.attempt <= attemptsKept {
			durable = int(a.attempt) - 1
		}
		if now.Attempts = slices.Clone(now.Attempts); !a.status.Terminal() {
			now.Attempts = now.Attempts[:min(len(now.Attempts), durable)]
		}
		a.was = &now
	}
}

// stillShown compares what a new process shows of an execution with what the one before has
// shown.
func (d *durable) stillShown(a *account) {
	was := a.was
	now, ok := d.core.Details(a.rec.id)
	if was == nil || !ok || d.nodes || d.losses.of != nil {
		return
	}
	differ := func(what string, before, after any) {
		if b, a2 := fmt.Sprintf("%v", before), fmt.Sprintf("%v", after); b != a2 {
			d.fail("a restart changes nothing that was shown", "execution #%d (%v): %s was %s, and is %s", a.rec.number, a.status, what, b, a2)
		}
	}
	differ("its function", was.Function, now.Function)
	differ("its creation", was.CreatedAtMillis, now.CreatedAtMillis)
	if was.CleanedUp || now.CleanedUp {
		return
	}
	// Nobody may want it any more, which core acts upon before that is durable.
	if was.Status.Terminal() == a.status.Terminal() && (was.Status.Terminal() || was.Input != nil && !a.over) {
		differ("its input", string(was.Input), string(now.Input))
		differ("its metadata", string(was.Metadata), string(now.Metadata))
	}
	differ("its trace id", was.TraceID, now.TraceID)
	differ("its key", was.Idempotency, now.Idempotency)
	if earlier := was.Attempts; len(now.Attempts) < attemptsKept {
		differ("earlier attempts", earlier, now.Attempts[:min(len(earlier), len(now.Attempts))])
	}
	if a.pausing && was.RetryAtMillis != 0 && was.Attempt == a.attempt {
		differ("the end of its pause", was.RetryAtMillis, now.RetryAtMillis)
	}
	if was.Status.Terminal() && a.status.Terminal() {
		differ("its start", was.StartedAtMillis, now.StartedAtMillis)
		differ("its end", was.FinishedAtMillis, now.FinishedAtMillis)
		differ("its attempt", was.Attempt, now.Attempt)
		differ("its cold start", fmt.Sprint(was.ColdStart, was.InitMillis), fmt.Sprint(now.ColdStart, now.InitMillis))
		differ("its error", errorText(was.Err), errorText(now.Err))
		differ("its output", string(was.Output), string(now.Output))
	}
}

// hides checks what is shown of an execution that has not ended, as far as anybody may know.
func (d *durable) hides(a *account, s *core.Snapshot) {
	if s.Status.Terminal() || d.nodes {
		return
	}
	if s.ColdStart || s.InitMillis >= 0 || (s.Status == core.Running) != (s.StartedAtMillis != 0) {
		d.fail("what is shown is what is durable", "execution #%d is shown as %v with the start %d and cold start %v, %d ms", a.rec.number, s.Status, s.StartedAtMillis, s.ColdStart, s.InitMillis)
	}
}

// letterOf compares a dead letter with what was shown of its execution.
func (d *durable) letterOf(name string, id core.ID) {
	a := d.accounts[id]
	l, err := d.core.DeadLetter(name, id)
	if a == nil || a.was == nil || !a.was.Status.Terminal() || a.was.CleanedUp || d.nodes || d.losses.of != nil {
		return
	}
	w := a.was
	if err != nil || !bytes.Equal(l.Input, w.Input) || !bytes.Equal(l.Metadata, w.Metadata) || l.TraceID != w.TraceID || errorText(l.Err) != errorText(w.Err) || fmt.Sprint(l.Attempts) != fmt.Sprint(w.Attempts) {
		d.fail("dead letters are kept", "%s, execution #%d: %v, %q, %q, %q, %v after %v; it ended with %q, %q, %q, %v after %v", name, a.rec.number, err, l.Input, l.Metadata, l.TraceID, errorText(l.Err), l.Attempts, w.Input, w.Metadata, w.TraceID, errorText(w.Err), w.Attempts)
	}
}

// sameKey judges a refusal because of a key, and a call that a key has led to an execution.
func (d *durable) sameKey(ev *core.Event) {
	t := world.Tag(ev.Tag)
	f := d.caller(t)
	if f == nil || t.Key() < 0 || d.nodes || d.losses.of != nil {
		return
	}
	a := d.keys[fmt.Sprintf("%s %d", f.name, t.Key())]
	if a == nil || a.call.input == nil {
		return
	}
	expired := ev.At.Wall > a.created+int64(d.core.Config().IdempotencyTTL)
	switch {
	case ev.Kind == core.EventRejected && !expired && !d.past(a) && ev.Code == core.CodeKeyReused && bytes.Equal(a.call.input, d.calling.input) && bytes.Equal(a.call.with.Metadata, d.calling.with.Metadata):
		d.fail("work is refused for a reason", "%s: IDEMPOTENCY_KEY_REUSED for key %d, with which execution #%d was called in the same way", f.name, t.Key(), a.rec.number)
	case ev.Kind == core.EventIdempotentHit && ev.ID == a.rec.id && expired:
		d.fail("nothing outlives its TTL", "%s: key %d leads to execution #%d %d ns after it was called", f.name, t.Key(), a.rec.number, ev.At.Wall-a.created)
	}
}

// errorText is an error, which may be nil, in words.
func errorText(e *core.ExecError) string {
	if e == nil {
		return ""
	}
	return e.Error()
}
