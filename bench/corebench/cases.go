package corebench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"simplane/core"
)

// operation is one measured call on behalf of a goroutine; it reports whether
// the engine did what the case is about.
type operation func(worker int) bool

// Case is something to measure.
type Case struct {
	Name string
	What string // for the report
	// PerSize repeats the case for every store size.
	PerSize bool
	// setup returns the operation for up to the given number of goroutines.
	setup func(goroutines, size int) (operation, error)
}

// retention of the cycle cases: short, so that what they measure includes
// expiry and the store stays at a steady size.
const retention = 250 * time.Millisecond

func cycleConfig() core.Config {
	return core.Config{TTL: retention, CleanupTTL: retention / 2, StaleTTL: time.Minute}
}

// Cases lists everything Run knows, components first.
func Cases() []Case {
	return []Case{
		{Name: "rate-limiter", What: "RateLimiter.Acquire far below the limit, all goroutines on one limiter", setup: rateLimiter},
		{Name: "idempotency-hit", What: "IdempotencyStore.AcquireOrGet of keys that have an execution", setup: idempotencyHit},
		{Name: "idempotency-claim", What: "IdempotencyStore.AcquireOrGet of free keys, then Abandon", setup: idempotencyClaim},
		{Name: "lookup", What: "Execution of a stored id drawn at random", PerSize: true, setup: lookup},
		{Name: "lookup-miss", What: "Execution of an unknown id", PerSize: true, setup: lookupMiss},
		{Name: "reject-rate", What: "Submit above the rate limit", setup: rejectRate},
		{Name: "reject-queue", What: "Submit to a function whose queue is full", setup: rejectQueue},
		{Name: "replay", What: "Submit with a known idempotency key", setup: replay},
		{Name: "cycle-async", What: "Submit, dispatch, complete; one function; expiry included", setup: cycle(false, 1)},
		{Name: "cycle-sync", What: "the same for a waiting caller: deadline and wake-up included", setup: cycle(true, 1)},
		{Name: "cycle-sync-spread", What: "cycle-sync with a function for each goroutine", setup: cycle(true, 0)},
	}
}

func rateLimiter(int, int) (operation, error) {
	l := core.NewRateLimiter(core.MaxRatePerSecond)
	clock := wallClock{time.Now()}
	return func(int) bool { return l.Acquire(clock.Now().Wall) }, nil
}

// keys are made beforehand: building them is not the store's work.
const keysPerWorker = 4096

func keyTable(goroutines int) [][]string {
	table := make([][]string, goroutines)
	for w := range table {
		for i := range keysPerWorker {
			table[w] = append(table[w], "key-"+strconv.Itoa(w)+"-"+strconv.Itoa(i))
		}
	}
	return table
}

// counters are per goroutine and apart in memory.
type counter struct {
	n   int
	rng *rand.Rand
	_   [48]byte
}

func counters(goroutines int) []counter {
	cs := make([]counter, goroutines)
	for i := range cs {
		cs[i].rng = rand.New(rand.NewPCG(1, uint64(i)))
	}
	return cs
}

func idempotencyHit(goroutines, _ int) (operation, error) {
	s := core.NewIdempotencyStore(64, int64(time.Hour), int64(time.Second), 10_000_000)
	table, cs := keyTable(goroutines), counters(goroutines)
	for _, keys := range table {
		for i, k := range keys {
			if !s.Put("f", k, core.Fingerprint{}, idOf(uint64(i)), 0) {
				return nil, errors.New("the idempotency store refused a key")
			}
		}
	}
	return func(w int) bool {
		c := &cs[w]
		c.n++
		state, _, _ := s.AcquireOrGet("f", table[w][c.n%keysPerWorker], core.Fingerprint{}, 1, nil)
		return state == core.Existing
	}, nil
}

func idempotencyClaim(goroutines, _ int) (operation, error) {
	s := core.NewIdempotencyStore(64, int64(time.Hour), int64(time.Second), 10_000_000)
	table, cs := keyTable(goroutines), counters(goroutines)
	return func(w int) bool {
		c := &cs[w]
		c.n++
		key := table[w][c.n%keysPerWorker]
		state, token, _ := s.AcquireOrGet("f", key, core.Fingerprint{}, 1, nil)
		return state == core.Claimed && s.Abandon("f", key, token) == nil
	}, nil
}

func stored(size int) (*core.Core, []core.ID, error) {
	c, err := engine(core.Config{TTL: time.Hour, CleanupTTL: time.Hour, StaleTTL: 2 * time.Hour}, &handClock{}, instant{}, 1, 1000, 1000)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]core.ID, size)
	return c, ids, fill(c, ids)
}

