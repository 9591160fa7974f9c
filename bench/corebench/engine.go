package corebench

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"simplane/core"
)

// wallClock is the machine's clock.
type wallClock struct{ start time.Time }

func (c wallClock) Now() core.Instant {
	d := int64(time.Since(c.start))
	return core.Instant{Wall: c.start.UnixNano() + d, Mono: d}
}

func (c wallClock) AfterFunc(d time.Duration, f func()) core.Timer { return time.AfterFunc(d, f) }

// handClock stands still until it is moved; its timers never fire.
type handClock struct{ at atomic.Int64 }

func (c *handClock) Now() core.Instant {
	t := c.at.Load()
	return core.Instant{Wall: 1_700_000_000e9 + t, Mono: t}
}

func (c *handClock) AfterFunc(time.Duration, func()) core.Timer { return noTimer{} }

type noTimer struct{}

func (noTimer) Stop() bool               { return true }
func (noTimer) Reset(time.Duration) bool { return true }

// ids are unique and well spread without drawing on a random source, whose
// cost is not the engine's.
type ids struct{ n atomic.Uint64 }

func (s *ids) NewID() core.ID { return idOf(s.n.Add(1)) }

// idOf is the n-th id handed out; the store writes the place into it.
func idOf(n uint64) (id core.ID) {
	binary.LittleEndian.PutUint64(id[:8], mix(2*n))
	binary.LittleEndian.PutUint64(id[8:], mix(2*n+1))
	return id
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// instant completes each task inside Dispatch: what is left is the engine.
type instant struct{}

func (instant) Dispatch(t core.Task) {
	t.Complete(core.Outcome{Status: core.Success, Output: t.Input})
}

// stuck never completes, so that slots and queues stay full.
type stuck struct{}

func (stuck) Dispatch(core.Task) {}

var input = []byte(`{"message":"hello, function","n":42}`)

// engine returns a core with functions f0, f1, … of ample concurrency.
func engine(cfg core.Config, clock core.Clock, d core.Dispatcher, functions, concurrency, queue int) (*core.Core, error) {
	cfg.MaxExecutions = 50_000_000
	cfg.MaxPayloadBytes = 1 << 40
	c, err := core.New(cfg, clock, &ids{}, d, nil)
	if err != nil {
		return nil, err
	}
	for i := range functions {
		name := functionName(i)
		spec, err := core.ResolveSpec(core.SpecInput{Name: &name, Concurrency: &concurrency, QueueSize: &queue})
		if err != nil {
			return nil, err
		}
		if _, err := c.Register(spec); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func functionName(i int) string { return fmt.Sprintf("f%d", i) }

// fill stores one ended execution for each element of ids and writes its id
// there.
func fill(c *core.Core, ids []core.ID) error {
	// Borrowed makes core keep a copy, as it does for requests from outside.
	r := core.Request{Function: functionName(0), Input: input, Borrowed: true}
	for i := range ids {
		res, err := c.Submit(&r)
		if err != nil {
			return fmt.Errorf("filling the store: %w", err)
		}
		ids[i] = res.ID
	}
	return nil
}
