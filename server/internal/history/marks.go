package history

import (
	"slices"
	"strings"
	"sync"
)

// Mark is something that was done, or that happened, at a time.
type Mark struct {
	AtMillis int64 `json:"atMillis"`
	// Kind is start, registered, updated, deleted, rolled-back, scaled, redriven,
	// settings, rollout, fault or recovered.
	Kind     string `json:"kind"`
	Function string `json:"function,omitempty"` // "" = all are concerned
	Text     string `json:"text"`
	Who      string `json:"who,omitempty"`
}

// maxMarks bounds the marks of all functions together, and maxMarkText the text of one,
// in bytes.
const (
	maxMarks    = 1000
	maxMarkText = 300
)

// Marks keeps the latest ones. It is safe for concurrent use; the zero value is empty.
type Marks struct {
	mu   sync.Mutex
	list []Mark // oldest first
}

// Add puts a mark behind the others; the oldest make room.
func (m *Marks) Add(mark Mark) {
	if len(mark.Text) > maxMarkText {
		mark.Text = strings.ToValidUTF8(mark.Text[:maxMarkText], "") + "…"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) >= maxMarks {
		m.list = slices.Delete(m.list, 0, maxMarks/10)
	}
	m.list = append(m.list, mark)
}

// Of lists, oldest first, the marks since a wall time, ms, that concern a function;
// "" for those of all.
func (m *Marks) Of(function string, fromMillis int64) []Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := []Mark{}
	for _, mark := range m.list {
		if mark.AtMillis >= fromMillis && (function == "" || mark.Function == "" || mark.Function == function) {
			found = append(found, mark)
		}
	}
	return found
}
