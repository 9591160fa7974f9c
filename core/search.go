package core

import (
	"bytes"
	"math"
	"slices"
	"time"
)

// Search says which executions are listed; the zero value of a field is any.
// A field that narrows adds to the others.
type Search struct {
	Function string
	Statuses Statuses
	// Code is of the error, Key the Idempotency-Key. Executions are found by
	// them until they are cleaned up.
	Code, Key string
	// Since and Before bound the time of creation, in milliseconds since 1970:
	// from Since on, and earlier than Before. 0 = no bound.
	Since, Before int64
	After         Position // where the page before ended; the zero value is the newest
	Limit         int      // > 0
}

// Statuses is a set of statuses. The empty set means all of them.
type Statuses uint8

// With returns the set with s in it.
func (set Statuses) With(s Status) Statuses { return set | 1<<s }

func (set Statuses) has(s Status) bool { return set == 0 || set&(1<<s) != 0 }

// Position is an execution's place in the order of creation, which it keeps as
// long as it lives.
type Position struct {
	Created int64 // ns since 1970
	ID      ID
}

// older reports whether p comes after q when the newest come first.
func (p Position) older(q Position) bool {
	return p.Created < q.Created || p.Created == q.Created && bytes.Compare(p.ID[:], q.ID[:]) < 0
}

// Found is an execution and its position.
type Found struct {
	Snapshot
	Position Position
}

// Page is a part of what a search finds, the newest first. With More set there
// may be others: the same Search with After set to Next finds them. A page can
// be empty and have More set.
type Page struct {
	Executions []*Found
	More       bool
	Next       Position
}

// searchBudget bounds how many executions one page looks at, which takes some
// tens of milliseconds.
const searchBudget = 1 << 18

// Search finds executions that are kept, whatever became of their functions,
// in the order of creation, newest first. Pages joined have each execution that
// is kept and matches throughout exactly once.
func (c *Core) Search(q *Search) Page { return SearchAll([]*Core{c}, q) }

// SearchAll is Search over several cores as if they were one. They have one clock,
// and no two have an execution in common.
func SearchAll(cores []*Core, q *Search) Page { return searchWithin(cores, q, searchBudget) }

func searchWithin(cores []*Core, q *Search, budget int) Page {
	if len(cores) == 0 {
		return Page{}
	}
	s := search{Search: q, now: cores[0].clock.Now(), since: math.MinInt64, budget: budget}
	if q.Since != 0 {
		s.since = nanos(q.Since)
	}
	s.begin(cores)
	return s.page()
}

// nanos is a time in milliseconds in ns, held down to the range.
func nanos(ms int64) int64 {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return min(max(ms, -most), most) * int64(time.Millisecond)
}

// nameTag is a function's tag: equal for equal names, so that one of 256 other
// functions has it too.
func nameTag(name string) uint8 { return uint8(hashString(hashSeed, name)) }

// search is one page in the making. It merges walks over the shards, each from
// the newest execution to the oldest.
type search struct {
	*Search
	now    Instant
	upto   Position // what is listed is older
	since  int64    // and created at this time, wall ns, or later
	want   candidates
	walks  []walk // a heap: the one that may have the newest comes first
	shards int    // of all stores
	found  []*Found
	budget int
	batch  []*execution
}

type walk struct {
	backwards
	shard *storeShard
}

func (s *search) begin(cores []*Core) {
	s.upto = s.After
	if s.upto == (Position{}) {
		s.upto.Created = math.MaxInt64
	}
	if before := (Position{Created: nanos(s.Before)}); s.Before != 0 && before.older(s.upto) {
		s.upto = before
	}
	failures := Statuses(0).With(Error).With(Timeout)
	s.want.failed = s.Code != "" || s.Statuses != 0 && s.Statuses&^failures == 0
	if s.Function != "" {
		s.want.tagged, s.want.tag = true, nameTag(s.Function)
	}
	for _, c := range cores {
		if s.unfinishedOnly() {
			if queued, inFlight := c.Unfinished(); queued+inFlight == 0 && c.held.count.Load() == 0 {
				continue
			}
		}
		s.walk(c.store.shards)
	}
	for i := len(s.walks)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
}

// walk adds a walk over each shard.
func (s *search) walk(shards []storeShard) {
	s.walks = slices.Grow(s.walks, len(shards))
	s.shards += len(shards)
	for i := range shards {
		sh := &shards[i]
		sh.mu.Lock()
		w := sh.records.backFrom(s.upto.Created)
		sh.mu.Unlock()
		if !w.ended {
			s.walks = append(s.walks, walk{w, sh})
		}
	}
}

