package httpjson

import (
	"sync/atomic"
	"time"
)

// Places bounds how many long answers are written at once, and how many
// requests wait for another's end.
type Places struct {
	taken    chan struct{}
	waiting  atomic.Int32
	most     int32
	patience time.Duration
}

// NewPlaces makes so many places, for which so many requests may wait, each as
// long as patience.
func NewPlaces(places, waiting int, patience time.Duration) *Places {
	return &Places{taken: make(chan struct{}, places), most: int32(waiting), patience: patience}
}

// Take takes a place, which is given back with Leave. False means that there
// was none in time, or that too many wait already.
func (p *Places) Take() bool {
	select {
	case p.taken <- struct{}{}:
		return true
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.most {
		return false
	}
	enough := time.NewTimer(p.patience)
	defer enough.Stop()
	select {
	case p.taken <- struct{}{}:
		return true
	case <-enough.C:
		return false
	}
}

// Leave gives a place back.
func (p *Places) Leave() { <-p.taken }
