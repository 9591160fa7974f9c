package http1

import (
	"errors"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// Stream is a request whose handler reads the body as it comes, and writes the
// answer itself as it is made: both at once, if need be. One goroutine may read
// while another one writes. It holds no more of either than the connection's buffers.
//
// Each read has ReadTimeout, and each write WriteTimeout, but all have to be over by
// the deadline.
type Stream struct {
	x        *exchange
	deadline time.Time
	read     atomic.Bool // the body, whole
	cut      atomic.Bool // see Interrupt
	begun    atomic.Bool // the answer
	faulty   bool        // a read has failed; the reader's

	// Of the answer.
	framing  framing
	left     int64 // bytes that are still to come of it, with framedByLength
	goesOn   bool  // the connection, if all goes well
	finished bool
	parts    [2][]byte // of a Write
}

// framing is how a peer knows where an answer's body ends.
type framing uint8

const (
	noBody framing = iota
	framedByLength
	framedByChunks
	framedByEnd // of the connection
)

// StreamOf makes the request one whose handler reads and writes itself, within a
// deadline. It is for handlers of a Server, in place of ReadBody, and once they know
// that the request is allowed; nil for a request that is not a Server's. It is valid
// until the handler returns.
func StreamOf(ctx *fasthttp.RequestCtx, deadline time.Time) *Stream {
	x := exchangeOf(ctx)
	if x == nil {
		return nil
	}
	s := &x.stream
	s.x, s.deadline = x, deadline
	s.read.Store(x.body.ended)
	return s
}

// Length is that of the body in bytes: 0 for none, -1 if it is not announced.
func (s *Stream) Length() int {
	switch b := &s.x.body; {
	case b.ended:
		return 0
	case b.chunked:
		return -1
	default:
		return b.left
	}
}

// Ready reports whether Read would return without waiting, as far as is known.
func (s *Stream) Ready() bool { return s.x.in.Buffered() > 0 }

// Arrived reports whether all of a body of known length has come.
func (s *Stream) Arrived() bool {
	b := &s.x.body
	return !b.ended && !b.chunked && s.x.in.Buffered() >= b.left
}

// Ask asks a peer that waits for it for its body. It writes, and so belongs to the
// goroutine that does.
func (s *Stream) Ask() error {
	if !s.x.asked || s.x.in.Buffered() > 0 {
		return nil
	}
	s.x.asked = false
	return s.x.askForBody()
}

// Read implements io.Reader: it reads the body.
func (s *Stream) Read(p []byte) (int, error) {
	if s.faulty {
		return 0, sock.ErrStopped
	}
	n, err := s.readSome(p)
	if s.x.body.ended {
		s.read.Store(true)
	}
	if err != nil && err != io.EOF {
		s.faulty = true
	}
	return n, err
}

func (s *Stream) readSome(p []byte) (int, error) {
	if err := s.x.body.next(); err != nil {
		return 0, err
	}
	return s.x.body.read(p)
}

// wait is Read of an exchange that is a stream: nothing is sent before, since
// another goroutine may be writing.
func (s *Stream) wait(p []byte) (int, error) {
	k := s.x.conn
	if err := k.SetReadDeadline(s.until(k.s.ReadTimeout)); err != nil {
		return 0, err
	}
	if s.cut.Load() { // the deadline that ends the read may have been replaced just now
		return 0, sock.ErrStopped
	}
	return k.Read(p)
}

// until is the end of one step.
func (s *Stream) until(step time.Duration) time.Time {
	if at := time.Now().Add(step); at.Before(s.deadline) {
		return at
	}
	return s.deadline
}

// Interrupt makes the Read under way, or else the next one, end with
// sock.ErrStopped, unless the body has been read whole: then it does nothing and
// reports false. It may be called from any goroutine.
func (s *Stream) Interrupt() bool {
	if s.read.Load() {
		return false
	}
	s.cut.Store(true)
	s.x.conn.interrupt()
	return true
}

// BreakOff is Interrupt, and for an answer that has begun the same for its Writes.
func (s *Stream) BreakOff() {
	s.Interrupt()
	if tcp := s.x.conn.tcp; tcp != nil && s.begun.Load() {
		tcp.Break()
	}
}

// Begun reports whether a byte of the answer may have left.
func (s *Stream) Begun() bool { return s.begun.Load() }

// Begin begins the answer: head and more are its status line and header lines, each
// with its line end, without those that say how long it is or what becomes of the connection.
// length is that of the body, -1 if it is not known. A connection whose request has
// not been read whole by now ends with the answer.
func (s *Stream) Begin(status int, head, more []byte, length int64) error {
	x, req := s.x, &s.x.ctx.Request.Header
	x.ctx.Response.SetStatusCode(status)
	x.takeOut()
	s.begun.Store(true)
	s.goesOn = s.read.Load() && !req.ConnectionClose() && !x.conn.s.ends()
	shown := length >= 0
	switch {
	case x.ctx.IsHead() || status == fasthttp.StatusNotModified:
		s.framing = noBody
	case status < 200 || status == fasthttp.StatusNoContent:
		s.framing, shown = noBody, false
	case shown:
		s.framing, s.left = framedByLength, length
	case req.IsHTTP11():
		s.framing = framedByChunks
	default:
		s.framing, s.goesOn = framedByEnd, false
	}
	b := append(append(x.out.AvailableBuffer(), head...), more...)
	if shown {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), length, 10), "\r\n"...)
	}
	if s.framing == framedByChunks {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case !s.goesOn:
		b = append(b, "Connection: close\r\n"...)
	case !req.IsHTTP11():
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	_, err := x.out.Write(append(b, "\r\n"...))
	return err
}

