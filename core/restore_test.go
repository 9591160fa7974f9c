package core

import (
	"strings"
	"testing"
	"time"
)

// queue lists the ids that are queued at a function, in order.
func (b *bed) queue(name string) (ids []int) {
	fn := b.Function(name)
	fn.mu.Lock()
	defer fn.mu.Unlock()
	for at := fn.queue.fresh.head; at != fn.queue.fresh.tail; at++ {
		if ex := fn.queue.fresh.buf[at&uint64(len(fn.queue.fresh.buf)-1)]; ex != nil {
			ids = append(ids, int(ex.id[15]))
		}
	}
	return ids
}

func numbers(ids ...ID) (list []int) {
	for _, id := range ids {
		list = append(list, int(id[15]))
	}
	return list
}

func TestARestartBringsTheQueueBackInOrder(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(2), pausing(RetryBackoff{InitialMillis: 1000, MaxMillis: 1000, Multiplier: 1}))
	a, b := d.enqueue("f"), d.enqueue("f")
	c := d.submit(Request{Function: "f", IdempotencyKey: "c", TraceID: "t", Metadata: []byte(`{"m":"1"}`), Input: []byte("3")}).ID
	d.sync()
	d.work.next(t).Complete(failure("BOOM")) // a pauses, c starts
	d.sync()
	e := d.enqueue("f")
	lost := d.enqueue("f")
	d.syncSome(1) // the latter is not durable
	d.restart(int64(200*time.Millisecond), nobody)

	d.wantGone(lost)
	d.wantLoad("f", 1, 2)
	wantList(t, "queue", d.queue("f"), numbers(e))
	s := d.state(a)
	if s.Status != Queued || s.Attempt != 2 || s.RetryAtMillis == 0 || len(s.Attempts) != 1 || s.Attempts[0].Err.Code != "BOOM" {
		t.Fatalf("the one that pauses: %+v", s)
	}
	if s := d.state(c); s.Status != Running || s.TraceID != "t" || s.Idempotency != "c" {
		t.Fatalf("the one that runs: %+v", s)
	}
	if res := d.submit(Request{Function: "f", IdempotencyKey: "c", Metadata: []byte(`{"m":"1"}`), Input: []byte("3")}); res.ID != c || res.LSN == 0 {
		t.Fatalf("its key leads to %+v", res)
	}
	if _, err := d.Submit(&Request{Function: "f", IdempotencyKey: "c", Input: []byte("4")}); err != ErrKeyReused {
		t.Fatalf("another input with its key: %v", err)
	}
	d.clock.advance(799 * time.Millisecond)
	wantEqual(t, "pausing", d.Function("f").Pausing(), 1)
	d.clock.advance(time.Millisecond)
	wantList(t, "queue after the pause", d.queue("f"), numbers(e, a))
	for _, id := range []ID{b, c} { // late completions of the former life are taken
		if err := d.Complete(id, 1, success("1")); err != nil {
			t.Fatal(err)
		}
	}
	d.sync()
	wantEqual(t, "dispatched", d.work.next(t).ID, e)
	task := d.work.next(t)
	wantEqual(t, "dispatched", task.ID, a)
	wantEqual(t, "attempt", task.Attempt, 2)
}

func TestAnInterruptedAttemptIsFollowedInItsSlot(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1), retries(1), queueSize(1))
	id, waiting := d.enqueue("f"), d.enqueue("f")
	d.sync()
	d.work.next(t)
	d.restart(0, everybody)
	d.wantLoad("f", 1, 1)
	wantEqual(t, "dispatched before the start is durable", d.work.pending(), 0)
	d.sync()
	task := d.work.next(t)
	wantEqual(t, "dispatched", task.ID, id)
	wantEqual(t, "attempt", task.Attempt, 2)
	if s := d.state(id); s.Status != Running || len(s.Attempts) != 1 || s.Attempts[0].Err.Code != CodeInterrupted {
		t.Fatalf("%+v", s)
	}
	d.restart(0, everybody) // and no attempt is left
	d.wantStatus(id, Running)
	d.sync()
	if s := d.state(id); s.Status != Error || s.Err.Code != CodeInterrupted {
		t.Fatalf("%+v", s)
	}
	ids, _ := d.DeadLetterIDs("f")
	wantList(t, "dead letters", numbers(ids...), numbers(id))
	wantEqual(t, "next", d.work.next(t).ID, waiting)
}

func TestWithoutRetriesAnAttemptIsMadeOnceAtMost(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", retries(0))
	id := d.enqueue("f")
	d.sync() // and the process ends before, or just after, the attempt is dispatched
	d.restart(0, everybody)
	d.sync()
	wantEqual(t, "dispatched again", d.work.pending(), 0)
	if s := d.state(id); s.Status != Error || s.Err.Code != CodeInterrupted {
		t.Fatalf("%+v", s)
	}
}

