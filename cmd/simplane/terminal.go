package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// Outputs, logs, error messages and names come from functions and from whoever
// registered them. A terminal obeys what it reads in them: escape sequences
// move the cursor, rewrite lines above, set the title or the clipboard; controls
// for right-to-left text show other words than are there. So on a terminal all
// of it is shown, and nothing obeyed. Into pipes and files bytes go as they are.

// visible writes out what a terminal would obey, as JSON does: \u001b. Bytes
// that are not UTF-8 become \x9b. Line ends and tabs stay.
func visible(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\r' && strings.HasPrefix(s[i+size:], "\n"):
		case !obeyed(r):
			b.WriteString(s[i : i+size])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// obeyed reports whether a terminal or its text layout might act on r rather
// than show it. The joiners of scripts and emoji are shown.
func obeyed(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d':
		return false
	}
	return !unicode.IsGraphic(r)
}

// oneLine is visible without line ends and tabs, for cells and messages.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(visible(s))
}

// screen writes to a terminal what is visible.
type screen struct {
	to   io.Writer // the terminal
	mu   sync.Mutex
	held []byte // the beginning of a character whose end has not come
}

// onTerminal is w, through a screen if it is a terminal.
func onTerminal(w io.Writer) io.Writer {
	if f := terminalOf(w); f != nil {
		return &screen{to: f}
	}
	return w
}

// terminalOf is the terminal that w writes to; nil when it is none.
func terminalOf(w io.Writer) *os.File {
	switch w := w.(type) {
	case *screen:
		return terminalOf(w.to)
	case *os.File:
		if term.IsTerminal(int(w.Fd())) {
			return w
		}
	}
	return nil
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.held, p...)
	end := whole(text)
	s.held = bytes.Clone(text[end:])
	if _, err := io.WriteString(s.to, visible(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// whole is the length of text up to a character that may go on: an incomplete
// one, or a CR.
func whole(text []byte) int {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if text[i] == '\r' || !utf8.FullRune(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

// flushScreen writes what has been held back; w may be any writer.
func flushScreen(w io.Writer) {
	if s, ok := w.(*screen); ok && len(s.held) > 0 {
		_, _ = io.WriteString(s.to, visible(string(s.held)))
	}
}
