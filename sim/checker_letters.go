package sim

import (
	"bytes"
	"errors"
	"slices"

	"simplane/core"
	"simplane/sim/internal/world"
)

// letterModel is what dead letters a name must have: the newest of the async
// executions that failed for good.
type letterModel struct {
	items   []letter // oldest first
	bytes   int64
	changed bool
	dropped int64 // -1 = not known: core forgets it with the last letter
}

// letter is a dead letter: whose it is, and what it brings when it is redriven.
type letter struct {
	id       core.ID
	input    []byte
	with     *world.Beside // beside it
	failures failures
	ended    int64 // wall ns
	bytes    int64
}

// find is the place of an execution's letter; -1 = there is none.
func (m *letterModel) find(id core.ID) int {
	return slices.IndexFunc(m.items, func(l letter) bool { return l.id == id })
}

// buried notes the end of an execution, which may leave a dead letter.
func (c *checker) buried(ev *core.Event, f *generation, slot int32) {
	if ev.Sync || ev.Status == core.Success || ev.Code == core.CodeCancelled || ev.Code == core.CodeFunctionDeleted {
		return
	}
	m := &f.function.letters
	s := &c.sayings[slot]
	l := letter{id: ev.ID, input: s.input, with: s.with, failures: *s.failures(), ended: ev.At.Wall}
	if c.cfg.MaxDeadLetters <= 0 {
		m.drop()
		return
	}
	if l.bytes = c.letterBytes(&l); l.bytes > c.cfg.MaxDeadLetterBytes {
		m.drop()
		return
	}
	for len(m.items) >= c.cfg.MaxDeadLetters {
		c.remove(m, 0)
		m.drop()
	}
	if c.cfg.DeadLetterTTL != c.letterTTL {
		c.letterQueue = append(c.letterQueue, letterProbe{c.w.loop.Now() + int64(c.cfg.DeadLetterTTL), f.function, l.id})
	}
	m.items, m.changed = append(m.items, l), true
	m.bytes += l.bytes
	c.letterBytesHeld += l.bytes
	for c.letterBytesHeld > c.cfg.MaxDeadLetterBytes {
		biggest := c.mostLetters()
		c.remove(biggest, 0)
		biggest.drop()
	}
}

// drop counts a letter that is lost for lack of room.
func (m *letterModel) drop() {
	if m.dropped >= 0 {
		m.dropped++
	}
}

func (c *checker) remove(m *letterModel, i int) {
	m.bytes -= m.items[i].bytes
	c.letterBytesHeld -= m.items[i].bytes
	m.items = append(m.items[:i:i], m.items[i+1:]...)
}

// letterBytes is what a letter counts. Only where the bound can be reached is core
// asked for the lengths of its error and of those of its earlier attempts.
func (c *checker) letterBytes(l *letter) int64 {
	const beside = 256
	if c.cfg.MaxDeadLetterBytes == c.letterBound {
		return 0
	}
	n := int64(beside + len(l.input) + len(l.with.Metadata) + len(l.with.TraceID))
	s, _ := c.w.core.Execution(l.id)
	if s.Err != nil {
		n += int64(len(s.Err.Code) + len(s.Err.Message))
		if rec, _ := c.w.find(l.id); !rec.failed {
			n -= int64(len(s.Err.Code) + len(s.Err.Message)) // core's own
		}
	}
	for i := range s.Attempts {
		n += int64(len(s.Attempts[i].Err.Code) + len(s.Attempts[i].Err.Message))
	}
	return n + int64(len(s.Idempotency))
}

// mostLetters is the name whose letters have the most bytes; of equal ones the first.
func (c *checker) mostLetters() *letterModel {
	var most *function
	for _, f := range c.w.functions {
		if most == nil || f.letters.bytes > most.letters.bytes || f.letters.bytes == most.letters.bytes && f.name < most.name {
			most = f
		}
	}
	return &most.letters
}

// expireLetters forgets those of a name that are past their TTL, and says whether the
// rest is known: a clock that jumps leaves open which a sweep has met, and those that
// none has met yet take room from others.
func (c *checker) expireLetters(m *letterModel) (known bool) {
	n, now := 0, c.w.clock.Wall()
	for n < len(m.items) && now-m.items[n].ended > int64(c.cfg.DeadLetterTTL) {
		n++
	}
	for range n {
		c.remove(m, 0)
	}
	if c.cfg.DeadLetterTTL == c.letterTTL {
		return true
	}
	m.dropped = -1 // how many of those were past their TTL is not known
	return !c.jumps && c.cfg.MaxDeadLetterBytes == c.letterBound
}

