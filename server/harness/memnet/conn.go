package memnet

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// link is what both ends of a connection share.
type link struct {
	mu      sync.Mutex
	changed sync.Cond // something has come, gone or ended; all look again
	cut     bool      // reset: nothing comes any more
}

// way is one direction.
type way struct {
	window int
	delay  time.Duration
	late   *rand.Rand // how much later than delay a piece is; nil = never

	coming  []piece   // on their way, in order
	bytes   int       // of them
	last    time.Time // when the last of them comes
	arrived []byte    // and not read
	sentEnd bool
	lost    bool // the connection was cut when something was on its way
	missed  bool // the reader closed its end before it had read all, or before the end came
	ended   bool // the end has arrived
}

// piece is some bytes on their way, or the end of the stream, or a reset.
type piece struct {
	at         time.Time
	data       []byte
	end, reset bool
}

// Conn is one end of a connection. It implements net.Conn and sock.Memory.
type Conn struct {
	link          *link
	in, out       *way
	local, remote netip.AddrPort
	peer          *Conn
	closedAt      time.Time // by Close; zero = not
	told          bool      // that the connection was cut; said once, as a kernel does
	linger        int
	read, write   deadline
}

// deadline is that of one direction.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// pair makes a connection of two directions.
func pair(near, far netip.AddrPort, out, back way) (*Conn, *Conn) {
	l := &link{}
	l.changed.L = &l.mu
	a := &Conn{link: l, in: &back, out: &out, local: near, remote: far, linger: -1}
	b := &Conn{link: l, in: &out, out: &back, local: far, remote: near, linger: -1}
	a.peer, b.peer = b, a
	return a, b
}

// SetWindow changes how many bytes the peer may have on their way to c, or unread: at
// least 1.
func (c *Conn) SetWindow(bytes int) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.in.window = max(bytes, 1)
	c.link.changed.Broadcast()
}

// Cut resets the connection: what is on its way is lost, and both ends are told as by
// ECONNRESET. What has arrived can still be read.
func (c *Conn) Cut() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.reset(c.in, c.out)
}

func (l *link) reset(ways ...*way) {
	l.cut = true
	for _, w := range ways {
		w.lost = w.lost || len(w.coming) > 0
		w.coming, w.bytes = nil, 0
	}
	l.changed.Broadcast()
}

// put sends a piece. The caller holds the lock.
func (c *Conn) put(p piece) {
	w := c.out
	if w.delay == 0 {
		c.arrives(p)
		return
	}
	p.at = time.Now().Add(w.delay + time.Duration(w.late.Int64N(int64(w.delay)/4+1)))
	if p.at.Before(w.last) {
		p.at = w.last
	}
	w.last = p.at
	w.coming, w.bytes = append(w.coming, p), w.bytes+len(p.data)
	time.AfterFunc(time.Until(p.at), func() {
		c.link.mu.Lock()
		defer c.link.mu.Unlock()
		for len(w.coming) > 0 && !time.Now().Before(w.coming[0].at) {
			next := w.coming[0]
			w.coming, w.bytes = w.coming[1:], w.bytes-len(next.data)
			c.arrives(next)
		}
	})
}

// arrives has the peer get a piece. One that has closed its end answers with a reset.
func (c *Conn) arrives(p piece) {
	switch w := c.out; {
	case c.link.cut:
		return
	case p.reset:
		c.link.reset(c.in, c.out)
	case c.peer.closed() && !p.end:
		w.missed = true
		c.peer.put(piece{reset: true})
	default:
		w.arrived, w.ended = append(w.arrived, p.data...), w.ended || p.end
	}
	c.link.changed.Broadcast()
}

// room is how many bytes may be sent.
func (w *way) room() int { return w.window - w.bytes - len(w.arrived) }

// take reads what has arrived, or says why there is nothing; the error is EAGAIN if
// there may be something later, and nil with 0 at the end.
func (c *Conn) take(p []byte) (int, error) {
	switch w := c.in; {
	case c.closed():
		return 0, net.ErrClosed
	case len(w.arrived) > 0:
		n := copy(p, w.arrived)
		if w.arrived = w.arrived[n:]; len(w.arrived) == 0 {
			w.arrived = nil
		}
		c.link.changed.Broadcast()
		return n, nil
	case w.ended:
		return 0, nil
	case c.link.cut && c.told:
		return 0, nil
	case c.link.cut:
		c.told = true
		return 0, syscall.ECONNRESET
	}
	return 0, syscall.EAGAIN
}

// give sends as much as there is room for; the error is EAGAIN if there is none.
func (c *Conn) give(p []byte) (int, error) {
	switch w := c.out; {
	case c.closed():
		return 0, net.ErrClosed
	case c.link.cut && !c.told && !c.in.ended:
		c.told = true
		return 0, syscall.ECONNRESET
	case c.link.cut, w.sentEnd:
		return 0, syscall.EPIPE
	case len(p) == 0:
		return 0, nil
	case w.room() <= 0:
		return 0, syscall.EAGAIN
	default:
		n := min(len(p), w.room())
		c.put(piece{data: append([]byte(nil), p[:n]...)})
		return n, nil
	}
}