func TestAnOpenAttemptKeepsItsSlotUntilItsTimeIsOver(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1), retries(1), timeout(10*time.Second))
	id := d.enqueue("f")
	d.sync()
	d.clock.advance(4 * time.Second)
	d.restart(int64(2*time.Second), nobody)
	d.clock.advance(4*time.Second - 1)
	d.sync()
	d.wantLoad("f", 0, 1)
	wantEqual(t, "dispatched", d.work.pending(), 0)
	d.clock.advance(1)
	d.sync()
	task := d.work.next(t)
	wantEqual(t, "attempt", task.Attempt, 2)
	if err := d.Complete(id, 1, success(`"late"`)); err != nil { // names the attempt that is over
		t.Fatal(err)
	}
	task.Complete(success(`"second"`))
	d.sync()
	wantEqual(t, "output", string(d.state(id).Output), `"second"`)
	d.restart(int64(time.Hour), everybody)
	d.wantGone(id)
	d.sync()
	wantList(t, "facts", d.kinds(), []string{"function_set"})
}

func TestEndedOnesKeepTheRestOfTheirTime(t *testing.T) {
	d := newDurableBed(t)
	d.register("f")
	id := d.submit(Request{Function: "f", Input: []byte(`"echo"`)}).ID
	d.sync()
	task := d.work.next(t)
	task.Complete(Outcome{Status: Success, Output: task.Input, ColdStart: true, Init: 120 * time.Millisecond})
	d.sync()
	before := d.state(id)
	d.clock.advance(d.Config().CleanupTTL - time.Second)
	d.restart(0, nil)
	after := d.state(id)
	if string(after.Output) != `"echo"` || after.FinishedAtMillis != before.FinishedAtMillis || after.CreatedAtMillis != before.CreatedAtMillis ||
		!after.ColdStart || after.InitMillis != 120 || after.Status != Success {
		t.Fatalf("before %+v\n after %+v", before, after)
	}
	wantEqual(t, "payload", d.Gauges().PayloadBytes, int64(len(`"echo"`)))
	wantEqual(t, "found", len(d.Search(&Search{Function: "f", Limit: 5}).Executions), 1)
	d.clock.advance(3 * time.Second)
	if s := d.state(id); !s.CleanedUp || s.Output != nil {
		t.Fatalf("after its cleanup TTL: %+v", s)
	}
	wantEqual(t, "payload", d.Gauges().PayloadBytes, 0)
	d.clock.advance(d.Config().TTL)
	d.wantGone(id)
	wantEqual(t, "stored", d.Gauges().StoredExecutions, 0)
}

func TestARestartKeepsRegistrationsApart(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1))
	old, queued := d.enqueue("f"), d.enqueue("f")
	d.sync()
	del, err := d.Retire("f")
	if err != nil {
		t.Fatal(err)
	}
	d.register("f", slots(1), retries(7))
	d.sync()
	fresh := d.enqueue("f")
	d.sync()
	d.restart(0, everybody) // in the middle of the deletion
	_ = del
	d.sync()
	for id, code := range map[ID]string{old: CodeInterrupted, queued: CodeFunctionDeleted} {
		if s := d.state(id); s.Status != Error || s.Err.Code != code {
			t.Errorf("%d: %+v, want %s", id[15], s, code)
		}
	}
	wantEqual(t, "retries", d.Function("f").Spec().MaxRetries, 7)
	task := d.work.next(t)
	wantEqual(t, "of the new one", task.ID, fresh)
	wantEqual(t, "attempt", task.Attempt, 2)
	task.Complete(success(`1`))
	d.sync()
	d.clock.advance(d.Config().TTL + 10*time.Second)
	d.sync()
	// The letter of the old one's interrupted attempt is kept.
	wantList(t, "facts", d.kinds(), []string{"accepted", "started", "function_set", "ended"})
}