func lookup(goroutines, size int) (operation, error) {
	c, ids, err := stored(size)
	if err != nil {
		return nil, err
	}
	cs := counters(goroutines)
	return func(w int) bool {
		s, ok := c.Execution(ids[cs[w].rng.IntN(size)])
		return ok && s.Status == core.Success
	}, nil
}

func lookupMiss(goroutines, size int) (operation, error) {
	c, _, err := stored(size)
	if err != nil {
		return nil, err
	}
	cs := counters(goroutines)
	return func(w int) bool {
		_, ok := c.Execution(idOf(1<<40 + cs[w].rng.Uint64N(1<<40)))
		return !ok
	}, nil
}

func rejectRate(int, int) (operation, error) {
	// The clock stands still: the first Submit takes the window's only place.
	c, err := engine(core.Config{RateMaxPerSecond: 1}, &handClock{}, instant{}, 1, 1000, 1000)
	if err != nil {
		return nil, err
	}
	if err := fill(c, make([]core.ID, 1)); err != nil {
		return nil, err
	}
	return expect(c, core.ErrRateLimited), nil
}

func rejectQueue(int, int) (operation, error) {
	c, err := engine(core.Config{}, &handClock{}, stuck{}, 1, 1, 1)
	if err != nil {
		return nil, err
	}
	// One takes the slot, one the queue's place.
	if err := fill(c, make([]core.ID, 2)); err != nil {
		return nil, err
	}
	return expect(c, core.ErrQueueFull), nil
}

func expect(c *core.Core, want error) operation {
	name := functionName(0)
	return func(int) bool {
		r := core.Request{Function: name, Input: input, Borrowed: true}
		_, err := c.Submit(&r)
		return err == want
	}
}

func replay(goroutines, _ int) (operation, error) {
	c, err := engine(core.Config{TTL: time.Hour, CleanupTTL: time.Hour, StaleTTL: 2 * time.Hour, IdempotencyTTL: time.Hour},
		&handClock{}, instant{}, 1, 1000, 1000)
	if err != nil {
		return nil, err
	}
	table, cs := keyTable(goroutines), counters(goroutines)
	for _, keys := range table {
		for _, k := range keys {
			if _, err := c.Submit(&core.Request{Function: functionName(0), Input: input, IdempotencyKey: k}); err != nil {
				return nil, err
			}
		}
	}
	name := functionName(0)
	return func(w int) bool {
		n := &cs[w]
		n.n++
		r := core.Request{Function: name, Input: input, Borrowed: true, IdempotencyKey: table[w][n.n%keysPerWorker]}
		res, err := c.Submit(&r)
		return err == nil && res.Existing
	}, nil
}

// waiter counts its wake-ups; the instant dispatcher wakes it inside Submit.
type waiter struct {
	woken int
	_     [56]byte
}

func (w *waiter) Wake(s core.Snapshot) {
	if s.Status == core.Success {
		w.woken++
	}
}

// cycle is the whole life of an execution; functions = 0 means one each.
func cycle(sync bool, functions int) func(goroutines, size int) (operation, error) {
	return func(goroutines, _ int) (operation, error) {
		n := functions
		if n == 0 {
			n = goroutines
		}
		c, err := engine(cycleConfig(), wallClock{time.Now()}, instant{}, n, 10_000, 10_000)
		if err != nil {
			return nil, err
		}
		names := make([]string, goroutines)
		for w := range names {
			names[w] = functionName(w % n)
		}
		waiters := make([]waiter, goroutines)
		return func(w int) bool {
			r := core.Request{Function: names[w], Sync: sync, Input: input, Borrowed: true}
			before := waiters[w].woken
			if sync {
				r.Waiter = &waiters[w]
			}
			_, err := c.Submit(&r)
			return err == nil && (!sync || waiters[w].woken == before+1)
		}, nil
	}
}

// Select returns the named cases in their usual order; no names mean all.
func Select(names []string) ([]Case, error) {
	all := Cases()
	if len(names) == 0 {
		return all, nil
	}
	want := make(map[string]bool)
	for _, n := range names {
		want[n] = true
	}
	var out []Case
	for _, c := range all {
		if want[c.Name] {
			out = append(out, c)
			delete(want, c.Name)
		}
	}
	for n := range want {
		known := ""
		for _, c := range all {
			known += " " + c.Name
		}
		return nil, fmt.Errorf("case %q is unknown: want%s", n, known)
	}
	return out, nil
}
