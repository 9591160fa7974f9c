package provider

import (
	"sync"
	"time"
)

// Log streams.
const (
	Stdout = "stdout"
	Stderr = "stderr"
	System = "system" // written by simplane about the instance
)

// LogLine is one line a function wrote, or one line about it.
type LogLine struct {
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"`
	Stream   string    `json:"stream"`
	Text     string    `json:"text"`
}

// Ring keeps the newest log lines, bounded in lines and in bytes.
type Ring struct {
	mu       sync.Mutex
	lines    []LogLine // circular, start is the oldest
	start    int
	count    int
	bytes    int
	maxBytes int
	dropped  uint64
}

// NewRing makes a ring of at most maxLines lines and maxBytes bytes of text,
// both at least 1.
func NewRing(maxLines, maxBytes int) *Ring {
	return &Ring{lines: make([]LogLine, max(1, maxLines)), maxBytes: max(1, maxBytes)}
}

// Add appends a line, dropping the oldest ones that no longer fit. A line
// longer than the whole ring is cut.
func (r *Ring) Add(l LogLine) {
	if len(l.Text) > r.maxBytes {
		l.Text = l.Text[:r.maxBytes]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.count == len(r.lines) || r.count > 0 && r.bytes+len(l.Text) > r.maxBytes {
		r.bytes -= len(r.lines[r.start].Text)
		r.lines[r.start] = LogLine{}
		r.start = (r.start + 1) % len(r.lines)
		r.count--
		r.dropped++
	}
	r.lines[(r.start+r.count)%len(r.lines)] = l
	r.count++
	r.bytes += len(l.Text)
}

// Tail returns the newest n lines, oldest first; n <= 0 means all.
func (r *Ring) Tail(n int) []LogLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n <= 0 || n > r.count {
		n = r.count
	}
	out := make([]LogLine, n)
	for i := range out {
		out[i] = r.lines[(r.start+r.count-n+i)%len(r.lines)]
	}
	return out
}

// Dropped counts the lines that made room for newer ones.
func (r *Ring) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}