// unfinishedOnly reports whether nothing that has ended is listed.
func (s *search) unfinishedOnly() bool {
	unfinished := Statuses(0).With(Queued).With(Running)
	return s.Statuses != 0 && s.Statuses&^unfinished == 0
}

// page walks until what is left is older than the page's last.
func (s *search) page() Page {
	// A shard has about this many of a page, and twice that is seldom needed.
	atOnce := min(max(2*s.Limit/max(s.shards, 1), 4), 64)
	var p Page
	for len(s.walks) > 0 {
		w := &s.walks[0]
		if w.bound < s.since || s.full() && s.found[s.Limit].Position.Created > w.bound {
			break
		}
		// Where many were created at once, or the clock was set back, it takes
		// more than the budget to get on.
		if next := (Position{Created: w.bound + 1}); s.budget <= 0 && next.older(s.upto) {
			p.More, p.Next = true, next
			break
		}
		s.step(w, atOnce)
	}
	// What is not newer than that is for the next page.
	for p.More && len(s.found) > 0 && s.found[len(s.found)-1].Position.Created < p.Next.Created {
		s.found = s.found[:len(s.found)-1]
	}
	if s.full() {
		s.found = s.found[:s.Limit]
		p.More, p.Next = true, s.found[s.Limit-1].Position
	}
	p.Executions = s.found
	return p
}

// full reports whether the page has one more than its limit.
func (s *search) full() bool { return len(s.found) > s.Limit }

// step takes the first walk a step on.
func (s *search) step(w *walk, atOnce int) {
	w.shard.mu.Lock()
	s.batch = w.shard.records.back(&w.backwards, s.want, atOnce, s.batch[:0])
	w.shard.mu.Unlock()
	s.budget -= max(len(s.batch), 1)
	for _, ex := range s.batch {
		s.look(ex)
	}
	if w.ended {
		last := len(s.walks) - 1
		s.walks[0] = s.walks[last]
		s.walks = s.walks[:last]
	}
	s.sink(0)
}

// look adds ex to the page if it matches. What never changes is read without
// the function's lock.
func (s *search) look(ex *execution) {
	at := Position{ex.created, ex.id}
	switch {
	case ex.created < s.since, !at.older(s.upto), s.Function != "" && ex.fn.name != s.Function:
		return
	case s.full() && at.older(s.found[s.Limit].Position):
		return
	}
	f := s.matching(ex)
	if f == nil {
		return
	}
	f.Position = at
	i, _ := slices.BinarySearchFunc(s.found, at, func(f *Found, at Position) int {
		if f.Position.older(at) {
			return 1
		}
		return -1
	})
	if s.full() {
		s.found = s.found[:s.Limit]
	}
	s.found = slices.Insert(s.found, i, f)
}

func (s *search) matching(ex *execution) *Found {
	ex.fn.mu.Lock()
	defer ex.fn.mu.Unlock()
	c := ex.fn.core
	if c.endHeld(ex) {
		return s.open(ex)
	}
	switch {
	case c.expired(ex, s.now) || !s.Statuses.has(ex.status):
		return nil
	case s.Code != "" && (ex.err == nil || ex.err.Code != s.Code):
		return nil
	case s.Key != "" && (ex.more == nil || ex.more.idempotencyKey != s.Key):
		return nil
	}
	f := &Found{Snapshot: c.visible(ex, s.now, c.endHeld(ex))}
	if s.Code != "" && f.Err == nil || s.Key != "" && f.Idempotency == "" {
		return nil // due for cleanup
	}
	return f
}

// open is matching of an execution whose end is not durable yet.
func (s *search) open(ex *execution) *Found {
	c := ex.fn.core
	f := &Found{Snapshot: c.visible(ex, s.now, c.endHeld(ex))}
	if !s.Statuses.has(f.Status) || s.Code != "" || s.Key != "" && f.Idempotency != s.Key {
		return nil
	}
	return f
}

// sink moves walk i down the heap to where it belongs.
func (s *search) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(s.walks) {
			return
		}
		if child+1 < len(s.walks) && s.walks[child+1].bound > s.walks[child].bound {
			child++
		}
		if s.walks[i].bound >= s.walks[child].bound {
			return
		}
		s.walks[i], s.walks[child] = s.walks[child], s.walks[i]
		i = child
	}
}
