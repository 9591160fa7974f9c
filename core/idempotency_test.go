package core

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newKeys(max int) *IdempotencyStore { return NewIdempotencyStore(4, 100, 10, max) }

func sweepAll(s *IdempotencyStore, shard int, now int64) {
	for more := true; more; {
		_, more = s.sweep(shard, now)
	}
}

func TestIdempotencyStoreOperations(t *testing.T) {
	s := newKeys(100)
	a, z := idOf(1), idOf(2)
	_, ok := s.Get("f", "k", 0)
	wantEqual(t, "get of nothing", ok, false)
	wantEqual(t, "put", s.Put("f", "k", Fingerprint{}, a, 0), true)
	got, _ := s.Get("f", "k", 0)
	wantEqual(t, "get", got, a)
	_, ok = s.Get("g", "k", 0)
	wantEqual(t, "same key of another function", ok, false)
	s.Put("f", "k", Fingerprint{}, z, 1)
	got, _ = s.Get("f", "k", 1)
	wantEqual(t, "after a second put", got, z)
	wantEqual(t, "keys", s.Len(), 1)
}

// The pair is the key: no two pairs that read the same when joined may meet.
func TestIdempotencyStoreKeyIsThePair(t *testing.T) {
	s := newKeys(100)
	s.Put("a", "bc", Fingerprint{}, idOf(1), 0)
	_, ok := s.Get("ab", "c", 0)
	wantEqual(t, "ab+c after a+bc", ok, false)
}

func TestIdempotencyStoreExpiryIsStrict(t *testing.T) {
	s := newKeys(100) // ttl 100
	s.Put("f", "k", Fingerprint{}, idOf(1), 1000)
	_, ok := s.Get("f", "k", 1100)
	wantEqual(t, "stored_at + ttl == now", ok, true)
	_, ok = s.Get("f", "k", 1101)
	wantEqual(t, "stored_at + ttl < now", ok, false)
	state, token, _ := s.AcquireOrGet("f", "k", Fingerprint{}, 1101, nil)
	wantEqual(t, "acquire of an expired key", state, Claimed)
	if err := s.Publish("f", "k", token, idOf(2), 1101); err != nil {
		t.Fatal(err)
	}
	got, _ := s.Get("f", "k", 1201)
	wantEqual(t, "age counts from the publication", got, idOf(2))
	for i := range s.shards {
		sweepAll(s, i, 1201)
	}
	wantEqual(t, "keys after a sweep at the boundary", s.Len(), 1)
	for i := range s.shards {
		sweepAll(s, i, 1202)
	}
	wantEqual(t, "keys after a sweep past it", s.Len(), 0)
}

func TestIdempotencyStoreClaims(t *testing.T) {
	s := newKeys(100)
	settled := 0
	state, token, _ := s.AcquireOrGet("f", "k", Fingerprint{}, 0, nil)
	wantEqual(t, "first", state, Claimed)
	for range 3 {
		state, _, _ = s.AcquireOrGet("f", "k", Fingerprint{}, 0, func() { settled++ })
		wantEqual(t, "second", state, Pending)
	}
	_, ok := s.Get("f", "k", 0)
	wantEqual(t, "get of a pending claim", ok, false)
	wantEqual(t, "wrong token", s.Publish("f", "k", token+1, idOf(1), 0), ErrWrongToken)
	wantEqual(t, "token 0", s.Publish("f", "k", 0, idOf(1), 0), ErrWrongToken)
	wantEqual(t, "unknown key", s.Abandon("f", "x", token), ErrWrongToken)
	wantEqual(t, "told early", settled, 0)
	wantEqual(t, "publish", s.Publish("f", "k", token, idOf(1), 0), nil)
	wantEqual(t, "told", settled, 3)
	wantEqual(t, "publish twice", s.Publish("f", "k", token, idOf(2), 0), ErrWrongToken)
	state, _, id := s.AcquireOrGet("f", "k", Fingerprint{}, 0, nil)
	wantEqual(t, "after", state, Existing)
	wantEqual(t, "execution", id, idOf(1))
}

func TestIdempotencyStoreAbandonedClaimIsFree(t *testing.T) {
	s := newKeys(100)
	settled := 0
	_, token, _ := s.AcquireOrGet("f", "k", Fingerprint{}, 0, nil)
	s.AcquireOrGet("f", "k", Fingerprint{}, 0, func() { settled++ })
	wantEqual(t, "abandon", s.Abandon("f", "k", token), nil)
	wantEqual(t, "told", settled, 1)
	wantEqual(t, "keys", s.Len(), 0)
	state, second, _ := s.AcquireOrGet("f", "k", Fingerprint{}, 0, nil)
	wantEqual(t, "next", state, Claimed)
	if second == token {
		t.Fatal("a token was given out twice")
	}
	wantEqual(t, "old token", s.Abandon("f", "k", token), ErrWrongToken)
}

