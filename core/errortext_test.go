package core

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Whatever a function says, what is kept is within the bound, begins as the
// text does, says that it was clipped, and is text if that was.
func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 60
		text := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) })).Draw(t, "text")
		text = strings.Repeat(text, rapid.IntRange(1, 20).Draw(t, "times"))
		got := clip(text, most)
		if len(text) <= most {
			if got != text {
				t.Fatalf("%q became %q", text, got)
			}
			return
		}
		begins, mark, clipped := strings.Cut(got, "… (clipped, ")
		switch {
		case len(got) > most || len(got) < most-2*utf8.UTFMax:
			t.Fatalf("%d bytes became %d", len(text), len(got))
		case !strings.HasPrefix(text, begins) || !clipped || !strings.HasSuffix(mark, " bytes)"):
			t.Fatalf("%q became %q", text, got)
		case utf8.ValidString(text) && !utf8.ValidString(got):
			t.Fatalf("%q was cut within a character", text)
		}
	})
}

// Every way in: an attempt's answer, a completion from outside, a retry for
// which there is no room, and with each of them the dead letter. What is kept
// counts, and is gone after cleanup.
func TestErrorTextIsClippedCountedAndDropped(t *testing.T) {
	long := Outcome{Status: Error, Code: strings.Repeat("C", 4<<20), Message: strings.Repeat("m", 4<<20)}
	for name, end := range map[string]func(*bed, ID){
		"answer":       func(b *bed, id ID) { b.work.next(b.t).Complete(long) },
		"from outside": func(b *bed, id ID) { _ = b.Complete(id, 0, long) },
		"no room for the retry": func(b *bed, id ID) {
			task := b.work.next(b.t)
			b.enqueue("f") // the queue is full now
			b.enqueue("f")
			task.Complete(long)
			for b.work.pending() > 0 {
				b.work.next(b.t).Complete(success(`1`))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, shortLives)
			b.register("f", slots(1), queueSize(2), retries(map[bool]int{true: 1}[strings.HasPrefix(name, "no room")]))
			id := b.enqueue("f")
			others := -b.Gauges().PayloadBytes
			end(b, id)
			s := b.state(id)
			wantEqual(t, "status", s.Status, Error)
			if len(s.Err.Code) > MaxErrorCode || len(s.Err.Message) != MaxErrorMessage || !strings.Contains(s.Err.Message, "clipped") {
				t.Fatalf("kept a code of %d bytes and a message of %d: %.80s", len(s.Err.Code), len(s.Err.Message), s.Err)
			}
			others += b.Gauges().PayloadBytes - int64(len(s.Err.Code)+len(s.Err.Message))
			if others > 100 {
				t.Fatalf("%d bytes are counted beside the error", others)
			}
			page, _ := b.DeadLetters("f", 0, 100)
			for _, l := range page.Letters {
				if n := int64(letterOverhead + len(l.Err.Code) + len(l.Err.Message) + len(l.Input)); b.dead.bytes != n {
					t.Errorf("dead letters count %d bytes, one has %d", b.dead.bytes, n)
				}
			}
			b.clock.advance(12 * time.Second)
			s = b.state(id)
			wantEqual(t, "status after cleanup", s.Status, Error)
			wantEqual(t, "error after cleanup", s.Err, nil)
			wantEqual(t, "payload after cleanup", b.Gauges().PayloadBytes, 0)
		})
	}
}

// What comes beside the input counts as well, and is gone after cleanup.
func TestTraceIDsAndKeysCountAsPayload(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.MaxPayloadBytes = 1300 })
	b.register("f")
	submit := func(r Request) error {
		r.Function, r.Input = "f", []byte("1")
		_, err := b.Submit(&r)
		return err
	}
	text := strings.Repeat("x", 300)
	wantEqual(t, "a trace id", submit(Request{TraceID: text}), nil)
	wantEqual(t, "a key", submit(Request{IdempotencyKey: text}), nil)
	wantEqual(t, "a trace context", submit(Request{Trace: TraceContext{Parent: "p", State: text}}), nil)
	wantEqual(t, "held", b.Gauges().PayloadBytes, 904)
	wantEqual(t, "one more", submit(Request{TraceID: text[:100]}), error(ErrStoreFull))
	for b.work.pending() > 0 {
		echoTask(b.work.next(t))
	}
	b.clock.advance(12 * time.Second)
	wantEqual(t, "held after cleanup", b.Gauges().PayloadBytes, 0)
}

// Core's own errors are the same for all executions: they cost nothing and
// stay readable.
func TestSharedErrorsStayAndCostNothing(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f", slots(1))
	b.enqueue("f")
	id := b.enqueue("f")
	if _, err := b.Delete("f"); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "held", b.Gauges().PayloadBytes, int64(len(`{"n":1}`))) // the other one's, which runs
	b.clock.advance(12 * time.Second)
	s := b.state(id)
	wantEqual(t, "cleaned", s.CleanedUp, true)
	wantEqual(t, "error", s.Err, errFunctionDeleted)
}
