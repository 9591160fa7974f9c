package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// execution is one that was acknowledged and is to outlive everything.
type execution struct {
	id, function, key string
	job               job
	ended             string // status and output as once seen; never another
}

// ledger is what the cluster has answered.
type ledger struct {
	mu       sync.Mutex
	accepted map[string]*execution
	list     []*execution
	keys     map[string]*execution
	answered map[string]int // answers to requests for work, by status and code
	last     map[string]time.Time
	gap      time.Duration // the longest time without an answer of one function
	gapOf    string
	wrong    []string
	strict   bool // nothing may be refused, or go without an answer
}

func newLedger() *ledger {
	return &ledger{accepted: map[string]*execution{}, keys: map[string]*execution{}, answered: map[string]int{}, last: map[string]time.Time{}}
}

func (l *ledger) bad(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// count notes an answer; served says that the function's work was taken or done, strict
// that nothing else was right when it was asked for.
func (l *ledger) count(function, what string, served, strict bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[what]++
	if strict && !served {
		l.wrong = append(l.wrong, fmt.Sprintf("%s, by %s, while nodes were stopped in order", what, function))
	}
	if served {
		l.served(function, time.Now())
	}
}

func (l *ledger) served(function string, now time.Time) {
	if before, known := l.last[function]; known && now.Sub(before) > l.gap {
		l.gap, l.gapOf = now.Sub(before), function
	}
	l.last[function] = now
}

// strictly has every request for work that begins from now on be a mistake unless it is
// served, until the returned function is called.
func (l *ledger) strictly() (end func()) {
	set := func(yes bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.strict = yes
	}
	set(true)
	return func() { set(false) }
}

func (l *ledger) isStrict() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.strict
}

// window begins a new look at gaps.
func (l *ledger) window() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for f := range l.last {
		l.last[f] = now
	}
	l.gap, l.gapOf = 0, ""
}

// longest ends it.
func (l *ledger) longest() (time.Duration, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for f := range l.last {
		l.served(f, now)
	}
	return l.gap, l.gapOf
}

// accept notes an acknowledged execution.
func (l *ledger) accept(e *execution) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.key != "" {
		if first := l.keys[e.key]; first != nil {
			if first.id != e.id {
				l.wrong = append(l.wrong, fmt.Sprintf("key %s led to %s and to %s", e.key, first.id, e.id))
			}
			return
		}
		l.keys[e.key] = e
	}
	if l.accepted[e.id] != nil {
		l.wrong = append(l.wrong, fmt.Sprintf("id %s was given twice", e.id))
		return
	}
	l.accepted[e.id] = e
	l.list = append(l.list, e)
}

// pick is an acknowledged execution; nil = there is none yet.
func (l *ledger) pick(n int) *execution {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 {
		return nil
	}
	return l.list[n%len(l.list)]
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list)
}

// look judges what a node says of an execution, and reports whether it has ended.
func (l *ledger) look(e *execution, status int, body []byte) (ended bool) {
	if status == http.StatusNotFound {
		l.bad("%s of %s was acknowledged and is lost: %s", e.id, e.function, body)
		return true
	}
	if status != http.StatusOK {
		return false // nobody could answer
	}
	var s struct {
		Status string          `json:"status"`
		Output json.RawMessage `json:"output"`
		Error  *struct{ Code string }
	}
	if err := json.Unmarshal(body, &s); err != nil {
		l.bad("%s: %v: %s", e.id, err, body)
		return true
	}
	switch s.Status {
	case "queued", "running":
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.ended != "" {
			l.wrong = append(l.wrong, fmt.Sprintf("%s had ended as %s, and is %s", e.id, e.ended, s.Status))
		}
		return false
	}
	got := fmt.Sprintf("%.100s (%d bytes)", s.Output, len(s.Output))
	now := s.Status + " " + got
	if s.Error != nil {
		now += " " + s.Error.Code
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.ended == "" {
		e.ended = now
		if s.Status == "success" && string(s.Output) != output(e.job.N, e.job.Pad) {
			l.wrong = append(l.wrong, fmt.Sprintf("%s was asked for %d and ended as %s", e.id, e.job.N, now))
		}
	} else if e.ended != now {
		l.wrong = append(l.wrong, fmt.Sprintf("%s ended as %s, and then as %s", e.id, e.ended, now))
	}
	return true
}

func (l *ledger) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := ""
	for _, k := range slices.Sorted(maps.Keys(l.answered)) {
		text += fmt.Sprintf("  %6d %s\n", l.answered[k], k)
	}
	return text
}
