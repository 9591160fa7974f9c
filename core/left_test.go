package core

import (
	"testing"
	"time"
)

// handOver has the journal go to another process with all that is durable; before is
// what ran until now, and goes on.
func (d *durableBed) handOver(grace time.Duration) (before *bed) {
	d.t.Helper()
	before = d.bed
	ids := before.ids
	before.Drain()
	d.sync()
	d.journal = d.journal.leave()
	d.bed = newBed(d.t, append(append([]func(*Config){}, d.change...), d.withJournal)...)
	d.bed.ids = ids
	d.bed.clock.wall = before.clock.Now().Wall
	r := d.Core.Restore()
	r.Grace = grace
	for _, f := range d.journal.facts(d.t) {
		if err := r.Apply(f.at, &f.Fact); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := r.Done(d.bed.clock.Now(), nobody); err != nil {
		d.t.Fatal(err)
	}
	return before
}

func (d *durableBed) told(id ID, attempt int, o Outcome) LSN {
	d.t.Helper()
	at, err := d.AttemptEnded(id, attempt, o)
	if err != nil {
		d.t.Fatal(err)
	}
	return at
}

// An outcome that is told to the next owner counts as it would have at the one before.
func TestToldOutcomeCountsAsAnAnswer(t *testing.T) {
	pause := RetryBackoff{InitialMillis: 1000, MaxMillis: 1000, Multiplier: 1}
	for name, c := range map[string]struct {
		outcome  Outcome
		attempt  int // of two
		status   Status
		attempts int32
	}{
		"success":             {success(`"done"`), 1, Success, 1},
		"an error":            {failure("BOOM"), 1, Queued, 2},
		"the last error":      {failure("BOOM"), 2, Error, 2},
		"an error for ever":   {Outcome{Status: Error, Code: "BOOM", Permanent: true}, 1, Error, 1},
		"a timeout":           {Outcome{Status: Timeout}, 1, Timeout, 1},
		"of an attempt ahead": {success(`"done"`), 3, Running, 1},
		"of one before":       {failure("BOOM"), 0, Running, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ended := func(d *durableBed, told bool) Snapshot {
				d.register("f", slots(1), retries(1), pausing(pause))
				id := d.enqueue("f")
				d.sync()
				task := d.work.next(t)
				if c.attempt == 2 {
					task.Complete(failure("FIRST"))
					d.clock.advance(time.Second)
					d.sync()
					task = d.work.next(t)
				}
				if told {
					d.handOver(0)
					at := d.told(id, c.attempt, c.outcome)
					again := d.told(id, c.attempt, c.outcome)
					if again < at {
						t.Errorf("told again: %d after %d", again, at)
					}
				} else if c.attempt == task.Attempt {
					task.Complete(c.outcome)
				}
				d.sync()
				return d.state(id)
			}
			got, want := ended(newDurableBed(t), true), ended(newDurableBed(t), false)
			if got.Status != c.status || got.Attempt != c.attempts {
				t.Fatalf("%v, attempt %d; want %v, %d", got.Status, got.Attempt, c.status, c.attempts)
			}
			if got.Status != want.Status || got.Attempt != want.Attempt || string(got.Output) != string(want.Output) ||
				len(got.Attempts) != len(want.Attempts) || got.RetryAtMillis != want.RetryAtMillis || (got.Err == nil) != (want.Err == nil) ||
				got.Err != nil && got.Err.Code != want.Err.Code {
				t.Errorf("told:\n%+v\nanswered:\n%+v", got, want)
			}
		})
	}
}

// What ends here after the hand-over gives its slot back, and is nothing else here.
func TestWhatWasHandedOverNeitherEndsNorIsRetriedHere(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(2), retries(3), timeout(10*time.Second))
	d.enqueue("f")
	slow := d.enqueue("f")
	queued := d.enqueue("f")
	d.sync()
	first, second := d.work.next(t), d.work.next(t)
	before := d.handOver(0)
	seen := len(before.seen.events)
	first.Complete(failure("BOOM"))
	wantEqual(t, "running here", before.Function("f").InFlight(), 1)
	wantEqual(t, "dispatched here", before.work.pending(), 0)
	before.clock.advance(10 * time.Second)
	second.Complete(success("1"))
	wantEqual(t, "running here in the end", before.Function("f").InFlight(), 0)
	before.JournalAdvanced(1 << 40)
	wantEqual(t, "dispatched here in the end", before.work.pending(), 0)
	for _, id := range []ID{first.ID, slow, queued} {
		if err := before.Complete(id, 0, success("1")); err != ErrDraining {
			t.Errorf("completed here: %v", err)
		}
		if _, err := before.Cancel(id); err != ErrDraining {
			t.Errorf("cancelled here: %v", err)
		}
	}
	for _, ev := range before.seen.events[seen:] {
		if ev.Kind != EventSlotReleased {
			t.Errorf("told of %v", ev.Kind)
		}
	}
	d.told(first.ID, 1, failure("BOOM"))
	d.sync()
	wantEqual(t, "at the next owner", d.work.next(t).ID, queued)
}

// An attempt that came from an owner before, and whose partition moves on once more, is
// begun again by nobody but the owner.
func TestAnAttemptOfTwoOwnersBeforeIsNotBegunAgainHere(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1), retries(3), timeout(10*time.Second))
	id := d.enqueue("f")
	d.sync()
	d.work.next(t)
	d.handOver(0)
	between := d.handOver(0)
	between.clock.advance(11 * time.Second)
	between.JournalAdvanced(1 << 40)
	wantEqual(t, "dispatched by the one between", between.work.pending(), 0)
	d.clock.advance(11 * time.Second)
	d.sync()
	wantEqual(t, "attempt", d.work.next(t).Attempt, 2)
	if s := d.state(id); s.Attempts[0].Err.Code != CodeInterrupted {
		t.Errorf("%+v", s)
	}
}

// A timeout is told a moment after the attempt's time is over: that is waited for.
func TestGraceForAnAttemptThatIsToldOf(t *testing.T) {
	for told, want := range map[bool]Status{true: Timeout, false: Running} {
		d := newDurableBed(t)
		d.register("f", slots(1), retries(3), timeout(10*time.Second))
		id := d.enqueue("f")
		d.sync()
		d.handOver(5 * time.Second)
		d.clock.advance(15*time.Second - 1)
		if told {
			d.told(id, 1, Outcome{Status: Timeout})
		}
		d.clock.advance(1)
		d.sync()
		if s := d.state(id); s.Status != want || told == (s.Attempt == 2) {
			t.Errorf("told %v: %+v", told, s)
		}
	}
}

// What an earlier owner tells of an execution that has ended changes nothing, not even
// what is known of how long attempts take.
func TestToldOutcomeOfWhatHasEndedChangesNothing(t *testing.T) {
	d := newDurableBed(t, func(c *Config) { c.PassOverLate = true })
	d.register("f")
	id := d.enqueue("f")
	d.sync()
	d.work.next(t)
	if err := d.Complete(id, 1, failure("BOOM")); err != nil {
		t.Fatal(err)
	}
	d.sync()
	d.handOver(time.Minute)
	d.told(id, 1, success(`"late"`))
	d.wantStatus(id, Error)
	if n := d.Function("f").service.samples; n != 0 {
		t.Errorf("%d attempts are known to have succeeded, want none", n)
	}
}
