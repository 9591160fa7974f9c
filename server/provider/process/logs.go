package process

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"simplane/server/provider"
)

const (
	maxLogLine  = 8 << 10 // longer lines are cut
	logBurst    = 4 << 20 // bytes a stream may log in a second; the rest is dropped
	maxTail     = 2 << 10 // of stderr, for error messages
	cutMark     = "…[cut]"
	droppedMark = "[output dropped: more than 4 MiB in a second]"
)

// Most functions log little, and there may be many: only one that fills the
// small buffer gets a large one.
const (
	smallRead = 4 << 10
	largeRead = 64 << 10
)

// pump moves one output stream of a process into the log. It always keeps
// reading, so that a function is not blocked by its output; beyond a rate the
// output is dropped, and read slowly to save processor time.
type pump struct {
	file *stream
	done chan struct{}
}

func startPump(ring *provider.Ring, instance, name string, file *stream, t *tail) *pump {
	p := &pump{file: file, done: make(chan struct{})}
	s := &splitter{ring: ring, instance: instance, stream: name}
	go func() {
		defer close(p.done)
		buf := make([]byte, smallRead)
		var second time.Time
		spent := 0
		for {
			n, err := file.Read(buf)
			if n > 0 {
				t.add(buf[:n])
				if now := time.Now(); now.Sub(second) >= time.Second {
					second, spent = now, 0
				}
				if before := spent; before < logBurst {
					spent += n
					s.write(buf[:n])
					if spent >= logBurst {
						s.flush()
						s.emit(droppedMark)
					}
				} else {
					time.Sleep(time.Millisecond) // some 60 MB in a second
				}
			}
			if err != nil {
				s.flush()
				return
			}
			if n == len(buf) && n < largeRead {
				buf = make([]byte, largeRead)
			}
		}
	}()
	return p
}

// finish waits for the end of the stream, until limit is closed, then for the
// end of what was written by then, and closes it.
func (p *pump) finish(limit <-chan struct{}) {
	select {
	case <-p.done:
	case <-limit:
		p.file.finish()
		<-p.done
	}
	p.file.Close()
}

// splitter cuts a stream into log lines.
type splitter struct {
	ring             *provider.Ring
	instance, stream string
	line             []byte
	skipping         bool // the rest of a line that was cut
}

func (s *splitter) write(b []byte) {
	for len(b) > 0 {
		chunk, ended := b, false
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			chunk, ended = b[:i], true
			b = b[i+1:]
		} else {
			b = nil
		}
		if !s.skipping {
			s.line = append(s.line, chunk[:min(len(chunk), maxLogLine-len(s.line)+1)]...)
			if len(s.line) > maxLogLine {
				s.emit(string(s.line[:maxLogLine]) + cutMark)
				s.line, s.skipping = s.line[:0], true
			}
		}
		if ended {
			if !s.skipping {
				s.emit(string(s.line))
			}
			s.line, s.skipping = s.line[:0], false
		}
	}
}

// flush emits a last line without a newline.
func (s *splitter) flush() {
	if len(s.line) > 0 {
		s.emit(string(s.line))
	}
	s.line, s.skipping = s.line[:0], false
}

func (s *splitter) emit(text string) {
	s.ring.Add(provider.LogLine{
		Time: time.Now(), Instance: s.instance, Stream: s.stream,
		Text: strings.ToValidUTF8(strings.TrimSuffix(text, "\r"), "\uFFFD"),
	})
}

// tail keeps the last bytes of a stream. A nil tail keeps nothing.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) add(b []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(b) >= maxTail {
		t.buf = append(t.buf[:0], b[len(b)-maxTail:]...)
		return
	}
	if over := len(t.buf) + len(b) - maxTail; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
	t.buf = append(t.buf, b...)
}

// suffix is the tail as the end of an error message.
func (t *tail) suffix() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "\uFFFD"))
	if s == "" {
		return ""
	}
	return "; stderr: " + s
}
