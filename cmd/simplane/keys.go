package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// readKeys has the terminal in give each key as it is pressed, until restore is
// called. Without a terminal there are no keys.
func readKeys(in io.Reader) (keys <-chan string, restore func()) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, func() {}
	}
	pressed := make(chan string)
	go scanKeys(f, pressed) // it ends with the process: a read of a terminal cannot be ended
	return pressed, func() { _ = term.Restore(int(f.Fd()), before) }
}

// scanKeys parts what a terminal sends into keys: a character, or a sequence such
// as ESC [ A. The sequence of one key comes in one read.
func scanKeys(in io.Reader, keys chan<- string) {
	b := make([]byte, 256)
	for {
		n, err := in.Read(b)
		for text := string(b[:n]); text != ""; {
			key := firstKey(text)
			text = text[len(key):]
			keys <- strings.Replace(key, "\x1bO", "\x1b[", 1) // some terminals say so
		}
		if err != nil {
			return
		}
	}
}

// firstKey is the key that text, which is not empty, begins with.
func firstKey(text string) string {
	if len(text) < 3 || text[0] != '\x1b' || text[1] != '[' && text[1] != 'O' {
		_, size := utf8.DecodeRuneInString(text)
		return text[:size]
	}
	for i := 2; i < len(text); i++ {
		if text[i] >= '@' && text[i] <= '~' {
			return text[:i+1]
		}
	}
	return text
}
