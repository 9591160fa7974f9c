package telemetry

import (
	"log/slog"
	"sync"
	"time"
)

// LineBudget bounds log lines that strangers or bursts can cause. Those beyond
// it are counted, and the number is logged at the end of the window.
type LineBudget struct {
	Lines  int           // in each window; set before the first use
	Window time.Duration // likewise

	log     *slog.Logger
	rest    string // the message of the line about those left out
	mu      sync.Mutex
	began   time.Time // the window's
	taken   int
	leftOut int64
}

// NewLineBudget allows 20 lines in each 10 s. rest says in the log how many
// others there were.
func NewLineBudget(log *slog.Logger, rest string) *LineBudget {
	return &LineBudget{log: log, rest: rest, Window: 10 * time.Second, Lines: 20}
}

// Take reports whether a line may be written now.
func (b *LineBudget) Take() bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) >= b.Window && b.leftOut == 0 {
		b.began, b.taken = now, 0
	}
	if b.taken < b.Lines {
		b.taken++
		return true
	}
	if b.leftOut == 0 {
		time.AfterFunc(b.Window-now.Sub(b.began), b.Close)
	}
	b.leftOut++
	return false
}

// Close ends the window and logs how many lines it left out.
func (b *LineBudget) Close() {
	b.mu.Lock()
	leftOut := b.leftOut
	b.leftOut, b.began = 0, time.Time{}
	b.mu.Unlock()
	if leftOut > 0 {
		b.log.Warn(b.rest, "count", leftOut)
	}
}