func TestIdempotencyStoreClaimIfMatches(t *testing.T) {
	s := newKeys(100)
	state, _ := s.ClaimIfMatches("f", "k", idOf(1))
	wantEqual(t, "no mapping", state, Pending)
	s.Put("f", "k", Fingerprint{}, idOf(1), 0)
	state, _ = s.ClaimIfMatches("f", "k", idOf(2))
	wantEqual(t, "another execution", state, Pending)
	state, token := s.ClaimIfMatches("f", "k", idOf(1))
	wantEqual(t, "match", state, Claimed)
	state, _ = s.ClaimIfMatches("f", "k", idOf(1))
	wantEqual(t, "claimed already", state, Pending)
	id, stored := s.PutIfAbsent("f", "k", Fingerprint{}, idOf(5), 0)
	wantEqual(t, "stored over a claim", stored, false)
	wantEqual(t, "execution of a pending claim", id, ID{})
	// A claim does not expire: its holder settles it.
	state, _, _ = s.AcquireOrGet("f", "k", Fingerprint{}, 1e9, nil)
	wantEqual(t, "long after", state, Pending)
	for i := range s.shards {
		sweepAll(s, i, 1e9)
	}
	wantEqual(t, "publish", s.Publish("f", "k", token, idOf(3), 1e9), nil)
	got, _ := s.Get("f", "k", 1e9)
	wantEqual(t, "execution", got, idOf(3))
}

func TestIdempotencyStorePutTakesAClaimOver(t *testing.T) {
	s := newKeys(100)
	settled := 0
	_, token, _ := s.AcquireOrGet("f", "k", Fingerprint{}, 0, nil)
	s.AcquireOrGet("f", "k", Fingerprint{}, 0, func() { settled++ })
	s.Put("f", "k", Fingerprint{}, idOf(7), 0)
	wantEqual(t, "told", settled, 1)
	wantEqual(t, "publish", s.Publish("f", "k", token, idOf(8), 0), ErrWrongToken)
	got, _ := s.Get("f", "k", 0)
	wantEqual(t, "execution", got, idOf(7))
}

func TestIdempotencyStoreIsBounded(t *testing.T) {
	s := NewIdempotencyStore(1, 100, 10, 3)
	for i := range 3 {
		wantEqual(t, "put", s.Put("f", fmt.Sprint(i), Fingerprint{}, idOf(1), 0), true)
	}
	wantEqual(t, "put at the bound", s.Put("f", "x", Fingerprint{}, idOf(1), 50), false)
	_, stored := s.PutIfAbsent("f", "x", Fingerprint{}, idOf(1), 50)
	wantEqual(t, "put-if-absent at the bound", stored, false)
	state, _, _ := s.AcquireOrGet("f", "x", Fingerprint{}, 50, nil)
	wantEqual(t, "acquire at the bound", state, KeysFull)
	wantEqual(t, "overwrite at the bound", s.Put("f", "0", Fingerprint{}, idOf(2), 50), true)
	wantEqual(t, "put once others expired", s.Put("f", "x", Fingerprint{}, idOf(1), 101), true)
	wantEqual(t, "keys", s.Len(), 2) // "0" was stored later
}

func TestPutIfAbsentUnderConcurrency(t *testing.T) {
	s := newKeys(1 << 20)
	const keys, callers = 200, 16
	var winners [keys]atomic.Int64
	var seen [keys][callers]ID
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for k := range keys {
				id, stored := s.PutIfAbsent("f", fmt.Sprint(k), Fingerprint{}, idOf(uint64(1+c)), 0)
				if stored {
					winners[k].Add(1)
				}
				seen[k][c] = id
			}
		})
	}
	wg.Wait()
	for k := range keys {
		wantEqual(t, "winners of a key", winners[k].Load(), 1)
		for c := range callers {
			wantEqual(t, "execution seen", seen[k][c], seen[k][0])
		}
	}
	wantEqual(t, "keys", s.Len(), keys)
}

func (b *bed) once(key string, change ...func(*Request)) (Result, error) {
	r := &Request{Function: "f", Input: []byte(`{"n":1}`), IdempotencyKey: key}
	for _, f := range change {
		f(r)
	}
	return b.Submit(r)
}

func syncCall(w Waiter) func(*Request) {
	return func(r *Request) { r.Sync, r.Waiter = true, w }
}

