package process

import (
	"io"
	"sync"
	"testing"
)

func TestSparePipes(t *testing.T) {
	before := openFiles(t)
	var s spares
	s.fill()
	s.fill()
	const kept = 2 * 3 // both ends of three
	if n := openFiles(t) - before; n != kept {
		t.Errorf("%d files are kept open, want %d", n, kept)
	}
	var wg sync.WaitGroup
	for range 20 { // more than there are at a time
		wg.Go(func() {
			for _, d := range []direction{toFunction, fromFunction, fromFunction} {
				p, err := s.take(d)
				if err != nil {
					t.Error(err)
					return
				}
				from, to := p.theirs, p.ours
				if d == fromFunction {
					from, to = to, from
				}
				if _, err := to.WriteString("x"); err != nil {
					t.Error(err)
				}
				to.Close()
				if text, err := io.ReadAll(from); err != nil || string(text) != "x" {
					t.Errorf("read %q, %v: not a pipe of its own", text, err)
				}
				from.Close()
				s.refillSoon()
			}
		})
	}
	wg.Wait()
	eventually(t, "they are replaced", func() bool { return openFiles(t)-before == kept })

	s.refillSoon()
	s.close()
	s.fill()
	s.refillSoon()
	if n := openFiles(t) - before; n != 0 {
		t.Errorf("%d files are open after close", n)
	}
	p, err := s.take(toFunction) // a process may still be starting
	if err != nil {
		t.Fatal(err)
	}
	p.close()
}
