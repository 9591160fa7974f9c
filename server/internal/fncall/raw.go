package fncall

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/http1"
	"simplane/server/internal/sock"
)

// Raw is a call that is passed on as it came, with its answer.
type Raw struct {
	Method string
	// Path is added to the path of the target's URL and Query, which begins with "?",
	// or is empty, to its query: both as they came.
	Path, Query string
	// Header are header lines, each with its line end, without those that say how
	// long the body is. They may hold anything but a line end elsewhere.
	Header []byte
	// Authorization is that header's value. A target's own takes precedence.
	Authorization string
	// Head is the whole head but for how long the body is, in place of what the target
	// and the call say: request line and header lines. nil = it is made of those.
	Head []byte
	// Expect says that the body is not read before the other end asks for it (RFC 9110,
	// 10.1.1). One that answers at once gets nothing of it.
	Expect bool
	Caller Caller

	// Sent says that the function may have got something of the call, CallerError
	// why nothing more came from the caller.
	Sent        bool
	CallerError error
}

// Caller is where the body of a raw call comes from and its answer goes to. Read and
// the other methods may be called at the same time.
type Caller interface {
	// Length is that of the body in bytes: 0 for none, -1 if it is not announced.
	Length() int
	// Ready reports whether Read would not wait. Ask has the caller send the body.
	Ready() bool
	Ask() error
	io.Reader
	// Left reports whether the caller has gone, as far as is known. It returns at once, and
	// may be called from any goroutine.
	Left() bool
	// Interrupt makes the Read under way, or else the next one, fail; it reports false
	// if there is nothing more to read. BreakOff does that and, if an answer has begun,
	// makes Write fail. Both may be called from any goroutine.
	Interrupt() bool
	BreakOff()
	// Begin begins the answer with its status line and header lines, and length bytes
	// to follow; -1 for not known.
	Begin(status int, head []byte, length int64) error
	io.Writer
	Flush() error
	Finish() error
}

var (
	headerConnection       = []byte(fasthttp.HeaderConnection)
	headerContentLength    = []byte(fasthttp.HeaderContentLength)
	headerTransferEncoding = []byte(fasthttp.HeaderTransferEncoding)
	headerExecutionID      = []byte("X-Execution-Id")
)

// copyBuffer is how much of a body is held at a time, in bytes.
const copyBuffer = 32 << 10

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// Pass is Call for a request with Raw. The body of the answer goes to the caller; an
// answer with a status of 500 or more is an error all the same. Nothing is sent twice.
func (t *Target) Pass(r *Request) (Answer, error) {
	p := passings.Get().(*passing)
	defer p.release()
	p.t, p.raw, p.deadline, p.stop, p.left = t, r.Raw, r.Deadline, r.Stop, r.Raw.Caller.Length()
	p.message = t.appendRaw(p.message[:0], r)
	if err := p.stop.BeginWith(p.breaks); err != nil {
		return Answer{}, &Error{Kind: Unreachable, Message: err.Error()}
	}
	err := p.run()
	if stopped := p.stop.End(); err == nil {
		err = stopped
	}
	a := p.answer
	if err == nil {
		if a.Status >= 500 {
			return a, &Error{Kind: Refused, Message: fmt.Sprintf("answered with status %d", a.Status), Permanent: true}
		}
		return a, nil
	}
	var e *Error
	switch {
	case !time.Now().Before(r.Deadline):
		return a, &Error{Kind: TimedOut, Message: "the call was not over within its deadline"}
	case errors.As(err, &e):
		return a, e
	case err == io.EOF:
		err = fasthttp.ErrConnectionClosed
	}
	return a, &Error{Kind: Unreachable, Message: Snippet([]byte(err.Error()))}
}