func TestIdempotentRequestGetsTheFirstExecution(t *testing.T) {
	b := newBed(t)
	b.register("f")
	first, err := b.once("k")
	if err != nil || first.Existing {
		t.Fatal(first, err)
	}
	w := &wakes{}
	again, err := b.once("k", syncCall(w))
	if err != nil || !again.Existing || !again.Waiting || again.ID != first.ID || again.Snapshot.Status != Running {
		t.Fatal(again, err)
	}
	b.work.next(t).Complete(success(`"out"`))
	wantEqual(t, "joined caller got", string(w.only(t).Output), `"out"`)
	wantEqual(t, "dispatches", len(b.work.dispatched()), 1)
	ended, err := b.once("k", syncCall(w))
	if err != nil || !ended.Existing || ended.Waiting || string(ended.Snapshot.Output) != `"out"` {
		t.Fatal(ended, err)
	}
	wantEqual(t, "wakes", w.count(), 1)
	wantEqual(t, "hits", len(b.seen.of(EventIdempotentHit)), 2)
	other, _ := b.once("k2")
	wantEqual(t, "another key", other.Existing, false)
}

func TestIdempotentWaiterThatLeftIsNotWoken(t *testing.T) {
	b := newBed(t)
	b.register("f")
	stays, leaves := &wakes{}, &wakes{}
	first, _ := b.once("k")
	b.once("k", syncCall(stays))
	b.once("k", syncCall(leaves))
	b.Forget(first.ID, leaves)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "stays", stays.count(), 1)
	wantEqual(t, "leaves", leaves.count(), 0)
}

func TestIdempotentKeyOfGoneExecutionIsReclaimed(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.IdempotencyTTL = time.Hour })
	b.register("f")
	b.work.run = echoTask
	first, _ := b.once("k")
	b.clock.advance(30*time.Second + 1) // past its TTL; maybe no sweep met it yet
	second, err := b.once("k")
	if err != nil || second.Existing || second.ID == first.ID {
		t.Fatal(second, err)
	}
	third, _ := b.once("k")
	wantEqual(t, "third", third.ID, second.ID)
	wantEqual(t, "dispatches", len(b.work.dispatched()), 2)
}

func TestIdempotentHitShowsNoOutputPastCleanup(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f")
	b.work.run = echoTask
	b.once("k")
	b.clock.advance(10*time.Second + 1)
	hit, _ := b.once("k")
	wantEqual(t, "cleaned up", hit.Snapshot.CleanedUp, true)
	wantEqual(t, "output", len(hit.Snapshot.Output), 0)
}

func TestIdempotentRejectionAbandonsItsClaim(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(1))
	b.enqueue("f")
	b.enqueue("f")
	_, err := b.once("k")
	wantEqual(t, "full queue", err, error(ErrQueueFull))
	wantEqual(t, "keys", b.Gauges().StoredKeys, 0)
	b.work.next(t).Complete(success(`1`))
	res, err := b.once("k")
	if err != nil || res.Existing {
		t.Fatal("the key did not become free:", res, err)
	}
}

func TestIdempotentKeysAreBounded(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.MaxIdempotencyKeys = 1 })
	b.register("f")
	b.once("k")
	_, err := b.once("k2")
	wantEqual(t, "at the bound", err, error(ErrIdempotencyFull))
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 1)
	if _, err = b.once("k"); err != nil {
		t.Fatal("a known key at the bound:", err)
	}
	b.clock.advance(302 * time.Second)
	if _, err = b.once("k2"); err != nil {
		t.Fatal("once the other has expired:", err)
	}
}

// onNewID lets a test run code in the middle of a Submit, after its key was
// claimed.
type onNewID struct {
	seqIDs
	hook func()
}

func (o *onNewID) NewID() ID {
	if f := o.hook; f != nil {
		o.hook = nil
		f()
	}
	return o.seqIDs.NewID()
}

func TestIdempotentConcurrentRequestWaitsForThePendingClaim(t *testing.T) {
	ids := &onNewID{}
	work := &script{}
	clock := newTestClock()
	// One a second: trying again after a pending claim must not count twice.
	c, err := New(recordedConfig(t, Config{RateMaxPerSecond: 2}), clock, ids, work, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f")); err != nil {
		t.Fatal(err)
	}
	settled := 0
	second := &Request{Function: "f", Input: []byte(`1`), IdempotencyKey: "k", OnSettled: func() { settled++ }}
	ids.hook = func() {
		_, err := c.Submit(second)
		wantEqual(t, "while the first is admitted", err, error(ErrPending))
		wantEqual(t, "told early", settled, 0)
	}
	first, err := c.Submit(&Request{Function: "f", Input: []byte(`1`), IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "told", settled, 1)
	again, err := c.Submit(second)
	if err != nil || !again.Existing || again.ID != first.ID {
		t.Fatal(again, err)
	}
	_, err = c.Submit(second)
	wantEqual(t, "a third request in the second", err, error(ErrRateLimited))
}
