package deploy

import (
	"sync"
	"time"

	"simplane/core"
)

// Unregister deletes a function, stops its instances, and returns when its
// queued work has ended. The name is free before that.
//
// Nobody may be told of the success before the fact at the LSN is durable.
func (r *Registrar) Unregister(name string) (core.LSN, error) {
	d, err := r.retire(name)
	if err != nil {
		return 0, err
	}
	r.queues.end(d)
	return d.LSN, nil
}

func (r *Registrar) retire(name string) (*core.Deletion, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, err := r.core.Retire(name)
	if err == nil {
		r.deprovision(d.Function.Spec())
		r.revisions.forget(d.Function)
	}
	return d, err
}

// queueEnds ends the queues of deleted functions, one turn at a time however
// many there are, with a pause after each. Yielding to the scheduler is not
// enough: while some goroutine can run, nobody looks whether requests have come.
type queueEnds struct{ mu sync.Mutex }

const (
	endTurn  = time.Millisecond
	endPause = endTurn / 2
)

func (q *queueEnds) end(d *core.Deletion) {
	for q.turn(d) {
	}
}

// turn reports whether there is more.
func (q *queueEnds) turn(d *core.Deletion) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for began := time.Now(); time.Since(began) < endTurn; {
		if !d.Next() {
			return false
		}
	}
	time.Sleep(endPause)
	return true
}
