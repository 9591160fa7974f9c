package core

import (
	"cmp"
	"slices"
)

// DeadLetter is async work that failed for good, with what is needed to run it
// again. A sync caller was told and leaves none.
type DeadLetter struct {
	Snapshot
	Input, Metadata []byte
	// Place is its position among the function's, which it keeps: later ones
	// have greater ones. > 0.
	Place uint64

	facts *factLog // nil unless the execution was durable
}

// letterOverhead is what the bound of bytes counts for a letter beside its
// input, so that many small ones are bounded too.
const letterOverhead = 256

// bytes is what MaxDeadLetterBytes counts.
func (l *DeadLetter) bytes() int64 {
	return int64(letterOverhead+len(l.Input)+len(l.Metadata)+len(l.TraceID)+len(l.Idempotency)) + l.Err.bytes() + attemptBytes(l.Attempts)
}

// deadLetters keeps the newest dead letters of each function, by the
// function's name: they outlive its changes, its deletion and the records of
// the executions, up to a TTL of their own. Bounds are a count for each name
// and a number of bytes over all; at the latter the name with the most bytes
// loses its oldest one, so that no function's failures push out the few of
// another. A function's lock may be held when mu is taken, never the other way
// round.
type deadLetters struct {
	perFunction   int
	maxBytes, ttl int64
	journal       Journal
	held          *heldQueue

	mu     mutex
	bytes  int64
	byName map[string]*deadQueue
	bySize bySize // the same
}

// deadQueue has the letters of one name, oldest first.
type deadQueue struct {
	name    string
	place   int // in bySize
	items   []DeadLetter
	last    uint64 // the last place given
	bytes   int64
	dropped int64 // for lack of room
}

func newDeadLetters(cfg *Config, held *heldQueue) *deadLetters {
	return &deadLetters{
		perFunction: cfg.MaxDeadLetters, maxBytes: cfg.MaxDeadLetterBytes, ttl: int64(cfg.DeadLetterTTL),
		byName:  make(map[string]*deadQueue),
		journal: cfg.Journal, held: held,
	}
}

// bury keeps a dead letter of an execution that has just ended for good; the
// caller holds the function's lock and mu.
func (d *deadLetters) bury(ex *execution) {
	if q := d.queue(ex.fn.name); d.perFunction <= 0 {
		q.dropped++
		return
	}
	// Copies: a dead letter outlives its execution, and so would all that its
	// input was allocated with.
	l := DeadLetter{Snapshot: ex.snapshot(), Input: slices.Clone(ex.input)}
	if ex.more != nil {
		l.Metadata = slices.Clone(ex.more.metadata)
		l.facts = ex.more.facts
	}
	q := d.queue(ex.fn.name)
	if l.bytes() > d.maxBytes {
		q.dropped++
		return
	}
	for len(q.items) >= d.perFunction {
		d.dropOldest(q)
	}
	q.last++
	l.Place = q.last
	if l.facts != nil {
		l.facts.users.Add(1)
	}
	q.items = append(q.items, l)
	d.count(q, l.bytes())
	for d.bytes > d.maxBytes {
		d.dropOldest(d.largest())
	}
}

// dropOldest makes room at the expense of one name.
func (d *deadLetters) dropOldest(q *deadQueue) {
	d.remove(q, 0).drop(d.journal)
	q.dropped++
}

// remove takes out the letter at i and returns its facts, which the caller drops.
func (d *deadLetters) remove(q *deadQueue, i int) *factLog {
	facts := q.items[i].facts
	d.count(q, -q.items[i].bytes())
	q.items = slices.Delete(q.items, i, i+1)
	return facts
}

// expire forgets the letters of a name that are past their TTL at a wall time,
// and the name when nothing is left of it. The caller holds mu.
func (d *deadLetters) expire(q *deadQueue, now int64) {
	n := 0
	for n < len(q.items) && now-q.items[n].ended > d.ttl {
		d.count(q, -q.items[n].bytes())
		q.items[n].facts.drop(d.journal)
		n++
	}
	q.items = slices.Delete(q.items, 0, n)
	if len(q.items) == 0 && (n > 0 || q.dropped == 0) {
		d.forget(q)
	}
}

