package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// histories has several goroutines make calls and checks that all they were answered is
// what one after the other in some order, each between its call and its return, would
// have been answered.
func histories(t *testing.T, rounds int, model porcupine.Model, fresh func() func(r *rand.Rand) (in, out any)) {
	t.Helper()
	const callers, each = 4, 8
	for round := range rounds {
		call := fresh()
		var clock atomic.Int64
		var mu sync.Mutex
		var history []porcupine.Operation
		together(t, uint64(round), callers, func(caller int) {
			r := rand.New(rand.NewPCG(uint64(round), uint64(caller)))
			for range each {
				from := clock.Add(1)
				in, out := call(r)
				op := porcupine.Operation{ClientId: caller, Input: in, Call: from, Output: out, Return: clock.Add(1)}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
		if porcupine.CheckOperationsTimeout(model, history, time.Minute) == porcupine.Illegal {
			t.Fatalf("round %d is not linearizable: %+v", round, history)
		}
	}
}

func TestLimiterIsLinearizable(t *testing.T) {
	type window struct{ second, taken int }
	model := porcupine.Model{
		Init: func() any { return window{} },
		Step: func(state, in, out any) (bool, any) {
			w, second := state.(window), in.(int)
			if second > w.second {
				w = window{second: second}
			}
			if w.taken == 3 {
				return !out.(bool), state
			}
			w.taken++
			return out.(bool), w
		},
	}
	histories(t, 300, model, func() func(*rand.Rand) (any, any) {
		l := NewRateLimiter(3)
		return func(r *rand.Rand) (any, any) {
			second := 1 + r.IntN(3)
			return second, l.Acquire(int64(second) * int64(time.Second))
		}
	})
}

// The answers name the execution of a key, and claims are settled by those who have them.
func TestIdempotencyStoreIsLinearizable(t *testing.T) {
	type ask struct {
		what string
		id   ID
	}
	type told struct {
		state ClaimState
		id    ID
	}
	type entry struct {
		claimed bool
		id      ID
	}
	model := porcupine.Model{
		Init: func() any { return entry{} },
		Step: func(state, in, out any) (bool, any) {
			e, a := state.(entry), in.(ask)
			switch a.what {
			case "acquire":
				switch o := out.(told); {
				case e.claimed:
					return o.state == Pending, e
				case e.id != ID{}:
					return o.state == Existing && o.id == e.id, e
				default:
					return o.state == Claimed, entry{claimed: true}
				}
			case "publish":
				return out == nil && e.claimed, entry{id: a.id}
			case "abandon":
				return out == nil && e.claimed, entry{}
			}
			if e.claimed {
				return out.(ID) == ID{}, e
			}
			return out.(ID) == e.id, e
		},
	}
	var ids atomic.Uint64
	histories(t, 300, model, func() func(*rand.Rand) (any, any) {
		s := NewIdempotencyStore(1, int64(time.Hour), int64(time.Second), 10)
		var mu sync.Mutex
		var tokens []uint64 // of claims that are to be settled
		return func(r *rand.Rand) (any, any) {
			mu.Lock()
			var token uint64
			if len(tokens) > 0 {
				token, tokens = tokens[0], nil
			}
			mu.Unlock()
			switch {
			case token != 0 && r.IntN(4) > 0:
				if err := s.Abandon("f", "k", token); err != nil {
					return ask{what: "abandon"}, err
				}
				return ask{what: "abandon"}, nil
			case token != 0:
				id := idOf(ids.Add(1))
				if err := s.Publish("f", "k", token, id, 1); err != nil {
					return ask{"publish", id}, err
				}
				return ask{"publish", id}, nil
			case r.IntN(3) == 0:
				id, _ := s.Get("f", "k", 1)
				return ask{what: "get"}, id
			}
			state, token, id := s.AcquireOrGet("f", "k", Fingerprint{}, 1, nil)
			if state == Claimed {
				mu.Lock()
				tokens = append(tokens, token)
				mu.Unlock()
			}
			return ask{what: "acquire"}, told{state, id}
		}
	})
}

// Between two calls a waiting execution may have taken a free slot.
func TestQueueAndSlotsAreLinearizable(t *testing.T) {
	const slotCount, size = 2, 2
	type ask struct {
		what string
		id   byte
	}
	type line struct{ queue, running string }
	tick := func(l line) line { return line{l.queue[1:], l.running + l.queue[:1]} }
	without := func(s string, id byte) string {
		return string(slices.DeleteFunc([]byte(s), func(b byte) bool { return b == id }))
	}
	status := func(l line, id byte) Status {
		switch {
		case slices.Contains([]byte(l.queue), id):
			return Queued
		case slices.Contains([]byte(l.running), id):
			return Running
		}
		return Success
	}
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{line{}} },
		Step: func(state, in, out any) (next []any) {
			a := in.(ask)
			for l := state.(line); ; l = tick(l) {
				switch a.what {
				case "submit":
					switch id := out.(byte); {
					case id == 0 && len(l.queue) >= size:
						next = append(next, l)
					case id != 0 && l.queue == "" && len(l.running) < slotCount:
						next = append(next, line{"", l.running + string([]byte{id})})
					case id != 0 && len(l.queue) < size:
						next = append(next, line{l.queue + string([]byte{id}), l.running})
					}
				case "complete":
					next = append(next, line{without(l.queue, a.id), without(l.running, a.id)})
				case "look":
					if status(l, a.id) == out.(Status) {
						next = append(next, l)
					}
				}
				if l.queue == "" || len(l.running) >= slotCount {
					return next
				}
			}
		},
	}
	histories(t, 200, model.ToModel(), func() func(*rand.Rand) (any, any) {
		cfg := DefaultConfig()
		cfg.RateMaxPerSecond = 0
		c, err := New(cfg, newTestClock(), &seqIDs{}, &script{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Register(spec(t, "f", slots(slotCount), queueSize(size))); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var known []ID
		return func(r *rand.Rand) (any, any) {
			mu.Lock()
			var id ID
			if len(known) > 0 {
				id = known[r.IntN(len(known))]
			}
			mu.Unlock()
			switch n := r.IntN(5); {
			case id == ID{} || n < 2:
				res, err := c.Submit(&Request{Function: "f", Input: []byte(`1`)})
				if err != nil {
					if err != error(ErrQueueFull) {
						panic(fmt.Sprint("refused: ", err))
					}
					return ask{what: "submit"}, byte(0)
				}
				mu.Lock()
				known = append(known, res.ID)
				mu.Unlock()
				return ask{what: "submit"}, res.ID[15]
			case n == 2:
				s, _ := c.Execution(id)
				return ask{"look", id[15]}, s.Status
			}
			_, _ = c.Complete(id, 0, success(`1`))
			return ask{"complete", id[15]}, nil
		}
	})
}
