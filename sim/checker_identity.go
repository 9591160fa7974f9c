package sim

import (
	"bytes"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

// No two answers and no two inputs are equal, so each can be told from all others.
// An end, a retry or a freed slot must come from that attempt's own answer, unless a
// deadline, a sweep, a cancel or a deletion explains it; each attempt gets the
// input of its own call, and each caller the outcome of its own execution.

// saying is what an execution was told and says, byte for byte.
type saying struct {
	input    []byte        // of its call
	with     *world.Beside // what that brought beside the input
	output   []byte        // of its success
	failing  *failures     // nil = it has none of that
	waits    *world.Caller // its own caller; nil = it has none, or none any more
	maxWait  int64
	answered int32       // the newest attempt of which an answer was given core
	handed   int32       // the newest attempt that core has handed out
	init     int32       // ms; -1 = not reported
	breakOff int32       // the attempt that is to be broken off; 0 = none
	status   core.Status // of its end
	cold     bool
	unwanted bool // it ended before it ran: its input is gone
}

// failures are what an execution says that has failed, or was retried.
type failures struct {
	code    string         // of its end
	message string         // of its end; "" where it is core's
	full    string         // how its message begins if a full queue has ended it; else ""
	failed  string         // message of its last attempt that failed and was retried
	retryAt int64          // wall ns of the end of its pause
	tries   []core.Attempt // the failed ones, with whole messages
}

// failures are those to be read.
func (s *saying) failures() *failures {
	if s.failing == nil {
		return &noFailures
	}
	return s.failing
}

var noFailures failures

// fails are those to be changed.
func (s *saying) fails() *failures {
	if s.failing == nil {
		s.failing = &failures{}
	}
	return s.failing
}

// cause is an answer that core is being given.
type cause struct {
	id       core.ID
	attempt  int32 // 0 = any: it comes from outside
	outcome  core.Outcome
	what     consequence
	held     bool // the execution held its slot
	external bool // a completion from outside
	done     bool // the event that it must bring about has come
	freed    bool
}

// consequence is what an answer must bring about.
type consequence uint8

const (
	decides    consequence = iota // an end or a retry
	isLate                        // a late result
	isRepeated                    // a duplicate result
	isUnknown                     // one of the two, of an execution that is gone
	isGone                        // nothing
)

// begins notes an accepted execution.
func (c *checker) begins(slot int32) {
	for int(slot) >= len(c.sayings) {
		c.sayings = append(c.sayings, saying{})
	}
	c.sayings[slot] = saying{input: c.brings, with: c.with, init: -1, waits: c.caller}
	if q := &c.cfg.SyncQueue; q.Enabled {
		c.sayings[slot].maxWait = int64(q.MaxQueueWait)
	}
}

// handed checks an attempt that core has handed out.
func (c *checker) handed(t *core.Task) {
	w := c.w
	rec, slot := w.find(t.ID)
	if rec == nil || rec.state != stRunning || rec.attempt != int32(t.Attempt) {
		w.fail("attempts", "attempt %d of execution %s was handed out, which does not run", t.Attempt, t.ID)
		return
	}
	s, key := &c.sayings[slot], ""
	if rec.key >= 0 {
		key = c.keys.entries[rec.key].name
	}
	switch {
	case s.handed >= rec.attempt:
		w.fail("attempts", "attempt %d of execution #%d was handed out twice", t.Attempt, rec.number)
	case !bytes.Equal(t.Input, s.input):
		w.fail("attempts get their call's input", "execution #%d: attempt %d gets %q, its call brought %q", rec.number, t.Attempt, t.Input, s.input)
	case t.Function != rec.fn.core || t.Spec.Generation != rec.fn.spec.Generation || t.IdempotencyKey != key:
		w.fail("attempts get what belongs to their call", "execution #%d of %s: attempt %d gets function %s at generation %d, expected %d, and key %q, expected %q", rec.number, rec.fn.name, t.Attempt, t.Function.Name(), t.Spec.Generation, rec.fn.spec.Generation, t.IdempotencyKey, key)
	case world.CallerOf(t.Waiter) != s.waits:
		w.fail("attempts get what belongs to their call", "execution #%d: attempt %d does not get the caller that waits for it", rec.number, t.Attempt)
	case int64(t.Timeout) != rec.timeout:
		w.fail("timeouts", "execution #%d: attempt %d gets %v, expected %d ns", rec.number, t.Attempt, t.Timeout, rec.timeout)
	}
	c.handedWith(t, rec, s)
	s.handed = rec.attempt
}

// answering is told before core is given an answer; attempt 0 is one from outside
// that is of any.
func (c *checker) answering(id core.ID, attempt int32, o core.Outcome) {
	w := c.w
	rec, slot := w.find(id)
	k := cause{id: id, attempt: attempt, outcome: o, what: isUnknown}
	if rec == nil {
		c.unknownService = true // of which function, and since when, is not known
	} else {
		s := &c.sayings[slot]
		k.held = rec.holdsSlot
		switch {
		case attempt != rec.attempt || s.answered >= attempt:
			k.what = isRepeated
		case rec.state == stEnded:
			k.what, s.answered = isLate, attempt
			if rec.holdsSlot {
				c.serves(rec, o.Status)
			}
		case rec.state == stRunning:
			k.what, s.answered = decides, attempt
			c.serves(rec, o.Status)
		default:
			w.fail("attempts", "attempt %d of execution #%d is answered, and was not dispatched", attempt, rec.number)
		}
	}
	c.causes = append(c.causes, k)
}

// taken is told when core has taken an answer in.
func (c *checker) taken() {
	k := c.causes[len(c.causes)-1]
	c.causes = c.causes[:len(c.causes)-1]
	switch {
	case c.w.violation != nil:
	case k.what == isGone && !k.done:
	case !k.done:
		c.w.fail("answers are taken in", "an answer of attempt %d of execution %s was followed by nothing, expected %s", k.attempt, k.id, consequences[k.what])
	case k.held && !k.freed && k.what != isRepeated:
		c.w.fail("slots", "attempt %d of execution %s was answered and keeps its slot", k.attempt, k.id)
	}
}

var consequences = [...]string{"its end or a retry", "a late result", "a duplicate result", "a late or duplicate result", "nothing"}

// cause is the answer that core is being given of an execution; nil = none.
func (c *checker) cause(id core.ID) *cause {
	if n := len(c.causes); n > 0 && c.causes[n-1].id == id {
		return &c.causes[n-1]
	}
	return nil
}

// decidedBy is the answer that an attempt's end or retry comes from; it fails when
// there is none.
func (c *checker) decidedBy(ev *core.Event, rec *record) *core.Outcome {
	k := c.cause(ev.ID)
	if k == nil || k.what != decides || k.done {
		c.w.fail("an attempt is decided by its own answer", "execution #%d: %s of attempt %d, which has not been answered just now", rec.number, ev.Kind, rec.attempt)
		return nil
	}
	k.done = true
	return &k.outcome
}

// retriedFor checks that a retry follows from the attempt's own answer.
func (c *checker) retriedFor(ev *core.Event, rec *record, slot int32) {
	o := c.decidedBy(ev, rec)
	if o == nil {
		return
	}
	if o.Status != core.Error || !clipped(ev.Code, o.Code, core.MaxErrorCode) || o.ColdStart != ev.Cold {
		c.w.fail("an attempt is decided by its own answer", "execution #%d: retried for %s (cold %v) after %v %s (cold %v)", rec.number, ev.Code, ev.Cold, o.Status, o.Code, o.ColdStart)
	}
	s := c.sayings[slot].fails()
	s.failed, s.retryAt = o.Message, ev.At.Wall+int64(ev.Pause)
	s.tries = append(s.tries, core.Attempt{
		Number: rec.attempt, StartedMillis: rec.moved / 1e6, EndedMillis: ev.At.Wall / 1e6,
		Err: core.ExecError{Code: ev.Code, Message: o.Message},
	})
}

// endedFor checks that an end follows from the attempt's own answer if it claims so,
// and notes what the execution says from now on.
func (c *checker) endedFor(ev *core.Event, rec *record, slot int32) {
	s := &c.sayings[slot]
	s.status = ev.Status
	if ev.Code != "" {
		s.fails().code = ev.Code
	}
	defer c.endSays(ev, rec, s)
	if f := s.failures(); len(f.tries) > 0 && rec.state == stPausing && ev.Code == core.CodeQueueFull && c.cause(ev.ID) == nil {
		f.message = f.failed
		f.noRoom(rec.attempt-1, rec.fn.spec.MaxRetries, f.tries[len(f.tries)-1].Err.Code)
	}
	if !c.ofAnswer(ev, rec) {
		return
	}
	o := c.decidedBy(ev, rec)
	if o == nil {
		return
	}
	if full := ev.Code == core.CodeQueueFull && o.Status == core.Error; ev.Status != o.Status || (!clipped(ev.Code, o.Code, core.MaxErrorCode) && !full) {
		c.w.fail("an attempt is decided by its own answer", "execution #%d ended in %v %s after %v %s", rec.number, ev.Status, ev.Code, o.Status, o.Code)
	}
	c.completions(rec.fn, ev.At.Mono)
	s.output, s.cold = o.Output, o.ColdStart
	if o.Message != "" {
		s.fails().message = o.Message
	}
	if ev.Code == core.CodeQueueFull && o.Code != ev.Code {
		s.fails().noRoom(rec.attempt, rec.fn.spec.MaxRetries, o.Code)
	}
	if o.ColdStart && o.Init > 0 {
		s.init = int32(o.Init / time.Millisecond)
	}
}

// endSays checks what the event of an end says beside its status.
func (c *checker) endSays(ev *core.Event, rec *record, s *saying) {
	init, wait := time.Duration(-1), time.Duration(0)
	if s.init >= 0 {
		init = time.Duration(s.init) * time.Millisecond
	}
	if rec.state == stRunning {
		wait = time.Duration(rec.startedMono - rec.queuedMono)
	}
	if ev.Attempt != rec.attempt || ev.Cold != s.cold || ev.Init != init || ev.QueueWait != wait {
		c.w.fail("ends are observed as they are", "execution #%d: attempt %d, cold start %v with %v, after waiting %v; expected attempt %d, %v with %v, after %v", rec.number, ev.Attempt, ev.Cold, ev.Init, ev.QueueWait, rec.attempt, s.cold, init, wait)
	}
}

// ofAnswer says that an end claims to come from an answer.
func (c *checker) ofAnswer(ev *core.Event, rec *record) bool {
	switch {
	case c.completes(ev.ID):
		return true
	case rec.state != stRunning || ev.Code == core.CodeCancelled || ev.Code == core.CodeStale:
		return false
	case ev.Status == core.Timeout: // an answer can be that as well
		k := c.cause(ev.ID)
		return k != nil && k.what == decides
	}
	return true
}

// completes says that core is being told the end of an execution from outside.
func (c *checker) completes(id core.ID) bool {
	k := c.cause(id)
	return k != nil && k.external && k.what == decides && !k.done
}

// releasedFor checks that a slot is freed by its attempt's own answer, at its
// deadline, or with the end of an execution that a sweep has found.
func (c *checker) releasedFor(ev *core.Event, rec *record) {
	_, slot := c.w.find(ev.ID)
	if k := c.cause(ev.ID); k != nil {
		if k.what == isRepeated {
			c.w.fail("slots", "execution #%d: a repeated answer of attempt %d frees the slot of attempt %d", rec.number, k.attempt, rec.attempt)
		}
		k.freed = true
		return
	}
	stale := rec.state == stEnded && c.sayings[slot].failures().code == core.CodeStale && rec.finished == ev.At.Wall
	if held := ev.At.Mono - rec.startedMono; held != rec.timeout && !stale {
		c.w.fail("slots", "execution #%d: the slot of attempt %d is freed %d ns after its start by no answer; its timeout is %d", rec.number, rec.attempt, held, rec.timeout)
	}
}

// dropped checks that a result is late, or a repeated one.
func (c *checker) dropped(ev *core.Event, f *generation, rec *record) {
	k := c.cause(ev.ID)
	want := isRepeated
	if ev.Kind == core.EventLateResult {
		want = isLate
	}
	switch {
	case k == nil || k.done:
		c.w.fail("answers are taken in", "%s: a %s, and nobody has answered", f.name, ev.Kind)
	case k.what != want && k.what != isUnknown:
		c.w.fail("answers are taken in", "%s: an answer of attempt %d of execution %s counts as %s, expected %s", f.name, k.attempt, ev.ID, consequences[want], consequences[k.what])
	default:
		k.done = true
	}
}

// woken checks the answer a sync caller gets.
func (c *checker) woken(caller *world.Caller, s *core.Snapshot) {
	w := c.w
	rec, slot := w.find(s.ID)
	switch {
	case caller.Answered || caller.Told != (core.ID{}):
		w.fail("callers are answered", "a caller was told the end of execution %s, and had had its answer", s.ID)
	case caller.Execution != (core.ID{}) && caller.Execution != s.ID:
		w.fail("callers are answered", "a caller of execution %s was told the end of %s", caller.Execution, s.ID)
	case rec == nil:
		w.fail("callers are answered", "a caller of execution %s was woken, which is not stored", s.ID)
	case rec.state != stEnded || !s.Status.Terminal():
		w.fail("callers are answered", "a caller was woken by execution #%d in status %v", rec.number, s.Status)
	case rec.waiters <= 0:
		w.fail("callers are answered", "execution #%d woke a caller too many", rec.number)
	default:
		rec.waiters--
		c.owed--
		c.shows(rec, slot, s, "its caller's answer")
	}
	caller.Told = s.ID
}

// told checks what Submit has told a caller, who may have been woken meanwhile.
func (c *checker) told(f *function, caller *world.Caller, res *core.Result, err error) {
	w := c.w
	var rec *record
	var slot int32
	if err == nil {
		rec, slot = w.find(res.ID)
	}
	if rec != nil && res.Existing && w.log.lines == c.hitLine { // nothing has happened since
		c.shows(rec, slot, &res.Snapshot, "the answer of a call with its key")
	}
	if hit := err == nil && c.hitOf == res.ID; err == nil && res.Existing != hit {
		w.fail("callers are answered", "%s: core says of execution %s that it existed before: %v, expected %v", f.name, res.ID, res.Existing, hit)
	}
	if caller == nil {
		if res.Waiting || res.Run.Attempt != 0 {
			w.fail("callers are answered", "%s: execution %s, of a call that does not wait: core says that it waits %v, and that it has attempt %d to make", f.name, res.ID, res.Waiting, res.Run.Attempt)
		}
		return
	}
	caller.Execution = res.ID
	switch woken := caller.Told != (core.ID{}); {
	case woken && caller.Told != res.ID:
		w.fail("callers are answered", "%s: a caller of execution %s was told the end of %s", f.name, res.ID, caller.Told)
	case err != nil || !res.Waiting:
		caller.Answered = true
		if err == nil && !res.Snapshot.Status.Terminal() {
			w.fail("callers are answered", "%s: a caller of execution %s does not wait, in status %v", f.name, res.ID, res.Snapshot.Status)
		}
	case !woken && (rec == nil || rec.state == stEnded):
		w.fail("callers are answered", "%s: execution %s has ended, and its caller waits for it", f.name, res.ID)
	}
}

// remembers says that an attempt that an execution remembers is its last that has
// failed.
func (c *checker) remembers(rec *record, slot int32, a *core.Attempt) bool {
	return a.Number == rec.attempt-1 && clippedTwice(a.Err.Message, c.sayings[slot].failures().failed)
}

// remembersAll compares the failed attempts that an execution shows with those that it had.
func remembersAll(tries, got []core.Attempt) bool {
	want := tries[max(0, len(tries)-attemptsKept):]
	return slices.EqualFunc(got, want, func(a, b core.Attempt) bool {
		return a.Number == b.Number && a.StartedMillis == b.StartedMillis && a.EndedMillis == b.EndedMillis && a.Err.Code == b.Err.Code && clippedTwice(a.Err.Message, b.Err.Message)
	})
}

// shows compares what core shows of an execution with the record.
func (c *checker) shows(rec *record, slot int32, s *core.Snapshot, where string) {
	w, say := c.w, &c.sayings[slot]
	failures := say.failures()
	wall := w.clock.Wall()
	cleaned := rec.cleaned || (rec.state == stEnded && wall-rec.finished > int64(c.cfg.CleanupTTL))
	want := core.Queued
	switch rec.state {
	case stRunning:
		want = core.Running
	case stEnded:
		want = s.Status
	}
	var started, queueWait int64
	if rec.startedMono > 0 {
		started, queueWait = rec.moved/1e6, rec.startedMono-rec.queuedMono
	}
	key, retryAt := "", int64(0)
	if rec.key >= 0 && !cleaned {
		key = c.keys.entries[rec.key].name
	}
	if rec.state == stPausing {
		retryAt = failures.retryAt / 1e6
	}
	noError := rec.failed && cleaned
	output := say.output
	if cleaned {
		output = nil
		if rec.failed {
			failures = &noFailures
		}
	}
	fail := func(format string, args ...any) {
		w.fail("consistent snapshots", "execution #%d (%v), %s: "+format, append([]any{rec.number, s.Status, where}, args...)...)
	}
	switch {
	case s.ID != rec.id || s.Function != rec.fn.name:
		fail("id or function differ: %+v", *s)
	case s.Status != want || s.Status.Terminal() != (rec.state == stEnded) || (s.Status == core.Success) != (rec.success && rec.state == stEnded):
		fail("the status should be another")
	case s.CleanedUp != cleaned:
		w.fail("payloads are dropped after cleanupTtl", "execution #%d: cleaned up is %v, expected %v", rec.number, s.CleanedUp, cleaned)
	case !bytes.Equal(s.Output, output) || (s.Output == nil) != (output == nil):
		fail("cleaned up %v: output is %q, expected %q", cleaned, s.Output, output)
	case s.Status == core.Error && (s.Err == nil) != noError:
		fail("cleaned up %v: error present is %v, expected %v", cleaned, s.Err != nil, !noError)
	case !failures.say(s.Err):
		fail("cleaned up %v: error is %v, expected %q %q", cleaned, s.Err, failures.code, failures.message)
	case s.ColdStart != say.cold || s.InitMillis != say.init:
		fail("cold start %v with %d ms, expected %v with %d", s.ColdStart, s.InitMillis, say.cold, say.init)
	case s.CreatedAtMillis != rec.created/1e6:
		fail("created at %d, expected %d", s.CreatedAtMillis, rec.created/1e6)
	case s.StartedAtMillis != started || int64(s.QueueWait) != queueWait:
		fail("started at %d after %v, expected %d after %d ns", s.StartedAtMillis, s.QueueWait, started, queueWait)
	case rec.state == stEnded && s.FinishedAtMillis != rec.finished/1e6:
		fail("finished at %d, expected %d", s.FinishedAtMillis, rec.finished/1e6)
	case rec.state != stEnded && s.FinishedAtMillis != 0:
		fail("it has not ended and has a finish time")
	case s.RetryAtMillis != retryAt:
		fail("retry at %d, expected %d", s.RetryAtMillis, retryAt)
	case !cleaned && s.TraceID != say.with.TraceID:
		fail("trace id %q, expected %q", s.TraceID, say.with.TraceID)
	case s.Idempotency != key:
		fail("cleaned up %v: key %q, expected %q", cleaned, s.Idempotency, key)
	case !cleaned && !remembersAll(failures.tries, s.Attempts), cleaned && s.Attempts != nil:
		fail("cleaned up %v: it remembers %+v, expected the latest of %+v", cleaned, s.Attempts, failures.tries)
	case s.Attempt != rec.attempt:
		fail("attempt %d, expected %d", s.Attempt, rec.attempt)
	}
}
