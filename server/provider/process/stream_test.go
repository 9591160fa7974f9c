package process

import (
	"bytes"
	"io"
	"testing"
	"time"
)

// What was written before the end is read after it, although the other end of
// the pipe stays open; what comes later is not waited for.
func TestStreamEndsBehindWhatWasWritten(t *testing.T) {
	for _, size := range []int{0, 1, 4096, 60_000} {
		p, err := newPipe(fromFunction, ownIdentity())
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		want := bytes.Repeat([]byte("x"), size)
		if _, err := p.theirs.Write(want); err != nil {
			t.Fatal(err)
		}
		s := &stream{File: p.ours}
		s.finish()
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("of %d bytes %d were read, %v", size, len(got), err)
		}
	}
}

func TestStreamThatIsReadEndsOnFinish(t *testing.T) {
	p, err := newPipe(fromFunction, ownIdentity())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	s := &stream{File: p.ours}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if got, err := io.ReadAll(s); err != nil || string(got) != "x" {
			t.Errorf("read %q, %v", got, err)
		}
	}()
	if _, err := p.theirs.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	s.finish()
	select {
	case <-ended:
	case <-time.After(hang):
		t.Fatal("the reader is still waiting")
	}
}
