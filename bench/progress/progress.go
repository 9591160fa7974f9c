// Package progress shows one line of live status, on terminals only.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Line is a status line that overwrites itself. The zero value and nil are
// silent.
type Line struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool
}

// On returns a line on f, silent unless f is a terminal.
func On(f *os.File) *Line {
	if !term.IsTerminal(int(f.Fd())) {
		return &Line{}
	}
	return &Line{w: f}
}

// Printf replaces the line.
func (l *Line) Printf(format string, args ...any) {
	if l == nil || l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, "\r\x1b[K"+format, args...)
	l.shown = true
}

// Clear removes the line, for lasting output.
func (l *Line) Clear() {
	if l == nil || l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		_, _ = io.WriteString(l.w, "\r\x1b[K")
		l.shown = false
	}
}
