package sim

import (
	"bytes"
	"slices"

	"simplane/core"
)

// letterModel is what dead letters a name must have: the newest of the async
// executions that failed for good. Its bounds of bytes and time are beyond what
// a scenario reaches.
type letterModel struct {
	items   []letter // oldest first
	dropped int64
}

// letter is a dead letter: whose it is, and what it brings when it is redriven.
type letter struct {
	id            core.ID
	input         []byte
	code, message string // the latter "" where it is core's
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
	m.items = append(m.items, letter{ev.ID, s.input, s.code, s.message})
	if len(m.items) > c.cfg.MaxDeadLetters {
		m.items = m.items[1:]
		m.dropped++
	}
}

// redriven checks core's answer to the redrive of a letter: it is gone once its
// work is accepted, and stays otherwise.
func (c *checker) redriven(f *function, id core.ID, err error) {
	m := &f.letters
	at := m.find(id)
	if at < 0 {
		c.w.fail("dead letters", "%s: letter %s is redriven, which is none (%v)", f.name, id, err)
		return
	}
	if err == nil {
		m.items = append(m.items[:at:at], m.items[at+1:]...)
	}
	c.letters(f)
}

// letters compares core's dead letters of a name with the model.
func (c *checker) letters(f *function) {
	m := &f.letters
	page, err := c.w.core.DeadLetters(f.name, 0, max(c.cfg.MaxDeadLetters, 1))
	got, dropped := page.Letters, page.Dropped
	if err != nil && (f.current != nil || len(m.items) > 0) {
		c.w.fail("dead letters", "%s: %v", f.name, err)
		return
	}
	same := len(got) == len(m.items)
	for i := 0; same && i < len(got); i++ {
		l := &m.items[len(m.items)-1-i]
		same = got[i].ID == l.id && bytes.Equal(got[i].Input, l.input) && says(got[i].Err, l.code, l.message)
	}
	if !same || (len(got) > 0 && dropped != m.dropped) {
		c.w.fail("dead letters", "%s: core has %d and dropped %d, expected %d and %d, newest first", f.name, len(got), dropped, len(m.items), m.dropped)
	}
}