// appendRaw appends the head of a raw call, but for its end.
func (t *Target) appendRaw(b []byte, r *Request) []byte {
	raw := r.Raw
	if raw.Head != nil {
		return appendLength(append(b, raw.Head...), raw)
	}
	b = append(b, raw.Method...)
	b = append(b, t.head[len("POST"):t.path]...) // a space and the path
	if raw.Path != "" {
		if b[len(b)-1] == '/' {
			b = b[:len(b)-1]
		}
		b = append(b, raw.Path...)
	}
	query := raw.Query
	if own := t.raw.query; len(own) > 0 {
		b = append(b, own...)
		if query != "" {
			b, query = append(b, '&'), query[1:]
		}
	}
	b = append(append(b, query...), t.raw.rest...)
	if raw.Authorization != "" && !t.raw.authorized {
		b = appendHeader(b, "Authorization", raw.Authorization)
	}
	b = append(b, raw.Header...)
	return appendLength(appendCallHeaders(b, r), raw)
}

// appendLength appends how long the body is, and the end of the head.
func appendLength(b []byte, raw *Raw) []byte {
	if raw.Expect && raw.Caller.Length() != 0 {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	switch n := raw.Caller.Length(); {
	case n > 0, n == 0 && raw.Method != fasthttp.MethodGet && raw.Method != fasthttp.MethodHead && raw.Method != fasthttp.MethodOptions:
		b = strconv.AppendInt(append(b, "Content-Length: "...), int64(n), 10)
		b = append(b, "\r\n"...)
	case n < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(b, "\r\n"...)
}

// passing is a raw call under way.
type passing struct {
	t        *Target
	raw      *Raw
	deadline time.Time
	stop     *sock.Stop
	breaks   func() // BreakOff of the caller, made once because each closure is an allocation
	conn     net.Conn
	message  []byte // the head, and what of the body goes with it
	head     answerHead
	lines    []byte  // of the answer's head, which are passed on
	buf      *[]byte // for a part of the answer's body; nil until one needs it
	left     int     // of the caller's body that was not read yet; -1 when it is not known
	begun    bool
	answer   Answer
	body     io.LimitedReader
}

var passings = sync.Pool{New: func() any {
	p := &passing{}
	p.breaks = func() { p.raw.Caller.BreakOff() }
	return p
}}

func (p *passing) release() {
	if p.buf != nil {
		copyBuffers.Put(p.buf)
	}
	*p = passing{breaks: p.breaks, message: reusable(p.message), lines: reusable(p.lines)}
	passings.Put(p)
}

// reusable is b for another call, or nil if it is too large to be kept for one.
func reusable(b []byte) []byte {
	if cap(b) > copyBuffer {
		return nil
	}
	return b[:0]
}

// run gets a connection and makes the call on it. A kept one that the function has
// closed meanwhile got nothing: then it takes another.
func (p *passing) run() error {
	for {
		timeout := time.Until(p.deadline)
		if timeout <= 0 {
			return fasthttp.ErrTimeout
		}
		cc, err := p.t.conns.AcquireConn(timeout, false)
		if err != nil {
			return err
		}
		if err := p.readFirst(); err != nil {
			p.t.conns.ReleaseConn(cc)
			return p.callerLeft(err)
		}
		conn := cc.Conn()
		reader := p.t.conns.AcquireReader(conn)
		if err = conn.SetDeadline(p.deadline); err == nil {
			err = p.stop.Begin(conn)
		}
		keep := false
		if err == nil {
			keep, err = p.on(conn, reader)
		}
		p.t.conns.ReleaseReader(reader)
		if p.stop.Sent(false) != nil {
			keep = false
		}
		if keep && err == nil {
			p.t.conns.ReleaseConn(cc)
		} else {
			p.t.conns.CloseConn(cc)
		}
		if !errors.Is(err, sock.ErrStale) {
			return err
		}
	}
}

// readFirst reads, once, what has come of the body already: it goes with the head.
func (p *passing) readFirst() error {
	if p.begun || p.left <= 0 || p.raw.Expect || !p.raw.Caller.Ready() {
		return nil
	}
	p.begun = true
	head := len(p.message)
	p.message = slices.Grow(p.message, min(p.left, firstPart))
	n, err := p.raw.Caller.Read(p.message[head : head+min(p.left, firstPart)])
	p.left -= n
	p.message = p.message[:head+n]
	if n > 0 {
		err = nil
	}
	return err
}

// firstPart is how much of a body goes with the head, in bytes.
const firstPart = 8 << 10

func (p *passing) callerLeft(err error) error {
	p.raw.CallerError = err
	return &Error{Kind: CallerLeft, Message: "the caller left, or did not send its request: " + Snippet([]byte(err.Error()))}
}

// on makes the call on a connection, and reports whether that can be used again.
func (p *passing) on(conn net.Conn, small *bufio.Reader) (keep bool, err error) {
	p.conn = conn
	asked := p.raw.Expect && p.left != 0
	if p.left == 0 || asked {
		err = sock.Ask(conn, p.message)
	} else {
		err = sock.Send(conn, p.message)
	}
	if err != nil {
		p.raw.Sent = p.raw.Sent || !errors.Is(err, sock.ErrStale)
		return false, err
	}
	p.raw.Sent = true
	if p.left == 0 || asked {
		_ = p.stop.Sent(true)
	}
	if asked {
		r, err := p.readHead(small, fasthttp.StatusContinue)
		if err != nil || p.head.status != fasthttp.StatusContinue {
			defer giveBack(r, small)
			if err == nil {
				_, err = p.passBack(r, small)
			}
			return false, err // the rest of the request is not wanted
		}
		giveBack(r, small)
		if err := p.stop.Sent(false); err != nil {
			return false, p.callerLeft(err)
		}
	}
	if err := p.raw.Caller.Ask(); err != nil {
		return false, p.callerLeft(err)
	}
	up := p.upload(conn)
	whole, err := p.download(small)
	if up == nil {
		return whole, err
	}
	// The answer is over, or will not come: so is the rest of the request.
	if p.raw.Caller.Interrupt() || err != nil || !up.ends(settleTime) {
		whole = false
		breakOff(conn)
	}
	failed := <-up.done
	var left *Error
	if err != nil && errors.As(failed, &left) && !errors.Is(p.raw.CallerError, sock.ErrStopped) {
		err = left // why the function did not answer
	}
	return whole && failed == nil, err
}

// breakOff makes reads and writes of another goroutine end. The connection is of no
// use then.
func breakOff(conn net.Conn) {
	if c := sock.Under(conn); c != nil {
		c.Break()
	} else {
		_ = conn.Close()
	}
}

// settleTime is how long a function that has answered may take to read the rest of
// its request, so that its connection can be kept.
const settleTime = 20 * time.Millisecond

// uploading is the part of the body that is sent while the answer may come.
type uploading struct{ done chan error }

// ends reports whether all is sent within d.
func (u *uploading) ends(d time.Duration) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case err := <-u.done:
		u.done <- err
		return true
	case <-limit.C:
		return false
	}
}

