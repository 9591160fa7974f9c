package jetstream

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
)

// leaderElected is the subject on which servers say that a stream has a new leader.
const leaderElected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."

// errElected says that another server leads the stream than the one that was asked,
// whose answer may never come.
var errElected = errors.New("the engine's stream has another leader")

// elected ends requests that wait for an answer when a stream gets another leader. What
// the one before had not stored it forgets without a word, and the request would wait for
// as long as a lost answer is waited for.
type elected struct {
	mu      sync.Mutex
	waiting map[*context.CancelCauseFunc]struct{}
}

func (w *elected) subscribe(nc *nats.Conn, streams ...string) error {
	for _, s := range streams {
		if _, err := nc.Subscribe(leaderElected+s, func(*nats.Msg) { w.tell() }); err != nil {
			return err
		}
	}
	return nil
}

func (w *elected) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for cancel := range w.waiting {
		(*cancel)(errElected)
	}
}

// during is a context for one request, and what is called when that is over. Its cause
// is errElected if there was an election.
func (w *elected) during(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	if w.waiting == nil {
		w.waiting = map[*context.CancelCauseFunc]struct{}{}
	}
	w.waiting[&cancel] = struct{}{}
	w.mu.Unlock()
	return ctx, func() {
		w.mu.Lock()
		delete(w.waiting, &cancel)
		w.mu.Unlock()
		cancel(nil)
	}
}