func TestARestartKeepsDeadLetters(t *testing.T) {
	d := newDurableBed(t, func(c *Config) { c.MaxDeadLetters = 3 })
	d.register("f", retries(1))
	var ids []ID
	for range 5 {
		ids = append(ids, d.enqueue("f"))
		d.sync()
		d.work.next(t).Complete(failure("ONE"))
		d.sync()
		d.work.next(t).Complete(failure("TWO"))
		d.sync()
	}
	if _, err := d.Redrive("f", ids[3], 0); err != nil {
		t.Fatal(err)
	}
	d.sync()
	d.work.next(t).Complete(success("1"))
	d.clock.advance(d.Config().TTL + 10*time.Second) // letters only
	d.sync()
	d.restart(0, nobody)
	page, err := d.DeadLetters("f", 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	var got []ID
	for _, l := range page.Letters {
		got = append(got, l.ID)
		if string(l.Input) != `{"n":1}` || l.Err.Code != "TWO" || len(l.Attempts) != 1 || l.Attempts[0].Err.Code != "ONE" || l.Attempt != 2 {
			t.Fatalf("%+v", l)
		}
	}
	wantList(t, "letters", numbers(got...), numbers(ids[4], ids[2]))
	if _, err := d.Core.Redrive("f", ids[2], 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.PurgeDeadLetters("f"); err != nil {
		t.Fatal(err)
	}
	d.sync()
	d.restart(0, nobody)
	wantEqual(t, "letters", d.DeadLetterCount("f"), 0)
}

func TestTheRateWindowOfTheStartCountsAsFull(t *testing.T) {
	d := newDurableBed(t, func(c *Config) { c.RateMaxPerSecond = 5 })
	d.register("f")
	d.clock.advance(time.Second)
	d.enqueue("f")
	d.sync()
	d.restart(0, nil)
	if _, err := d.Submit(&Request{Function: "f", Input: []byte("1")}); err != ErrRateLimited {
		t.Fatalf("in the window of the start: %v", err)
	}
	d.clock.advance(time.Second)
	d.enqueue("f")
}

// A journal without a fact had no process before this one.
func TestTheRateWindowOfTheFirstStartIsEmpty(t *testing.T) {
	d := newDurableBed(t, func(c *Config) { c.RateMaxPerSecond = 5 })
	d.restart(0, nil)
	d.register("f")
	d.enqueue("f")
}

func TestWhatCannotBeIsNotRestored(t *testing.T) {
	id := ID{15: 9}
	set := Fact{Kind: FactFunctionSet, Function: "f", Registration: 1, Data: []byte(`{"name":"f"}`)}
	accepted := Fact{Kind: FactAccepted, Function: "f", Registration: 1, ID: id}
	started := Fact{Kind: FactStarted, Function: "f", Registration: 1, ID: id, Attempt: 1}
	ended := Fact{Kind: FactEnded, Function: "f", Registration: 1, ID: id, Attempt: 1, Status: Success}
	second := started
	second.Attempt = 2
	wrongName, wrongSpec, twice := set, set, set
	wrongName.Data, wrongSpec.Data, twice.Registration = []byte(`{"name":"g"}`), []byte(`{`), 2
	for name, c := range map[string]struct {
		facts []Fact
		want  string
	}{
		"accepted twice":        {[]Fact{set, accepted, accepted}, "accepted before"},
		"started twice":         {[]Fact{set, accepted, started, started}, "attempt 1 of the execution was running"},
		"the second first":      {[]Fact{set, accepted, second}, "attempt 2, while attempt 1"},
		"ended in another":      {[]Fact{set, accepted, {Kind: FactEnded, Function: "f", Registration: 1, ID: id, Attempt: 2}}, "attempt 2, while attempt 1"},
		"started, that is all":  {[]Fact{set, started}, "no fact says that the execution was accepted"},
		"ended twice":           {[]Fact{set, accepted, started, ended, ended}, "had ended in success"},
		"retried before it ran": {[]Fact{set, accepted, {Kind: FactRetried, Function: "f", Registration: 1, ID: id, Attempt: 2}}, "attempt 2, while attempt 1"},
		"no pause to end":       {[]Fact{set, accepted, {Kind: FactRequeued, Function: "f", Registration: 1, ID: id, Attempt: 1}}, "was queued"},
		"no function":           {[]Fact{accepted}, `function "f", registration 1, which is not there`},
		"another spec":          {[]Fact{wrongName}, `its spec is of "g"`},
		"no spec":               {[]Fact{wrongSpec}, "its spec: unexpected end"},
		"two of one name":       {[]Fact{set, twice}, "another registration of the name"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &durableBed{journal: &memJournal{}}
			b := newBed(t, d.withJournal)
			r := b.Core.Restore()
			var err error
			for i := range c.facts {
				if err == nil {
					err = r.Apply(LSN(i+1), &c.facts[i])
				}
			}
			if err == nil {
				err = r.Done(b.clock.Now(), nil)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want …%s…", err, c.want)
			}
		})
	}
	// What a release has not come to yet is another matter.
	d := newDurableBed(t)
	d.register("f")
	d.sync()
	d.journal.Append(PartitionOf("f"), &started)
	d.journal.Append(PartitionOf("f"), &ended)
	d.sync()
	d.restart(0, nil)
	d.sync()
	wantList(t, "facts", d.kinds(), []string{"function_set"})

	b := newBed(t)
	if err := b.Core.Restore().Done(b.clock.Now(), nil); err != ErrNoJournal {
		t.Errorf("without a journal: %v", err)
	}
	d = newDurableBed(t)
	d.register("f")
	if err := d.Core.Restore().Done(d.clock.Now(), nil); err == nil {
		t.Error("restored after it was used")
	}
	r := d.Core.Restore()
	_ = r.Apply(5, &set)
	if err := r.Apply(5, &accepted); err == nil {
		t.Error("two facts of one place")
	}
}