// upload begins to send the rest of the body; nil if there is none.
func (p *passing) upload(conn net.Conn) *uploading {
	if p.left == 0 {
		return nil
	}
	u := &uploading{done: make(chan error, 1)}
	go func() {
		err := p.send(conn)
		var left *Error
		if errors.As(err, &left) {
			breakOff(conn) // the function would wait for the rest
		}
		u.done <- err
	}()
	return u
}

// send sends the rest of the body. The error is an *Error when it is the caller's.
func (p *passing) send(conn net.Conn) error {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	chunked := p.left < 0
	var size [20]byte
	for {
		n, err := p.raw.Caller.Read(*buf)
		if n > 0 {
			parts := net.Buffers{(*buf)[:n]}
			if chunked {
				parts = net.Buffers{append(strconv.AppendInt(size[:0], int64(n), 16), "\r\n"...), (*buf)[:n], lineEnd}
			}
			if _, err := sock.WriteParts(conn, &parts); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && chunked:
			_, err = io.WriteString(conn, "0\r\n\r\n")
			return err
		case err == io.EOF:
			return nil
		case err != nil:
			return p.callerLeft(err)
		}
	}
}

var lineEnd = []byte("\r\n")

// readHead reads the head of the answer, without the interim ones before it, or up to
// one of those with this status; 0 = none. What follows it is in the reader, which is
// to be given back.
func (p *passing) readHead(small *bufio.Reader, interim int) (r *bufio.Reader, err error) {
	r = small
	for {
		head, err := peekHead(r)
		if err == errHeadTooLong && r == small { // nothing was consumed from it
			r = largeReaders.Get().(*bufio.Reader)
			r.Reset(small)
			continue
		}
		if err != nil {
			return r, err
		}
		n := len(head)
		p.lines, err = p.head.parse(head, p.lines[:0], p.raw.Head != nil)
		_, _ = r.Discard(n)
		if code := p.head.status; err != nil || code >= 200 || code == fasthttp.StatusSwitchingProtocols || code == interim {
			return r, err
		}
	}
}

