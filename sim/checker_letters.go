package sim

import (
	"slices"

	"simplane/core"
)

// letterModel is what dead letters a name must have: the newest of the async
// executions that failed for good. Its bounds of bytes and time are beyond what
// a scenario reaches.
type letterModel struct {
	ids     []core.ID // oldest first
	dropped int64
}

// buried notes the end of an execution, which may leave a dead letter.
func (c *checker) buried(ev *core.Event, f *generation) {
	if ev.Sync || ev.Status == core.Success || ev.Code == core.CodeCancelled || ev.Code == core.CodeFunctionDeleted {
		return
	}
	m := &f.function.letters
	m.ids = append(m.ids, ev.ID)
	if len(m.ids) > c.cfg.MaxDeadLetters {
		m.ids = m.ids[1:]
		m.dropped++
	}
}

// redriven checks core's answer to the redrive of a letter: it is gone once its
// work is accepted, and stays otherwise.
func (c *checker) redriven(f *function, letter core.ID, err error) {
	m := &f.letters
	at := slices.Index(m.ids, letter)
	if at < 0 {
		c.w.fail("dead letters", "%s: letter %s is redriven, which is none (%v)", f.name, letter, err)
		return
	}
	if err == nil {
		m.ids = append(m.ids[:at:at], m.ids[at+1:]...)
	}
	c.letters(f)
}

// letters compares core's dead letters of a name with the model.
func (c *checker) letters(f *function) {
	m := &f.letters
	page, err := c.w.core.DeadLetters(f.name, 0, max(c.cfg.MaxDeadLetters, 1))
	got, dropped := page.Letters, page.Dropped
	if err != nil && (f.current != nil || len(m.ids) > 0) {
		c.w.fail("dead letters", "%s: %v", f.name, err)
		return
	}
	same := len(got) == len(m.ids)
	for i := 0; same && i < len(got); i++ {
		same = got[i].ID == m.ids[len(m.ids)-1-i] && got[i].Input != nil
	}
	if !same || (len(got) > 0 && dropped != m.dropped) {
		c.w.fail("dead letters", "%s: core has %d and dropped %d, expected %d and %d, newest first", f.name, len(got), dropped, len(m.ids), m.dropped)
	}
}
