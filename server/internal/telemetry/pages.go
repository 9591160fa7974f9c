package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// page is the exposition of one moment. It is kept compressed, which is about a
// twentieth, so that readers of any speed cost little.
type page struct {
	number uint64 // of the gathering
	gzip   []byte
	plain  int // bytes before compression
}

// pages makes pages, one at a time, for all who ask.
type pages struct {
	make func(w io.Writer, form int) error

	begun atomic.Uint64 // gatherings

	mu   sync.Mutex // held while one is made
	last [forms]page
	zip  *gzip.Writer
}

// current returns a page that was gathered after the call began. Whoever calls
// while a page is made waits for the next one, and shares it with all others
// that wait.
func (s *pages) current(form int) (page, error) {
	seen := s.begun.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.last[form]; p.number > seen {
		return p, nil
	}
	p, err := s.gather(form)
	if err == nil {
		s.last[form] = p
	}
	return p, err
}

// gather makes a page; the caller holds s.mu.
func (s *pages) gather(form int) (page, error) {
	p := page{number: s.begun.Add(1)}
	var out bytes.Buffer
	if s.zip == nil {
		s.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for unknown levels only
	}
	s.zip.Reset(&out)
	w := countingWriter{w: s.zip}
	if err := s.make(&w, form); err != nil {
		return page{}, fmt.Errorf("metrics: %w", err)
	}
	if err := s.zip.Close(); err != nil {
		return page{}, fmt.Errorf("metrics: %w", err)
	}
	p.gzip, p.plain = out.Bytes(), w.n
	return p, nil
}

type countingWriter struct {
	w io.Writer
	n int
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	return n, err
}