// mayWrite is the exchange's, within the deadline: for whatever leaves of an answer.
func (s *Stream) mayWrite() error {
	return s.x.conn.SetWriteDeadline(s.until(s.x.conn.s.WriteTimeout))
}

// direct is the least size of what Write sends from where it is.
const direct = writeBuffer / 2

// Write implements io.Writer: it writes some of the answer's body, which may wait in
// a buffer of a few KiB until Flush or Finish.
func (s *Stream) Write(p []byte) (int, error) {
	if len(p) == 0 || s.framing == noBody {
		return len(p), nil
	}
	if s.framing == framedByLength {
		if int64(len(p)) > s.left {
			return 0, errors.New("more of the answer than its length says")
		}
		s.left -= int64(len(p))
	}
	out := s.x.out
	if s.framing == framedByChunks {
		var size [20]byte
		if _, err := out.Write(append(strconv.AppendInt(size[:0], int64(len(p)), 16), "\r\n"...)); err != nil {
			return 0, err
		}
	}
	if len(p) >= direct {
		s.parts = [2][]byte{p, lineEnd}
		s.x.behind = s.parts[:1]
		if s.framing == framedByChunks {
			s.x.behind = s.parts[:]
		}
		err := s.send()
		s.parts = [2][]byte{}
		return len(p), err
	}
	if _, err := out.Write(p); err != nil {
		return 0, err
	}
	if s.framing == framedByChunks {
		if _, err := out.Write(lineEnd); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

var lineEnd = []byte("\r\n")

// send sends what out has and what is behind it.
func (s *Stream) send() error {
	if s.x.out.Buffered() > 0 {
		return s.x.out.Flush()
	}
	_, err := s.x.Write(nil)
	return err
}

// Flush sends what has been written so far.
func (s *Stream) Flush() error { return s.x.flush() }

// Finish ends the answer. Without it the peer notices that the end is missing.
func (s *Stream) Finish() error {
	if s.left > 0 {
		return errors.New("less of the answer than its length says")
	}
	if s.framing == framedByChunks {
		if _, err := s.x.out.WriteString("0\r\n\r\n"); err != nil {
			return err
		}
	}
	err := s.Flush()
	s.finished = err == nil
	return err
}

// ends makes the exchange an ordinary one again, once the handler has returned. It
// reports whether the handler has answered, and then whether the connection goes on.
func (s *Stream) ends() (answered, goesOn bool) {
	x := s.x
	if x == nil {
		return false, false
	}
	x.lost = x.lost || s.faulty
	if s.cut.Load() {
		x.lost = true
		x.conn.resume()
	}
	answered = s.begun.Load()
	goesOn = s.goesOn && s.finished && s.read.Load() && !x.lost
	if answered && !s.finished && s.framing == framedByEnd && x.conn.tcp != nil {
		_ = x.conn.tcp.SetLinger(0) // an ordinary end would look like the answer's
	}
	s.x, s.deadline, s.faulty, s.framing, s.left, s.goesOn, s.finished = nil, time.Time{}, false, noBody, 0, false, false
	s.read.Store(false)
	s.cut.Store(false)
	s.begun.Store(false)
	if goesOn {
		x.conn.answered = time.Now()
	}
	return answered, goesOn
}
