package world

// callerTies is the stream of the callers' tie-breaks; see arrivalTies.
const callerTies = 11

// tries are those of a caller that tries again.
type tries struct {
	load        int32
	number, key int // as draws.Load.Brings; each try brings the same
	input       []byte
	first       int64 // virtual ns of the first one
	made        int   // so far, but for the first
}

// callers are all that wait to try again.
type callers struct {
	due    []*tries // by the index of their event
	free   []int32
	count  int
	again  []int64 // by function: tries after the first
	failed []int64 // and callers that have given up
}

// tried says how a try has ended. After one without success its caller makes another,
// unless it has made enough or it is too late.
func (w *World) tried(t *tries, success bool) {
	if success {
		return
	}
	l := &w.loads[t.load]
	how := &l.calls.Decl.Callers
	pause := l.calls.Pause(t.made + 1)
	if t.made == how.Retries || how.Patience > 0 && w.loop.Now()+pause-t.first >= int64(how.Patience) {
		w.callers.failed[l.backend.number]++
		return
	}
	c := &w.callers
	var i int32
	if n := len(c.free); n > 0 {
		i, c.free = c.free[n-1], c.free[:n-1]
	} else {
		i = int32(len(c.due))
		c.due = append(c.due, nil)
	}
	c.due[i] = t
	c.count++
	w.comeBack.In(pause, i)
}

// again makes the next try of a caller.
func (w *World) again(i int32) {
	c := &w.callers
	t := c.due[i]
	c.due[i], c.free = nil, append(c.free, i)
	c.count--
	t.made++
	c.again[w.loads[t.load].backend.number]++
	w.call(t.load, t.key, t.number, t.input, t)
}

// Callers is how often callers of a function have tried again, and how many have
// given up.
func (w *World) Callers(fn int) (again, failed int64) {
	return w.callers.again[fn], w.callers.failed[fn]
}
