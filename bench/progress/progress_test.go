package progress

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestSilentWhenNotATerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := On(f)
	l.Printf("working %d", 1)
	l.Clear()
	if b, _ := os.ReadFile(path); len(b) != 0 {
		t.Errorf("a file got %q", b)
	}
	var none *Line
	none.Printf("x")
	none.Clear()
}

func TestLineOverwritesAndClears(t *testing.T) {
	var buf bytes.Buffer
	l := &Line{w: &buf}
	l.Clear()
	l.Printf("one")
	l.Printf("two")
	l.Clear()
	l.Clear()
	if got, want := buf.String(), "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