// sweep forgets what is past its TTL at a wall time, and the names that neither
// have letters nor are registered.
func (d *deadLetters) sweep(now int64, registered func(string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, q := range d.byName {
		d.expire(q, now)
		if len(q.items) == 0 && !registered(name) {
			d.forget(q)
		}
	}
}

// find is the queue of a name and the place of a letter in it; -1 when there
// is none. The caller holds mu.
func (d *deadLetters) find(name string, id ID, now int64) (*deadQueue, int) {
	q := d.byName[name]
	if q == nil {
		return nil, -1
	}
	d.expire(q, now)
	return q, slices.IndexFunc(q.items, func(l DeadLetter) bool { return l.ID == id && d.told(&l) })
}

// told says that the end that left a letter is durable: nobody may see it before.
func (d *deadLetters) told(l *DeadLetter) bool {
	return l.facts == nil || d.held.reached(l.facts.last())
}

// shown are a name's letters that may be seen.
func (d *deadLetters) shown(q *deadQueue) []DeadLetter {
	n := len(q.items)
	for n > 0 && !d.told(&q.items[n-1]) { // letters are in the order of their ends
		n--
	}
	return q.items[:n]
}

func (d *deadLetters) get(name string, id ID, now int64) (DeadLetter, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, i := d.find(name, id, now)
	if i < 0 {
		return DeadLetter{}, false
	}
	return q.items[i], true
}

// take removes a letter, returns its facts, which the caller drops, and reports
// whether it was there.
func (d *deadLetters) take(name string, id ID, now int64) (*factLog, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, i := d.find(name, id, now)
	if i < 0 {
		return nil, false
	}
	return d.remove(q, i), true
}

// takeLetter is take for the step that redrives the letter; a replay has none, and
// knows whether it was there.
func (c *Core) takeLetter(fn *Function, in *input, now Instant) (*factLog, bool) {
	if c.replays {
		return nil, !in.letterGone
	}
	return c.dead.take(fn.name, in.letter, now.Wall)
}

// DeadLetterPage is a part of a name's dead letters, newest first. With More set
// there are others, below the Place of the last one.
type DeadLetterPage struct {
	Letters []DeadLetter
	More    bool
	Dropped int64 // older ones that were pushed out for lack of room
}

// lettersOf is the queue of a name, without what is past its TTL; it may be
// empty. The error is ErrNotFound when there is neither a function of that name
// nor a letter. The caller holds mu.
func (c *Core) lettersOf(name string) (*deadQueue, error) {
	q := c.dead.byName[name]
	if q == nil {
		if c.registry.get(name) == nil {
			return nil, ErrNotFound
		}
		return &deadQueue{}, nil
	}
	c.dead.expire(q, c.clock.Now().Wall)
	return q, nil
}

// DeadLetters returns at most limit (> 0) of a name's dead letters, from the
// newest on whose place is below before; 0 = from the newest. The error is
// ErrNotFound when there is neither a function of that name nor a letter.
func (c *Core) DeadLetters(name string, before uint64, limit int) (DeadLetterPage, error) {
	c.dead.mu.Lock()
	defer c.dead.mu.Unlock()
	q, err := c.lettersOf(name)
	if err != nil {
		return DeadLetterPage{}, err
	}
	items := c.dead.shown(q)
	if before > 0 {
		below, _ := slices.BinarySearchFunc(items, before, func(l DeadLetter, place uint64) int { return cmp.Compare(l.Place, place) })
		items = items[:below]
	}
	from := max(len(items)-limit, 0)
	p := DeadLetterPage{Letters: slices.Clone(items[from:]), More: from > 0, Dropped: q.dropped}
	slices.Reverse(p.Letters)
	return p, nil
}

// DeadLetter finds the dead letter of an execution. The error is ErrNotFound.
func (c *Core) DeadLetter(name string, id ID) (DeadLetter, error) {
	if l, ok := c.dead.get(name, id, c.clock.Now().Wall); ok {
		return l, nil
	}
	return DeadLetter{}, ErrNotFound
}

// DeadLetterIDs are the executions of all of a name's dead letters, oldest
// first. The error is ErrNotFound when there is neither a function of that name
// nor a letter.
func (c *Core) DeadLetterIDs(name string) ([]ID, error) {
	c.dead.mu.Lock()
	defer c.dead.mu.Unlock()
	q, err := c.lettersOf(name)
	if err != nil {
		return nil, err
	}
	shown := c.dead.shown(q)
	ids := make([]ID, len(shown))
	for i := range ids {
		ids[i] = shown[i].ID
	}
	return ids, nil
}

// DeadLetterCount is the number of dead letters kept under a name.
func (c *Core) DeadLetterCount(name string) int {
	c.dead.mu.Lock()
	defer c.dead.mu.Unlock()
	if q := c.dead.byName[name]; q != nil {
		return len(q.items)
	}
	return 0
}

// Redrive submits a dead letter's input again, as new async work. The letter
// is removed in the step that accepts the work: it is never both, and never
// neither. tag is the new request's. The error is ErrNotFound, when there is no
// such function or letter, or why Submit refused it; the letter stays then.
func (c *Core) Redrive(name string, id ID, tag uint64) (Result, error) {
	l, ok := c.dead.get(name, id, c.clock.Now().Wall)
	if !ok {
		return Result{}, ErrNotFound
	}
	r := Request{Function: name, Input: l.Input, Metadata: l.Metadata, TraceID: l.TraceID, Tag: tag, letter: id}
	if l.facts != nil { // or it would be neither, after a restart
		r.Durability = DurabilityDisk
	}
	return c.Submit(&r)
}

// PurgeDeadLetters forgets the dead letters of a name and returns how many
// there were. The error is ErrNotFound when there is neither a function of that
// name nor a letter. Nobody may be told of the success before the fact at the
// LSN, if any, is durable.
func (c *Core) PurgeDeadLetters(name string) (int, LSN, error) {
	c.dead.mu.Lock()
	defer c.dead.mu.Unlock()
	q, err := c.lettersOf(name)
	if err != nil {
		return 0, 0, err
	}
	at := c.dead.purge(name, q, c.clock.Now())
	n := len(q.items)
	c.dead.forget(q)
	return n, at, nil
}

// purge puts it into the journal that the letters of a name are gone, and returns
// the fact's place; 0 if no letter is in there. The caller holds mu.
func (d *deadLetters) purge(name string, q *deadQueue, now Instant) (at LSN) {
	if !slices.ContainsFunc(q.items, func(l DeadLetter) bool { return l.facts != nil }) {
		return 0
	}
	at = d.journal.Append(PartitionOf(name), &Fact{Kind: FactPurged, Wall: now.Wall, Function: name})
	d.purged(name, q, at)
	return at
}

// purged drops the facts of a name's letters, which are gone by the fact at a
// place.
func (d *deadLetters) purged(name string, q *deadQueue, at LSN) {
	by := newFactLog(PartitionOf(name))
	by.lsns = append(by.lsns, at)
	for i := range q.items {
		q.items[i].facts.letterGone(by, d.journal)
	}
	by.drop(d.journal)
}