// purged checks core's answer to the purge of a name's letters.
func (c *checker) purged(f *function, n int, err error) {
	m := &f.letters
	known := c.expireLetters(m)
	switch {
	case err != nil && (f.current != nil || len(m.items) > 0):
		c.w.fail("dead letters", "%s: a purge is answered with %v", f.name, err)
	case known && n != len(m.items):
		c.w.fail("dead letters", "%s: %d are purged, expected %d", f.name, n, len(m.items))
	}
	for len(m.items) > 0 {
		c.remove(m, 0)
	}
	m.dropped = -1
}

// redrives notes that the call being made is accepted: if it redrives a letter, that
// is gone.
func (c *checker) redrives(f *function) {
	if c.letter == (core.ID{}) || f == nil {
		return
	}
	if at := f.letters.find(c.letter); at >= 0 {
		c.remove(&f.letters, at)
	} else if c.expireLetters(&f.letters) {
		c.w.fail("dead letters", "%s: letter %s is redriven, which is none", f.name, c.letter)
	}
	c.letter = core.ID{}
}

// redriven checks core's answer to the redrive of a letter, which stays when its work
// was refused.
func (c *checker) redriven(f *function, id core.ID, err error) {
	known := c.expireLetters(&f.letters)
	switch at := f.letters.find(id); {
	case !known:
	case err == nil && at >= 0, err != nil && at < 0 != errors.Is(err, core.ErrNotFound) && f.current != nil:
		c.w.fail("dead letters", "%s: the redrive of letter %s is answered with %v; is it there: %v", f.name, id, err, at >= 0)
	}
	c.letters(f)
}

// letters compares core's dead letters of a name with the model.
func (c *checker) letters(f *function) {
	m := &f.letters
	m.changed = false
	if f.current == nil {
		m.dropped = -1 // a sweep forgets the name without letters
	}
	if !c.expireLetters(m) {
		return
	}
	var got []core.DeadLetter
	limit := 7
	page, err := c.w.core.DeadLetters(f.name, 0, limit)
	for err == nil {
		if len(page.Letters) > limit {
			c.w.fail("dead letters", "%s: a page of %d has %d", f.name, limit, len(page.Letters))
			return
		}
		got = append(got, page.Letters...)
		if !page.More {
			break
		}
		if len(page.Letters) < limit {
			c.w.fail("dead letters", "%s: a page of %d has %d, and there are more", f.name, limit, len(page.Letters))
			return
		}
		limit = 1 + len(got)
		page, err = c.w.core.DeadLetters(f.name, got[len(got)-1].Place, limit)
	}
	if err != nil && (f.current != nil || len(m.items) > 0) {
		c.w.fail("dead letters", "%s: %v", f.name, err)
		return
	}
	ids, _ := c.w.core.DeadLetterIDs(f.name)
	same := len(got) == len(m.items) && len(ids) == len(got)
	for i := 0; same && i < len(got); i++ {
		same = ids[i] == m.items[i].id && got[i].Place > 0 && (i == 0 || got[i].Place < got[i-1].Place)
	}
	for i := 0; same && i < len(got); i++ {
		same = m.items[len(m.items)-1-i].is(&got[i])
	}
	if len(got) > 0 && m.dropped < 0 {
		m.dropped = page.Dropped
	}
	if !same || (len(got) > 0 && page.Dropped != m.dropped) {
		c.w.fail("dead letters", "%s: core has %d and dropped %d, expected %d and %d, newest first", f.name, len(got), page.Dropped, len(m.items), m.dropped)
		return
	}
	if n := len(m.items); n > 0 {
		one, err := c.w.core.DeadLetter(f.name, m.items[n/2].id)
		if err != nil || !m.items[n/2].is(&one) || c.w.core.DeadLetterCount(f.name) != n {
			c.w.fail("dead letters", "%s: the letter of execution %s: %v, %+v", f.name, m.items[n/2].id, err, one)
		}
	}
}

// is compares a letter with core's.
func (l *letter) is(got *core.DeadLetter) bool {
	return got.ID == l.id && bytes.Equal(got.Input, l.input) && l.failures.say(got.Err) &&
		remembersAll(l.failures.tries, got.Attempts) &&
		bytes.Equal(got.Metadata, l.with.Metadata) && got.TraceID == l.with.TraceID
}
