package dispatch

import (
	"sync"

	"simplane/core"
	"simplane/server/internal/sock"
)

// running are the calls over HTTP that nobody's goroutine waits for, so that a
// cancelled execution's can be broken off. Of a call that its caller makes
// itself, the caller has the Stop.
type running struct {
	shards [16]struct {
		mu    sync.Mutex
		calls map[core.ID]attemptStop
		_     [40]byte // keep neighbours' locks off one cache line
	}
}

type attemptStop struct {
	attempt int
	stop    *sock.Stop
}

func newRunning() *running {
	r := &running{}
	for i := range r.shards {
		r.shards[i].calls = map[core.ID]attemptStop{}
	}
	return r
}

// begin registers a task's attempt; end must follow.
func (r *running) begin(t core.Task) *sock.Stop {
	sh := &r.shards[t.ID[15]%16]
	stop := &sock.Stop{}
	sh.mu.Lock()
	sh.calls[t.ID] = attemptStop{t.Attempt, stop}
	sh.mu.Unlock()
	return stop
}

func (r *running) end(t core.Task) {
	sh := &r.shards[t.ID[15]%16]
	sh.mu.Lock()
	if sh.calls[t.ID].attempt == t.Attempt { // else it is the next one's already
		delete(sh.calls, t.ID)
	}
	sh.mu.Unlock()
}

// stop breaks an attempt off if it runs.
func (r *running) stop(id core.ID, attempt int) {
	sh := &r.shards[id[15]%16]
	sh.mu.Lock()
	c := sh.calls[id]
	sh.mu.Unlock()
	if c.stop != nil && c.attempt == attempt {
		c.stop.Now()
	}
}
