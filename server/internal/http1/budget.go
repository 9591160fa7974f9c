package http1

import (
	"container/list"
	"sync"
	"time"
)

// Budget bounds the memory of the bodies that are being read, of all
// connections together. What is short goes to those who ask first. A body that
// has held much for long gives way to them: see settle.
type Budget struct {
	most int64         // bytes
	turn time.Duration // how long a share is safe from those who wait
	now  func() time.Time

	mu      sync.Mutex
	held    int64
	leaving int64 // of held, what gives way and is not back yet
	refused int64
	holders map[*share]struct{}
	queue   list.List // of *share that wait for want bytes
}

// share is one body's part of a budget. It belongs to the goroutine that
// reads, but for what Budget.mu guards.
type share struct {
	of        *Budget
	interrupt func() // makes the read under way end

	// Guarded by Budget.mu.
	held  int64
	since time.Time // when it first asked
	want  int64     // in the queue
	ready chan bool // false: it must give way
	gone  bool      // it must give way
}

// NewBudget makes a budget of so many bytes.
func NewBudget(most int64) *Budget {
	return &Budget{most: most, turn: time.Second, now: time.Now, holders: map[*share]struct{}{}}
}

// Held is how many bytes are in use.
func (b *Budget) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// Refused is how many bodies have been refused, or had to give way.
func (b *Budget) Refused() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

// refuse is ErrBusy if bodies wait already, for a body that is not sent yet.
func (b *Budget) refuse() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue.Len() == 0 {
		return nil
	}
	b.refused++
	return ErrBusy
}

// take adds n bytes to the share; it waits for them, but for no longer than
// until deadline. The error is ErrBusy.
func (s *share) take(n int64, deadline time.Time) error {
	b := s.of
	b.mu.Lock()
	if s.gone {
		b.mu.Unlock()
		return ErrBusy
	}
	now := b.now()
	if s.since.IsZero() {
		s.since = now
	}
	if b.queue.Len() == 0 && b.fits(s, n) {
		b.give(s, n)
		b.mu.Unlock()
		return nil
	}
	s.want, s.ready = n, make(chan bool, 1)
	place := b.queue.PushBack(s)
	b.settle(now)
	b.mu.Unlock()

	// Whoever is to give way may become old enough while nothing else happens.
	look := time.NewTicker(b.turn / 4)
	defer look.Stop()
	for {
		select {
		case ok := <-s.ready:
			if !ok {
				return ErrBusy
			}
			return nil
		case <-look.C:
			b.mu.Lock()
			now = b.now()
			b.settle(now)
			if len(s.ready) == 0 && now.After(deadline) {
				b.queue.Remove(place)
				b.refused++
				b.mu.Unlock()
				return ErrBusy
			}
			b.mu.Unlock()
		}
	}
}

// fits reports whether n more bytes may go to s. A body that is alone always
// has room, also where rounding its buffer up exceeds the budget.
func (b *Budget) fits(s *share, n int64) bool {
	return b.held+n <= b.most || b.held == s.held
}

func (b *Budget) give(s *share, n int64) {
	b.held += n
	s.held += n
	b.holders[s] = struct{}{}
}

// release gives the whole share back. It reports whether the share had to give
// way: then interrupt was called.
func (s *share) release() (gone bool) {
	b := s.of
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= s.held
	if s.gone {
		b.leaving -= s.held
	}
	delete(b.holders, s)
	gone = s.gone
	s.held, s.since, s.gone = 0, time.Time{}, false
	b.settle(b.now())
	return gone
}

// settle serves the queue in order. For its first entry that does not fit, the
// shares that hold most bytes for the longest time, both multiplied, give way,
// as many as it takes: slow senders and large ones, whoever asks.
func (b *Budget) settle(now time.Time) {
	for e := b.queue.Front(); e != nil; e = b.queue.Front() {
		s := e.Value.(*share)
		if !s.gone && !b.fits(s, s.want) {
			b.makeRoom(s, now)
		}
		switch {
		case s.gone:
			s.ready <- false
		case b.fits(s, s.want):
			b.give(s, s.want)
			s.ready <- true
		default:
			return
		}
		b.queue.Remove(e)
	}
}

// makeRoom makes shares give way until s fits once they are back, or none is
// left that has had its turn.
func (b *Budget) makeRoom(s *share, now time.Time) {
	for b.held-b.leaving+s.want > b.most {
		var worst *share
		var most float64
		for h := range b.holders {
			age := now.Sub(h.since)
			if cost := float64(h.held) * age.Seconds(); !h.gone && age >= b.turn && cost > most {
				worst, most = h, cost
			}
		}
		if worst == nil {
			return
		}
		worst.gone = true
		b.refused++
		b.leaving += worst.held
		if worst == s {
			return
		}
		if !b.wake(worst) {
			worst.interrupt()
		}
	}
}

// wake tells a share that waits in the queue that it must give way; false if it
// does not wait, but reads.
func (b *Budget) wake(s *share) bool {
	for e := b.queue.Front(); e != nil; e = e.Next() {
		if e.Value == s {
			b.queue.Remove(e)
			s.ready <- false
			return true
		}
	}
	return false
}
