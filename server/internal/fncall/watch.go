package fncall

import (
	"errors"
	"net"
	"sync"
	"time"
)

// lookPace is how often it is looked whether the caller of an answer has left.
const lookPace = time.Second

var errGone = errors.New("it has closed its connection")

// watch looks after the caller of an answer that has begun, and breaks the connection to
// the function off when the caller has left. A function that is silent amid its answer, as
// a feed of events often is, writes nothing by which that would be noticed: its slot would
// be taken until its timeout.
type watch struct {
	caller Caller
	conn   net.Conn

	mu    sync.Mutex
	timer *time.Timer
	over  bool // conn is not looked after any more: it may be used for another call
	left  bool
}

func watchCaller(caller Caller, conn net.Conn) *watch {
	w := &watch{caller: caller, conn: conn}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(lookPace, w.look)
	return w
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case w.caller.Left():
		w.left = true
		breakOff(w.conn)
	default:
		w.timer.Reset(lookPace)
	}
}

// end ends it, and reports whether it has broken the connection off. A nil watch has not.
func (w *watch) end() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
	return w.left
}
