package core

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// DeadLetter is an execution that failed and may not be retried any more,
// with what is needed to run it again.
type DeadLetter struct {
	Snapshot
	Input, Metadata []byte
	// Place is its position among the function's, which it keeps: later ones
	// have greater ones. > 0.
	Place uint64
}

// deadLetters keeps a function's newest dead letters, oldest first, within a
// count and, over all functions, a number of bytes. It outlives the TTL of the
// executions. The function's lock guards it.
type deadLetters struct {
	items   []DeadLetter
	last    uint64 // the last place given
	dropped int64  // pushed out by newer ones
}

// deadLetterBudget is shared by all functions of a core.
type deadLetterBudget struct {
	perFunction int
	maxBytes    int64
	bytes       atomic.Int64
}

// bytes is what MaxDeadLetterBytes counts.
func (l *DeadLetter) bytes() int64 {
	return int64(len(l.Input)+len(l.Metadata)+len(l.TraceID)+len(l.Idempotency)) + l.Err.bytes()
}

// add keeps a letter, a new one or one that was taken, at the expense of the function's oldest ones where a
// bound says so; a letter that fits nowhere is dropped and counted.
func (d *deadLetters) add(l DeadLetter, budget *deadLetterBudget) {
	for len(d.items) > 0 && (len(d.items) >= budget.perFunction || budget.bytes.Load()+l.bytes() > budget.maxBytes) {
		d.take(0, budget)
		d.dropped++
	}
	if budget.perFunction <= 0 || budget.bytes.Load()+l.bytes() > budget.maxBytes {
		d.dropped++
		return
	}
	budget.bytes.Add(l.bytes())
	if l.Place == 0 {
		d.last++
		l.Place = d.last
	}
	d.items = slices.Insert(d.items, d.below(l.Place), l)
}

// below is how many letters have a place below this one.
func (d *deadLetters) below(place uint64) int {
	i, _ := slices.BinarySearchFunc(d.items, place, func(l DeadLetter, place uint64) int { return cmp.Compare(l.Place, place) })
	return i
}

// take removes and returns the letter at i.
func (d *deadLetters) take(i int, budget *deadLetterBudget) DeadLetter {
	l := d.items[i]
	budget.bytes.Add(-l.bytes())
	copy(d.items[i:], d.items[i+1:])
	d.items[len(d.items)-1] = DeadLetter{}
	d.items = d.items[:len(d.items)-1]
	return l
}

func (d *deadLetters) find(id ID) int {
	for i := range d.items {
		if d.items[i].ID == id {
			return i
		}
	}
	return -1
}

// bury makes a dead letter of an execution that has just failed for good; the
// caller holds fn.mu.
func (fn *Function) bury(ex *execution) {
	// Copies: a dead letter outlives its execution, and so would all that its
	// input was allocated with.
	l := DeadLetter{Snapshot: ex.snapshot(), Input: slices.Clone(ex.input)}
	if ex.more != nil {
		l.Metadata = slices.Clone(ex.more.metadata)
	}
	fn.dead.add(l, &fn.core.deadBudget)
}

// DeadLetterPage is a part of a function's dead letters, newest first. With
// More set there are others, below the Place of the last one.
type DeadLetterPage struct {
	Letters []DeadLetter
	More    bool
	Dropped int64 // older ones that were pushed out for lack of room
}

// DeadLetters returns at most limit (> 0) of a function's dead letters, from
// the newest on whose place is below before; 0 = from the newest. The error is
// ErrNotFound.
func (c *Core) DeadLetters(name string, before uint64, limit int) (DeadLetterPage, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return DeadLetterPage{}, ErrNotFound
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	items := fn.dead.items
	if before > 0 {
		items = items[:fn.dead.below(before)]
	}
	from := max(len(items)-limit, 0)
	p := DeadLetterPage{Letters: slices.Clone(items[from:]), More: from > 0, Dropped: fn.dead.dropped}
	slices.Reverse(p.Letters)
	return p, nil
}

// DeadLetter finds the dead letter of an execution. The error is ErrNotFound.
func (c *Core) DeadLetter(name string, id ID) (DeadLetter, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return DeadLetter{}, ErrNotFound
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	if i := fn.dead.find(id); i >= 0 {
		return fn.dead.items[i], nil
	}
	return DeadLetter{}, ErrNotFound
}

// DeadLetterIDs are the executions of all of a function's dead letters, oldest
// first. The error is ErrNotFound.
func (c *Core) DeadLetterIDs(name string) ([]ID, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return nil, ErrNotFound
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	ids := make([]ID, len(fn.dead.items))
	for i := range ids {
		ids[i] = fn.dead.items[i].ID
	}
	return ids, nil
}

// Redrive submits a dead letter's input again, as new async work, and removes
// the letter once that is accepted. The error is ErrNotFound, when there is no
// such function or letter, or why Submit refused it; the letter is kept then.
func (c *Core) Redrive(name string, id ID) (Result, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return Result{}, ErrNotFound
	}
	// Taken out first, so that two callers cannot both redrive it.
	var fx effects
	fn.step(&input{kind: stepTakeLetter, now: c.clock.Now(), letterID: id}, &fx)
	l := fx.letter
	if l == nil {
		return Result{}, ErrNotFound
	}
	res, err := c.Submit(&Request{Function: name, Input: l.Input, Metadata: l.Metadata, TraceID: l.TraceID})
	if err != nil {
		c.take(fn, &input{kind: stepPutLetter, now: c.clock.Now(), letter: l})
	}
	return res, err
}

// takeLetter takes the dead letter of an execution out; the caller holds fn.mu.
func (fn *Function) takeLetter(id ID, fx *effects) {
	if i := fn.dead.find(id); i >= 0 {
		l := fn.dead.take(i, &fn.core.deadBudget)
		fx.letter = &l
	}
}

// PurgeDeadLetters forgets a function's dead letters and returns how many
// there were. The error is ErrNotFound.
func (c *Core) PurgeDeadLetters(name string) (int, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return 0, ErrNotFound
	}
	var fx effects
	fn.step(&input{kind: stepPurgeLetters, now: c.clock.Now()}, &fx)
	return fx.count, nil
}

// purgeLetters empties fn's dead letters and returns how many there were; the
// caller holds fn.mu.
func (fn *Function) purgeLetters() int {
	n := len(fn.dead.items)
	for len(fn.dead.items) > 0 {
		fn.dead.take(len(fn.dead.items)-1, &fn.core.deadBudget)
	}
	return n
}
