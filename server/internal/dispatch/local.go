package dispatch

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"simplane/core"
)

// LocalHandler runs a LOCAL function in this process. Its output must be
// valid JSON.
type LocalHandler func(t core.Task) (output []byte, err error)

// localDispatcher runs registered handlers, each call on its own goroutine,
// and answers with the input when there is no handler.
type localDispatcher struct {
	*localHandlers
	complete func(core.Task, core.Outcome)
}

type localHandlers struct {
	log      *slog.Logger
	mu       sync.RWMutex
	handlers map[string]LocalHandler
	any      atomic.Bool // there are handlers; without one no lock is taken
}

func (d *localHandlers) handle(name string, h LocalHandler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handlers[name] = h
	d.any.Store(true)
}

func (d *localDispatcher) Dispatch(t core.Task) {
	var h LocalHandler
	if d.any.Load() {
		d.mu.RLock()
		h = d.handlers[t.Spec.Name]
		d.mu.RUnlock()
	}
	if h == nil {
		d.complete(t, core.Outcome{Status: core.Success, Output: t.Input})
		return
	}
	d.start(h, t)
}

// start is a function of its own so that the task of an echo does not escape
// to the heap. The handler runs on the new goroutine: go would evaluate an
// argument here.
func (d *localDispatcher) start(h LocalHandler, t core.Task) {
	go func() { d.complete(t, d.run(h, t)) }()
}

func (d *localHandlers) run(h LocalHandler, t core.Task) (o core.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic in local handler", "function", t.Spec.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			o = core.Outcome{Status: core.Error, Code: "LOCAL_PANIC", Message: fmt.Sprint(p)}
		}
	}()
	output, err := h(t)
	if err != nil {
		return core.Outcome{Status: core.Error, Code: "LOCAL_ERROR", Message: err.Error()}
	}
	return core.Outcome{Status: core.Success, Output: output}
}
