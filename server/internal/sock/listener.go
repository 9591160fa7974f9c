package sock

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Limits are how many connections may be open on one address at a time, and
// what becomes of one over a limit.
type Limits struct {
	All       int // of all sources together
	PerSource int // of one source, see Listener; 0 for no such limit
	// Exempt says that PerSource does not hold for a source; nil: it holds for
	// all. A Listener asks it for every connection.
	Exempt func(source netip.Addr) bool
	// Deny says that a source may not connect at all: its connections are closed at
	// once. nil: all may.
	Deny func(source netip.Addr) bool
	// Refused is called for each refusal at a limit.
	Refused func(Limit)
	// Answer is written to the peer before the connection is closed, whatever
	// it has sent; nil: nothing.
	Answer func(Limit) []byte
}

// Limit is one that a connection met.
type Limit int

// The limits that there are.
const (
	LimitAll Limit = iota
	LimitPerSource
)

// Listener accepts each connection as a *Conn, within Limits. During a
// shortage of file descriptors or memory it retries. A source is an IPv4
// address or the /64 network of an IPv6 one, which is what one customer gets.
type Listener struct {
	net.Listener
	Limits // not to be changed after the first Accept

	sources  sources
	open     atomic.Int64
	refusing chan struct{} // bounds how many are being answered
}

// refusedAtOnce is how many refusals are written at a time. Connections
// beyond it are closed without one, so that refusals do not become a load
// themselves.
const refusedAtOnce = 64

// NewListener accepts connections from ln, each of which is a Socket.
func NewListener(ln net.Listener, limits Limits, log *slog.Logger) *Listener {
	return &Listener{
		Listener: patientListener{ln, log}, Limits: limits,
		sources:  sources{log: log, open: map[netip.Addr]int{}},
		refusing: make(chan struct{}, refusedAtOnce),
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.denied(c) {
			_ = c.Close()
			continue
		}
		source := l.counted(c)
		if !l.sources.take(source, l.PerSource) {
			l.refuse(c, LimitPerSource)
			continue
		}
		if l.open.Add(1) > int64(l.All) {
			l.release(source)
			l.refuse(c, LimitAll)
			continue
		}
		return New(c.(Socket), func() { l.release(source) }), nil
	}
}

func (l *Listener) denied(c net.Conn) bool {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && l.Deny != nil && l.Deny(tcp.AddrPort().Addr().Unmap())
}

// counted is the source that a connection is counted for; the zero one is not
// counted.
func (l *Listener) counted(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || l.PerSource <= 0 {
		return netip.Addr{}
	}
	source := sourceOf(tcp.AddrPort().Addr())
	if l.Exempt != nil && l.Exempt(source) {
		return netip.Addr{}
	}
	return source
}

// release removes a closed connection from the counts.
func (l *Listener) release(source netip.Addr) {
	l.open.Add(-1)
	l.sources.release(source)
}

// refuse writes the refusal to c, unless too many are being refused already,
// and closes it.
func (l *Listener) refuse(c net.Conn, met Limit) {
	if l.Refused != nil {
		l.Refused(met)
	}
	if l.Answer == nil {
		_ = c.Close()
		return
	}
	select {
	case l.refusing <- struct{}{}:
		go func() {
			lastWords(c, l.Answer(met))
			<-l.refusing
		}()
	default:
		_ = c.Close()
	}
}

// lastWords tells the peer something and closes c.
func lastWords(c net.Conn, text []byte) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err := c.Write(text)
	if tcp, ok := c.(Socket); ok && err == nil && tcp.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, tcp, 64<<10) // so that the text is not lost to a reset
	}
}