// download passes the answer on, and reports whether the connection is at its end.
func (p *passing) download(small *bufio.Reader) (whole bool, err error) {
	r, err := p.readHead(small, 0)
	defer giveBack(r, small)
	if err != nil {
		return false, err
	}
	return p.passBack(r, small)
}

// passBack passes on an answer whose head was read from r, behind which small has more.
func (p *passing) passBack(r, small *bufio.Reader) (whole bool, err error) {
	h := &p.head
	status, length := h.status, h.length
	if status < 200 {
		return false, fmt.Errorf("the function answered with status %d, which was not asked for", status)
	}
	p.answer.Status = status
	if h.coldStart {
		p.answer.ColdStart, p.answer.Init = true, h.init
	}
	caller := p.raw.Caller
	if err := caller.Begin(status, p.lines, max(length, -1)); err != nil {
		return false, p.callerLeft(err)
	}
	var body io.Reader
	ready := func() bool { return r.Buffered() > 0 }
	switch {
	case p.raw.Method == fasthttp.MethodHead, status == fasthttp.StatusNoContent, status == fasthttp.StatusNotModified:
		length = 0
	case length >= 0 && length <= int64(r.Buffered()): // it has come
		whole, _ := r.Peek(int(length))
		if _, err := caller.Write(whole); err != nil {
			return false, p.callerLeft(err)
		}
		_, _ = r.Discard(int(length))
	case length >= 0:
		p.body = io.LimitedReader{R: r, N: length}
		body = &p.body
	case length == inChunks:
		chunks := http1.NewChunks(r)
		body, ready = chunks, chunks.Ready
	default:
		body = r
	}
	if body != nil {
		if err := p.copy(body, length, ready); err != nil {
			_ = caller.Flush() // what there is of it
			return false, err
		}
	}
	if err := caller.Finish(); err != nil {
		return false, p.callerLeft(err)
	}
	return !h.closes && small.Buffered() == 0 && r.Buffered() == 0, nil
}

// copy passes a body on, each part as soon as there is nothing more at once.
func (p *passing) copy(body io.Reader, length int64, ready func() bool) (err error) {
	caller := p.raw.Caller
	if p.buf == nil {
		p.buf = copyBuffers.Get().(*[]byte)
	}
	buf := *p.buf
	var w *watch
	defer func() {
		if w.end() {
			err = p.callerLeft(errGone)
		}
	}()
	for n, k := int64(0), 0; ; {
		if !ready() {
			if err := caller.Flush(); err != nil {
				return p.callerLeft(err)
			}
			if w == nil {
				w = watchCaller(caller, p.conn)
			}
		}
		k, err = body.Read(buf)
		n += int64(k)
		if _, err := caller.Write(buf[:k]); err != nil {
			return p.callerLeft(err)
		}
		switch {
		case err == io.EOF && n < length:
			return io.ErrUnexpectedEOF
		case err == io.EOF, n == length:
			return nil
		case err != nil:
			return err
		}
	}
}
