package core

// Alarm is a Recorder that wants to know when a function's state contradicts
// itself: then core has a fault, and what is recorded leads to it.
type Alarm interface {
	Recorder
	// Broken says what is wrong with fn after a step that was just recorded. It is
	// called under the function's lock, after each such step, and must return at
	// once and not call back into core.
	Broken(fn *Function, why string)
}

// contradiction looks for a contradiction; "" = there is none. The caller holds fn.mu.
func (fn *Function) contradiction() string {
	q := &fn.queue
	switch {
	case fn.running.Load() < 0:
		return "fewer than no slots are in use"
	case int(fn.depth.Load()) != q.live, q.live != q.fresh.live+q.late.live:
		return "the queue depth is not the number of those in the queue"
	case fn.pauses.Load() < 0, fn.syncQueued < 0, fn.joinQueued < 0:
		return "fewer than none pause or wait"
	}
	return ""
}

// selfCheck raises the alarm if there is a contradiction.
func (fn *Function) selfCheck() {
	if why := fn.contradiction(); why != "" {
		if a, ok := fn.core.recorder.(Alarm); ok {
			a.Broken(fn, why)
		}
	}
}
