package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// ledger is the client's record of every accepted execution. At the end it
// must agree with the server's.
type ledger struct {
	mu         sync.Mutex
	ids        map[string]*entry
	counts     map[string]*counts // by function
	refused    map[string]int     // answers that promised nothing, by code
	left       map[*function]int  // callers who hung up and heard no id
	violations []string
	broken     int // violations, those not kept included
}

type entry struct {
	f       *function
	j       job
	outcome string    // "" until it has ended
	output  bool      // the outcome had an output, which cleaning up takes away
	ended   time.Time // when the client knew
	invoked bool      // by a caller who waits, who may have no time for a retry
}

type counts struct {
	Accepted int `json:"accepted"`
	Success  int `json:"success"`
	Error    int `json:"error"`
	Timeout  int `json:"timeout"`
}

func newLedger() *ledger {
	return &ledger{ids: map[string]*entry{}, counts: map[string]*counts{}, refused: map[string]int{}, left: map[*function]int{}}
}

// violate notes that a promise was broken.
func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violateLocked(format, args...)
}

func (l *ledger) violateLocked(format string, args ...any) {
	const kept = 50
	if l.broken++; l.broken <= kept {
		l.violations = append(l.violations, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) refuse(code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[code]++
}

// unheard books refusals after a wait whose callers had hung up.
func (l *ledger) unheard(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n != 0 {
		l.refused["QUEUE_WAIT, caller gone"] += n
	}
}

// hungUp notes a caller of f who left without having heard an id.
func (l *ledger) hungUp(f *function) {
	l.mu.Lock()
	l.left[f]++
	l.mu.Unlock()
}

// cancelled is how many executions the server may have beyond what client counted
// because their callers had left: all ended as errors. -1 if they cannot be that.
func (l *ledger) cancelled(f *function, mine, theirs counts) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := theirs.Accepted - mine.Accepted
	mine.Accepted, mine.Error = mine.Accepted+n, mine.Error+n
	if n < 0 || n > l.left[f] || mine != theirs {
		return -1
	}
	if n > 0 {
		l.refused["CANCELLED, caller gone"] += n
	}
	return n
}

// calledAs notes how the execution was asked for.
func (l *ledger) calledAs(id, action string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.ids[id]; e != nil && action == ":invoke" {
		e.invoked = true
	}
}

// queueWaits counts the executions of f that are known to have waited too long.
func (l *ledger) queueWaits(f *function) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.ids {
		if e.f == f && strings.HasPrefix(e.outcome, "error QUEUE_WAIT ") {
			n++
		}
	}
	return n
}

// accept notes the id that the server gave a job. again says that an earlier
// answer may have named it already.
func (l *ledger) accept(f *function, j job, id string, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.ids[id]
	switch {
	case id == "":
		l.violateLocked("%s: accepted without an execution id", f.name)
	case e == nil:
		l.ids[id] = &entry{f: f, j: j}
		l.of(f).Accepted++
	case !again:
		l.violateLocked("id %s was given to two requests", id)
	case e.f != f || e.j != j:
		l.violateLocked("id %s was given to job %d of %s and to job %d of %s", id, e.j.N, e.f.name, j.N, f.name)
	}
}

func (l *ledger) of(f *function) *counts {
	c := l.counts[f.name]
	if c == nil {
		c = &counts{}
		l.counts[f.name] = c
	}
	return c
}

// look notes what an execution looked like to a request made at asked, and
// complains if it changed after its end or ended in a way that nothing
// explains. It reports the end.
func (l *ledger) look(s seen, asked time.Time) (ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.ids[s.ID]
	if e == nil {
		l.violateLocked("id %s was never given to anybody", s.ID)
		return true
	}
	if e.outcome != "" {
		if !s.terminal() && asked.Before(e.ended) {
			return true // an older view whose answer came later
		}
		s.restore(e)
		if now := s.outcome(); now != e.outcome {
			l.violateLocked("id %s of %s ended twice: %q, then %q", s.ID, e.f.name, e.outcome, now)
		}
		return true
	}
	if !s.terminal() {
		return false
	}
	e.outcome, e.output, e.ended = s.outcome(), s.Output != nil, time.Now()
	c := l.of(e.f)
	switch s.Status {
	case "success":
		c.Success++
	case "error":
		c.Error++
	default:
		c.Timeout++
	}
	if why := e.f.wrong(e.j, s, e.invoked); why != "" {
		l.violateLocked("id %s: %s", s.ID, why)
	}
	return true
}

// restore gives a cleaned-up execution its output back, so that only what may
// not change is compared.
func (s *seen) restore(e *entry) {
	if s.CleanedUp && e.output && s.Output == nil {
		s.Output = []byte(e.outcome[len(s.Status)+len(s.code())+2:])
	}
}

// unfinished lists executions that were promised and never seen to end.
func (l *ledger) unfinished() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id, e := range l.ids {
		if e.outcome == "" {
			ids = append(ids, id)
		}
	}
	return ids
}
