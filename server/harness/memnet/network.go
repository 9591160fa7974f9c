// Package memnet is a network in memory, for a server in virtual time
// (testing/synctest): listeners, and connections that behave as TCP ones do.
//
// A connection has a window, so that who does not read makes the other side wait; a
// delay in each direction, drawn from a seed; a half close; and a reset, as after
// a pulled cable. It implements what simplane/server/internal/sock asks of a
// Memory. Nothing here is a system call, and whoever waits does so on a
// condition variable, so that time passes in a bubble meanwhile.
package memnet

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Options say how a network behaves.
type Options struct {
	Seed uint64
	// MinDelay and MaxDelay bound the time that bytes are on their way. Each connection
	// draws its own, and each piece is then late by up to a quarter of it more. 0 and 0:
	// bytes are there at once.
	MinDelay, MaxDelay time.Duration
	// Window is how many bytes may be on their way, or unread, in one direction.
	// 0 = 64 KiB.
	Window int
}

// backlog is how many connections wait at most to be accepted. Who comes then waits too.
const backlog = 4096

// Network has the listeners. Its methods may be called by several goroutines.
type Network struct {
	opts Options

	mu        sync.Mutex
	rand      *rand.Rand
	listeners map[netip.AddrPort]*Listener
	port      uint16 // of the last connection made
}

// New makes a network without listeners. In a bubble it must be made there.
func New(opts Options) *Network {
	if opts.Window == 0 {
		opts.Window = 64 << 10
	}
	return &Network{
		opts: opts, rand: rand.New(rand.NewPCG(opts.Seed, 0x6d656d6e6574)),
		listeners: map[netip.AddrPort]*Listener{}, port: 20000,
	}
}

// Listen opens an address, such as 10.0.0.1:80.
func (n *Network) Listen(addr string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[at] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &Listener{net: n, addr: at, come: make(chan *Conn, backlog), closed: make(chan struct{})}
	n.listeners[at] = l
	return l, nil
}

// Dial connects to a listener from an address of the client's own.
func (n *Network) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	return n.DialFrom(netip.MustParseAddr("10.255.0.1"), addr, timeout)
}

// DialFrom is Dial from an address. timeout <= 0 is none.
func (n *Network) DialFrom(from netip.Addr, addr string, timeout time.Duration) (net.Conn, error) {
	c, err := n.dial(from, addr, timeout)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return c, nil
}

func (n *Network) dial(from netip.Addr, addr string, timeout time.Duration) (*Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	out, back := n.draw(), n.draw()
	if trip := out.delay + back.delay; timeout > 0 && trip > timeout {
		time.Sleep(timeout)
		return nil, os.ErrDeadlineExceeded
	} else if trip > 0 {
		time.Sleep(trip)
	}
	n.mu.Lock()
	l := n.listeners[to]
	if n.port++; n.port == 0 {
		n.port = 20000
	}
	local := netip.AddrPortFrom(from, n.port)
	n.mu.Unlock()
	if l == nil {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	near, far := pair(local, to, out, back)
	// A kernel drops the first packet of a connection that finds the backlog full, and
	// the client sends it again: the caller waits.
	var late <-chan time.Time
	if timeout > 0 {
		late = time.After(timeout - out.delay - back.delay)
	}
	select {
	case l.come <- far:
	case <-l.closed:
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case <-late:
		return nil, os.ErrDeadlineExceeded
	}
	select {
	case <-l.closed: // perhaps after Close has reset those that waited
		far.Cut()
	default:
	}
	return near, nil
}

// draw is a direction of a connection.
func (n *Network) draw() way {
	w := way{window: n.opts.Window, delay: n.opts.MinDelay}
	n.mu.Lock()
	defer n.mu.Unlock()
	if spread := n.opts.MaxDelay - n.opts.MinDelay; spread > 0 {
		w.delay += time.Duration(n.rand.Int64N(int64(spread) + 1))
	}
	if w.delay > 0 {
		w.late = rand.New(rand.NewPCG(n.rand.Uint64(), n.rand.Uint64()))
	}
	return w
}

// Listener is one address. Its connections are *Conn.
type Listener struct {
	net  *Network
	addr netip.AddrPort
	come chan *Conn

	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.come:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that nobody has accepted are reset.
func (l *Listener) Close() error {
	err := error(net.ErrClosed)
	l.once.Do(func() {
		err = nil
		l.net.mu.Lock()
		delete(l.net.listeners, l.addr)
		l.net.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.come:
				c.Cut()
				continue
			default:
			}
			return
		}
	})
	return err
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }
