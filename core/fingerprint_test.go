package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Two requests have one fingerprint when input and metadata are the same, each
// by itself, and only then.
func TestFingerprintIsThatOfThePair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom([]byte(`{}a`)), 0, 3)
		a, m := text.Draw(t, "input"), text.Draw(t, "metadata")
		b, n := text.Draw(t, "other input"), text.Draw(t, "other metadata")
		same := string(a) == string(b) && string(m) == string(n)
		if got := FingerprintOf(a, m) == FingerprintOf(b, n); got != same {
			t.Fatalf("(%s, %s) and (%s, %s): same fingerprint %v", a, m, b, n, got)
		}
	})
}

// Whoever knows or guesses a key and not the request learns nothing.
func TestAKeyLeadsOnlyItsOwnRequestToTheExecution(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f")
	submit := func(input, metadata string, more func(*Request)) (Result, error) {
		r := &Request{Function: "f", Input: []byte(input), Metadata: []byte(metadata), IdempotencyKey: "k"}
		if more != nil {
			more(r)
		}
		return b.Submit(r)
	}
	first, err := submit(`{"amount":1}`, `{"a":"b"}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for _, other := range [][2]string{{`{"amount":2}`, `{"a":"b"}`}, {`{"amount":1}`, `{"a":"c"}`}, {`{"amount":1}`, ``}, {`{"amount":1}{"a":"b"}`, ``}} {
			for _, kind := range []func(*Request){nil, syncCall(&wakes{})} {
				if res, err := submit(other[0], other[1], kind); err != error(ErrKeyReused) || res.ID != (ID{}) || res.Existing {
					t.Errorf("%s, %s: %+v, %v", when, other, res, err)
				}
			}
		}
		again, err := submit(`{"amount":1}`, `{"a":"b"}`, nil)
		if err != nil || again.ID != first.ID {
			t.Errorf("%s, the same request: %+v, %v", when, again, err)
		}
	}
	check("running")
	b.work.next(t).Complete(success(`"secret"`))
	check("ended")
	wantEqual(t, "executions", b.Gauges().StoredExecutions, 1)
	wantEqual(t, "dispatches", len(b.work.dispatched()), 1)
	b.clock.advance(32 * b.Config().SweepInterval) // past the key's TTL
	if res, err := submit(`{"amount":2}`, ``, nil); err != nil || res.Existing {
		t.Error("the key did not become free:", res, err)
	}
}

// A concurrent request with the key is told at once, not when the first is
// admitted.
func TestAKeyThatIsBeingClaimedRefusesAnotherRequestAtOnce(t *testing.T) {
	ids := &onNewID{}
	c, err := New(Config{}, newTestClock(), ids, &script{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f")); err != nil {
		t.Fatal(err)
	}
	ids.hook = func() {
		_, err := c.Submit(&Request{Function: "f", Input: []byte(`2`), IdempotencyKey: "k", OnSettled: func() { t.Error("told to submit again") }})
		wantEqual(t, "while the first is admitted", err, error(ErrKeyReused))
	}
	if _, err := c.Submit(&Request{Function: "f", Input: []byte(`1`), IdempotencyKey: "k"}); err != nil {
		t.Fatal(err)
	}
}

// Keys outlive the payloads of their executions. They count against the same
// bound.
func TestKeysCountAgainstThePayloadBound(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.MaxPayloadBytes, cfg.IdempotencyTTL = 100, 20*time.Second })
	b.register("f")
	b.work.run = echoTask
	key := string(make([]byte, 40))
	if _, err := b.Submit(&Request{Function: "f", Input: []byte(`1`), IdempotencyKey: key}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "keys", b.Gauges().KeyBytes, 41)
	larger := &Request{Function: "f", Input: make([]byte, 60)}
	b.clock.advance(12 * time.Second)
	wantEqual(t, "payload after cleanup", b.Gauges().PayloadBytes, 0)
	_, err := b.Submit(larger)
	wantEqual(t, "with the key", err, error(ErrStoreFull))
	b.clock.advance(12 * time.Second)
	wantEqual(t, "keys after their TTL", b.Gauges().KeyBytes, 0)
	if _, err := b.Submit(larger); err != nil {
		t.Fatal(err)
	}
}
