package provider

import "sync"

// Hub fans status changes out to watchers. A slow watcher delays nobody: only
// the newest status of each function is kept for it, so the memory it holds is
// bounded by the number of functions. The zero value is ready to use.
type Hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

type watcher struct {
	mu      sync.Mutex
	pending map[string]Status
	order   []string // functions in pending, oldest change first
	wake    chan struct{}
	stop    chan struct{}
}

// Watch starts calling fn; see Provider.Watch.
func (h *Hub) Watch(fn func(Status)) (stop func()) {
	w := &watcher{pending: map[string]Status{}, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	h.mu.Lock()
	if h.watchers == nil {
		h.watchers = map[*watcher]struct{}{}
	}
	h.watchers[w] = struct{}{}
	h.mu.Unlock()
	go w.run(fn)

	var once sync.Once
	return func() {
		once.Do(func() {
			h.mu.Lock()
			delete(h.watchers, w)
			h.mu.Unlock()
			close(w.stop)
		})
	}
}

// Publish hands s to every watcher and returns at once. Calls for one function
// must not overlap, or an older status may be delivered last.
func (h *Hub) Publish(s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.put(s)
	}
}

func (w *watcher) put(s Status) {
	w.mu.Lock()
	if _, ok := w.pending[s.Function]; !ok {
		w.order = append(w.order, s.Function)
	}
	w.pending[s.Function] = s
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) run(fn func(Status)) {
	for {
		select {
		case <-w.stop:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		pending, order := w.pending, w.order
		w.pending, w.order = map[string]Status{}, nil
		w.mu.Unlock()
		for _, name := range order {
			select {
			case <-w.stop:
				return
			default:
				fn(pending[name])
			}
		}
	}
}
