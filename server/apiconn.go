package server

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"simplane/server/lazyconn"
	"simplane/server/nonblock"
	"simplane/server/yielding"
)

// apiConn is a client's connection. It bounds how long the client may take,
// and reads the clock for that only where it has to wait for the client: most
// requests are there whole, and most answers fit the socket's buffer.
//
// After an error it can be closed politely: a peer that is still sending when
// its request is refused would otherwise get a reset in place of the answer.
//
// One goroutine may read while another one writes.
type apiConn struct {
	*net.TCPConn
	gone   func() // tells the listener
	closed atomic.Bool
	linger atomic.Bool

	limits    connLimits
	in, out   transfer
	answering atomic.Bool      // written to since the last read
	idle      bool             // between an answer and the next request; the reader's
	yielder   yielding.Yielder // the reader's
}

// connLimits is how long a client may take: with one request, with one answer,
// and between the two.
type connLimits struct{ read, write, idle time.Duration }

// transfer is one of the connection's two directions. Its functions are made
// once: making them for each call would be an allocation.
type transfer struct {
	lazyconn.Deadline
	limit time.Duration // from the first wait
	call  func(try func(fd uintptr) bool) error
	try   func(fd uintptr) (done bool)
	arm   func(time.Time) error

	// The call under way.
	buf    []byte
	n      int
	err    error
	waited bool
}

func newAPIConn(tcp *net.TCPConn, limits connLimits, gone func()) (*apiConn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &apiConn{TCPConn: tcp, limits: limits, gone: gone}
	c.in = transfer{call: raw.Read, try: c.readSome, arm: tcp.SetReadDeadline, limit: limits.read}
	c.out = transfer{call: raw.Write, try: c.writeSome, arm: tcp.SetWriteDeadline, limit: limits.write}
	return c, nil
}

func (c *apiConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	yielded := false
	if c.answering.Load() {
		c.answering.Store(false)
		c.idle = true
		c.in.begin(c.limits.idle)
		yielded = c.yielder.Yield()
	}
	n, err := c.in.run(p)
	if yielded {
		c.yielder.Learn(!c.in.waited)
	}
	if c.idle {
		c.idle = false
		c.in.begin(c.limits.read)
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (c *apiConn) Write(p []byte) (int, error) {
	if !c.answering.Load() {
		c.answering.Store(true)
		c.out.begin(c.limits.write)
	}
	return c.out.run(p)
}

// readSome reads what is there; otherwise the runtime waits for more.
func (c *apiConn) readSome(fd uintptr) (done bool) {
	n, err := nonblock.Read(fd, c.in.buf)
	if err == syscall.EAGAIN {
		return !c.in.mayWait()
	}
	if err != nil {
		c.in.err = nonblock.OpError("read", c, err)
	}
	c.in.n = n
	return true
}

// writeSome writes what the socket takes; then the runtime waits.
func (c *apiConn) writeSome(fd uintptr) (done bool) {
	for c.out.n < len(c.out.buf) {
		n, err := nonblock.Write(fd, c.out.buf[c.out.n:])
		if err == syscall.EAGAIN {
			return !c.out.mayWait()
		}
		if err != nil {
			c.out.err = nonblock.OpError("write", c, err)
			return true
		}
		c.out.n += n
	}
	return true
}

// begin starts to count anew.
func (t *transfer) begin(limit time.Duration) {
	t.limit = limit
	t.Set(time.Time{})
}

// run makes one call. A wait that the timer ended too early goes on.
func (t *transfer) run(p []byte) (int, error) {
	t.buf, t.n, t.err, t.waited = p, 0, nil, false
	err := t.call(t.try)
	for err != nil && t.Early(err) {
		if err = t.arm(t.Armed()); err == nil {
			err = t.call(t.try)
		}
	}
	t.buf = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// mayWait sees to it that a wait ends at the limit.
func (t *transfer) mayWait() bool {
	t.waited = true
	if !t.IsSet() && t.Set(time.Now().Add(t.limit)) {
		t.err = t.arm(t.Armed())
	}
	return t.err == nil
}

// What a refused peer may still send, and for how long, before it is cut.
const (
	lingerBytes = 64 << 20
	lingerTime  = 2 * time.Second
)

func (c *apiConn) Close() error {
	if c.linger.Load() && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	err := c.TCPConn.Close()
	if !c.closed.Swap(true) {
		c.gone()
	}
	return err
}
