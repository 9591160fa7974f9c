package replica

import (
	"context"
	"sync"
)

// news are the announcements that the engine does not have yet: of each key the newest
// one, since an older one is of use to nobody.
type news struct {
	mu   sync.Mutex
	next map[string]announcement
	wake chan struct{} // of capacity 1
}

type announcement struct {
	version uint64
	value   []byte
}

// Announce tells all members, those to come too, of the value of a key. It returns at once.
// Of several values the one with the highest version stays, whoever announces the others
// and however late that reaches the engine.
func (n *Node) Announce(key string, version uint64, value []byte) {
	n.news.mu.Lock()
	if a, waits := n.news.next[key]; !waits || a.version < version {
		n.news.next[key] = announcement{version, value}
	}
	n.news.mu.Unlock()
	signal(n.news.wake)
}

// announceAll has the engine keep what is to be announced, one value after the other.
func (n *Node) announceAll() {
	for {
		key, a, any := n.news.first()
		if !any {
			select {
			case <-n.news.wake:
				continue
			case <-n.ctx.Done():
				return
			}
		}
		ctx, cancel := context.WithTimeout(n.ctx, callTime)
		err := n.o.Engine.Announce(ctx, key, a.version, a.value)
		cancel()
		switch {
		case err == nil:
			n.news.done(key, a.version)
		case n.ctx.Err() != nil:
			return
		default:
			n.o.Log.Debug("what was announced is not known to be stored, and is announced again", "key", key, "error", err)
			n.pause(n.o.Timing.Again)
		}
	}
}

// first is one of those that are to be announced.
func (w *news) first() (key string, a announcement, any bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, a := range w.next {
		return key, a, true
	}
	return "", a, false
}

// done says that the engine has the version of a key, or a newer one.
func (w *news) done(key string, version uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next[key].version <= version {
		delete(w.next, key)
	}
}
