package bubble

import (
	"net"
	"sync"
	"syscall"
	"time"

	"simplane/server/harness/memnet"
)

// process is the network as one server has it, until its process ends. In a bubble the
// goroutines of a server outlive that; nothing of them must be seen then.
type process struct {
	net *memnet.Network

	mu    sync.Mutex
	ended bool
	conns []*memnet.Conn
}

// keep notes a connection, or cuts it when the process has ended.
func (p *process) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		c.(*memnet.Conn).Cut()
		return false
	}
	p.conns = append(p.conns, c.(*memnet.Conn))
	return true
}

// end cuts all that the process has had to do with the network.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, c := range p.conns {
		c.Cut()
	}
}

// Dial implements server.Network.
func (p *process) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if ended {
		return nil, syscall.ENETDOWN
	}
	c, err := p.net.Dial(addr, timeout)
	if err == nil && !p.keep(c) {
		return nil, syscall.ENETDOWN
	}
	return c, err
}

// Listen implements server.Network.
func (p *process) Listen(addr string) (net.Listener, error) {
	l, err := p.net.Listen(addr)
	return ofProcess{l, p}, err
}

// ofProcess is a listener of a process.
type ofProcess struct {
	net.Listener
	p *process
}

// Accept implements net.Listener.
func (l ofProcess) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.p.keep(c) {
			return c, err
		}
	}
}
