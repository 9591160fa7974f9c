package core

import (
	"bytes"
	"testing"
	"time"
)

func TestStoreFullByCount(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.MaxExecutions = 3 })
	b.register("f")
	for range 3 {
		b.enqueue("f")
	}
	_, err := b.Submit(&Request{Function: "f", Input: []byte(`1`)})
	wantEqual(t, "at the bound", err, error(ErrStoreFull))
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 3)
	for range 3 {
		b.work.next(t).Complete(success(`1`))
	}
	_, err = b.Submit(&Request{Function: "f", Input: []byte(`1`)})
	wantEqual(t, "ended ones count until they expire", err, error(ErrStoreFull))
	b.clock.advance(32 * time.Second)
	b.enqueue("f")
}

func TestStoreFullByPayloadBytes(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.MaxPayloadBytes = 100 })
	b.register("f")
	submit := func(in, meta int) error {
		_, err := b.Submit(&Request{Function: "f", Input: bytes.Repeat([]byte("1"), in), Metadata: bytes.Repeat([]byte("2"), meta)})
		return err
	}
	wantEqual(t, "60 bytes", submit(50, 10), nil)
	wantEqual(t, "41 more", submit(40, 1), error(ErrStoreFull))
	wantEqual(t, "40 more", submit(39, 1), nil)
	wantEqual(t, "held", b.Gauges().PayloadBytes, 100)
	b.work.next(t).Complete(success("0123456789")) // an output is never dropped
	wantEqual(t, "held with an output", b.Gauges().PayloadBytes, 110)
	task := b.work.next(t)
	task.Complete(Outcome{Status: Success, Output: task.Input}) // an echo holds its input once
	wantEqual(t, "held with an echo", b.Gauges().PayloadBytes, 110)
	b.clock.advance(12 * time.Second)
	wantEqual(t, "held after cleanup", b.Gauges().PayloadBytes, 0)
	wantEqual(t, "records stay", b.Gauges().StoredExecutions, 2)
}

// Whatever way an execution takes, nothing of it is left in the accounts.
func TestStoreAccountsComeBackToZero(t *testing.T) {
	for name, path := range map[string]func(*bed, ID, Task){
		"success":       func(b *bed, id ID, task Task) { task.Complete(success(`"some output"`)) },
		"echo":          func(b *bed, id ID, task Task) { echoTask(task) },
		"failure":       func(b *bed, id ID, task Task) { task.Complete(failure("X")) },
		"attempt limit": func(b *bed, id ID, task Task) { b.clock.advance(9 * time.Second) },
		"outside":       func(b *bed, id ID, task Task) { _ = b.Complete(id, 0, success(`"some output"`)) },
		"late answer": func(b *bed, id ID, task Task) {
			b.clock.advance(9 * time.Second)
			task.Complete(success(`"late"`))
		},
		"twice": func(b *bed, id ID, task Task) {
			task.Complete(success(`"a"`))
			task.Complete(success(`"bcdef"`))
		},
		"stale":   func(b *bed, id ID, task Task) { b.clock.jump(time.Hour) },
		"deleted": func(b *bed, id ID, task Task) { b.Delete("f"); task.Complete(success(`"x"`)) },
		"evicted before it is cleaned": func(b *bed, id ID, task Task) {
			task.Complete(success(`"some output"`))
			b.clock.jump(time.Hour)
			b.Sweep()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, shortLives)
			b.register("f", slots(1), timeout(8*time.Second), retries(0))
			res, err := b.Submit(&Request{
				Function: "f", Sync: true, Waiter: &wakes{}, Input: []byte(`"input"`), Metadata: []byte(`{"a":"b"}`), IdempotencyKey: "k",
			})
			if err != nil {
				t.Fatal(err)
			}
			b.enqueue("f")
			path(b, res.ID, b.work.next(t))
			b.clock.advance(2 * time.Minute)
			wantEqual(t, "held", b.Gauges(), Gauges{})
			if fn := b.Function("f"); fn != nil {
				b.wantLoad("f", 0, 0)
				wantEqual(t, "deadlines watched", len(fn.deadlines.items), 0)
			}
		})
	}
}

func TestRejectionsLeaveNothingBehind(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.MaxExecutions = 2 })
	b.register("f", slots(1), queueSize(1))
	b.enqueue("f")
	b.enqueue("f")
	before := b.Gauges()
	for range 100 {
		if _, err := b.Submit(&Request{Function: "f", Sync: true, Input: []byte(`1`), IdempotencyKey: "k"}); err == nil {
			t.Fatal("admitted above the bounds")
		}
	}
	wantEqual(t, "held", b.Gauges(), before)
}