// ReadNow and WriteNow implement sock.Memory.
func (c *Conn) ReadNow(p []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.take(p)
}

func (c *Conn) WriteNow(p []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.give(p)
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for {
		if c.read.over() && !c.closed() {
			return 0, c.fails("read", os.ErrDeadlineExceeded)
		}
		n, err := c.take(p)
		switch {
		case err == syscall.EAGAIN:
			c.link.changed.Wait()
		case err != nil:
			return 0, c.fails("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for done := 0; ; {
		if c.write.over() && !c.closed() {
			return done, c.fails("write", os.ErrDeadlineExceeded)
		}
		n, err := c.give(p[done:])
		done += n
		switch {
		case err == syscall.EAGAIN:
			c.link.changed.Wait()
		case err != nil:
			return done, c.fails("write", err)
		case done == len(p):
			return done, nil
		}
	}
}

func (c *Conn) fails(op string, err error) error {
	if e, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, e)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// CloseWrite sends the end of the stream.
func (c *Conn) CloseWrite() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed() || c.link.cut {
		return c.fails("close", syscall.ENOTCONN)
	}
	c.end()
	return nil
}

func (c *Conn) end() {
	if !c.out.sentEnd {
		c.out.sentEnd = true
		c.put(piece{end: true})
	}
}

// SetLinger with 0 has Close reset the connection; otherwise it does nothing.
func (c *Conn) SetLinger(seconds int) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.linger = seconds
	return nil
}

// closed says that this end is; the caller holds the link's lock.
func (c *Conn) closed() bool { return !c.closedAt.IsZero() }

// Close implements net.Conn. The peer gets what was sent and then the end; a reset, when
// something that it has sent was not read.
func (c *Conn) Close() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed() {
		return c.fails("close", net.ErrClosed)
	}
	c.closedAt = time.Now()
	for _, d := range []*deadline{&c.read, &c.write} {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	c.in.missed = len(c.in.arrived) > 0 || c.in.sentEnd && !c.in.ended
	if c.linger == 0 || len(c.in.arrived) > 0 {
		c.put(piece{reset: true})
	} else if !c.link.cut {
		c.end()
	}
	c.link.changed.Broadcast()
	return nil
}

// Unread implements sock.Memory.
func (c *Conn) Unread() int {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return len(c.in.arrived)
}

// PeerLeft implements sock.Memory.
func (c *Conn) PeerLeft() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.closed() || c.link.cut || c.in.ended
}

// PeerClosed is when the other end was closed, which c may not know yet; the zero time
// if it was not.
func (c *Conn) PeerClosed() time.Time {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.peer.closedAt
}

// Lost says whether something that c has sent was on its way when the connection was cut.
func (c *Conn) Lost() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.out.lost
}

// Missed says whether the other end was closed before it had read all that c has sent, and
// seen the end if c has sent that. It is known when what is on its way has arrived.
func (c *Conn) Missed() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.out.missed
}

// LocalAddr and RemoteAddr implement net.Conn; both are a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.read, &c.write) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.read) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.write) }

func (c *Conn) setDeadlines(t time.Time, which ...*deadline) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed() {
		return c.fails("set", net.ErrClosed)
	}
	for _, d := range which {
		d.at = t
		if d.timer != nil {
			d.timer.Stop()
		}
		if !t.IsZero() {
			d.timer = time.AfterFunc(time.Until(t), c.link.wake)
		}
	}
	c.link.changed.Broadcast()
	return nil
}

func (l *link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// SyscallConn implements syscall.Conn, for sock.Memory: the callbacks get 0 for a file
// descriptor, and use ReadNow and WriteNow.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return raw{c}, nil }

type raw struct{ c *Conn }

// Control implements syscall.RawConn.
func (r raw) Control(f func(uintptr)) error {
	r.c.link.mu.Lock()
	closed := r.c.closed()
	r.c.link.mu.Unlock()
	if closed {
		return r.c.fails("raw-control", net.ErrClosed)
	}
	f(0)
	return nil
}

// Read implements syscall.RawConn: f is called again when there may be something to
// read, until it is true.
func (r raw) Read(f func(uintptr) bool) error {
	c := r.c
	return r.until("raw-read", f, &c.read, func() bool { return len(c.in.arrived) > 0 || c.in.ended || c.link.cut })
}

// Write implements syscall.RawConn, likewise.
func (r raw) Write(f func(uintptr) bool) error {
	c := r.c
	return r.until("raw-write", f, &c.write, func() bool { return c.out.room() > 0 || c.out.sentEnd || c.link.cut })
}

func (r raw) until(op string, f func(uintptr) bool, d *deadline, ready func() bool) error {
	c := r.c
	for {
		c.link.mu.Lock()
		var err error
		switch {
		case c.closed():
			err = net.ErrClosed
		case d.over():
			err = os.ErrDeadlineExceeded
		}
		c.link.mu.Unlock()
		if err != nil {
			return c.fails(op, err)
		}
		if f(0) {
			return nil
		}
		c.link.mu.Lock()
		for !ready() && !d.over() && !c.closed() {
			c.link.changed.Wait()
		}
		c.link.mu.Unlock()
	}
}
