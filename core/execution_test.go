package core

import (
	"fmt"
	"testing"
	"time"
)

func TestExecutionRecordAccessors(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.enqueue("f")
	res, err := b.Submit(&Request{
		Function: "f", Input: []byte(`1`), Metadata: []byte(`{"k":"v"}`), TraceID: "trace", IdempotencyKey: "key",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := b.state(res.ID)
	wantEqual(t, "id", s.ID, res.ID)
	wantEqual(t, "function", s.Function, "f")
	wantEqual(t, "status", s.Status, Queued)
	wantEqual(t, "attempt", s.Attempt, 1)
	wantEqual(t, "trace", s.TraceID, "trace")
	wantEqual(t, "key", s.Idempotency, "key")
	wantEqual(t, "created", s.CreatedAtMillis, epoch/1e6)
	wantEqual(t, "started", s.StartedAtMillis, 0)
	wantEqual(t, "finished", s.FinishedAtMillis, 0)
	wantEqual(t, "init", s.InitMillis, -1)
	wantEqual(t, "queue wait", s.QueueWait, 0)

	b.clock.advance(3 * time.Second)
	b.work.next(t).Complete(success(`0`))
	task := b.work.next(t)
	wantEqual(t, "task trace", task.TraceID, "trace")
	wantEqual(t, "task key", task.IdempotencyKey, "key")
	wantEqual(t, "task metadata", string(task.Metadata), `{"k":"v"}`)
	wantEqual(t, "task attempt", task.Attempt, 1)
	wantEqual(t, "task timeout", task.Timeout, 30*time.Second)
	b.clock.advance(2 * time.Second)
	task.Complete(Outcome{Status: Success, Output: []byte(`2`), ColdStart: true, Init: 1500 * time.Millisecond})
	s = b.state(res.ID)
	wantEqual(t, "status", s.Status, Success)
	wantEqual(t, "output", string(s.Output), `2`)
	wantEqual(t, "started", s.StartedAtMillis, epoch/1e6+3000)
	wantEqual(t, "finished", s.FinishedAtMillis, epoch/1e6+5000)
	wantEqual(t, "cold start", s.ColdStart, true)
	wantEqual(t, "init", s.InitMillis, 1500)
	wantEqual(t, "queue wait", s.QueueWait, 3*time.Second)
}

// Mono 0 is a time like any other: the simulator starts there.
func TestExecutionStartedAtMonoZeroHasTimes(t *testing.T) {
	b := newBed(t)
	b.register("f")
	b.enqueue("f")
	b.clock.advance(2 * time.Second)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "service", b.seen.of(EventEnded)[0].Service, 2*time.Second)
}

func TestColdStartWithoutInitTimeReportsNone(t *testing.T) {
	b := newBed(t)
	b.register("f")
	id := b.enqueue("f")
	b.work.next(t).Complete(Outcome{Status: Success, Output: []byte(`1`), ColdStart: true})
	wantEqual(t, "cold start", b.state(id).ColdStart, true)
	wantEqual(t, "init", b.state(id).InitMillis, -1)
	wantEqual(t, "init of the event", b.seen.of(EventEnded)[0].Init, -1)
}

// Every pair of states, and what each transition sets and clears.
func TestExecutionRecordTransitions(t *testing.T) {
	at := Instant{Wall: 77, Mono: 7}
	boom := &ExecError{Code: "BOOM"}
	moves := map[Status]func(*execution) bool{
		Queued:  func(ex *execution) bool { return ex.requeue(at, boom) },
		Running: func(ex *execution) bool { return ex.markRunning(at) },
		Success: func(ex *execution) bool { return ex.markEnded(Success, []byte("new"), nil, at) },
		Error:   func(ex *execution) bool { return ex.markEnded(Error, nil, boom, at) },
		Timeout: func(ex *execution) bool { return ex.markEnded(Timeout, nil, nil, at) },
	}
	for from := Queued; from <= Timeout; from++ {
		for to := Queued; to <= Timeout; to++ {
			ex := &execution{id: idOf(9), status: from, attempt: 1, created: 5, started: 6, finished: 0, output: []byte("old"), coldStart: true, initMs: 3}
			if from.Terminal() {
				ex.finished = 8
			}
			if from == Error {
				ex.output, ex.err = nil, &ExecError{Code: "OLD"}
			}
			fields := func() string {
				return fmt.Sprint(ex.status, ex.started, ex.finished, ex.attempt, ex.initMs, ex.coldStart, string(ex.output), ex.err)
			}
			before := fields()
			allowed := !from.Terminal() || (from == Error && to == Queued)
			if to == Queued && from == Queued {
				allowed = false // requeueing is for an attempt that has failed
			}
			if got := moves[to](ex); got != allowed {
				t.Errorf("%s to %s: allowed %v, want %v", from, to, got, allowed)
				continue
			}
			if !allowed {
				if after := fields(); after != before {
					t.Errorf("%s to %s was refused but changed the record: %s, was %s", from, to, after, before)
				}
				continue
			}
			wantEqual(t, "status", ex.status, to)
			wantEqual(t, "id", ex.id, idOf(9))
			wantEqual(t, "created", ex.created, 5)
			switch to {
			case Queued:
				wantEqual(t, "attempt", ex.attempt, 2)
				if ex.started != 0 || ex.finished != 0 || ex.output != nil || ex.err != nil || ex.coldStart || ex.initMs != -1 {
					t.Errorf("retry kept something of the failed attempt: %+v", ex)
				}
			case Running:
				wantEqual(t, "started", ex.started, 77)
			case Success:
				wantEqual(t, "output", string(ex.output), "new")
				wantEqual(t, "error", ex.err, nil)
				wantEqual(t, "finished", ex.finished, 77)
			case Error:
				wantEqual(t, "error", ex.err, boom)
				wantEqual(t, "output", len(ex.output), 0)
			case Timeout:
				wantEqual(t, "error", ex.err, nil)
				wantEqual(t, "output", len(ex.output), 0)
			}
		}
	}
}

func TestStatusNames(t *testing.T) {
	for s := Queued; s <= Timeout; s++ {
		got, ok := ParseStatus(s.String())
		if !ok || got != s {
			t.Errorf("%s does not read back", s)
		}
	}
	for _, bad := range []string{"", "Success", "done", "unknown"} {
		if _, ok := ParseStatus(bad); ok {
			t.Errorf("%q was taken for a status", bad)
		}
	}
	wantEqual(t, "no such status", Status(9).String(), "unknown")
}
