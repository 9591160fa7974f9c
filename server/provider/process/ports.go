package process

import (
	"fmt"
	"net"
	"sync"
)

// ports assigns TCP ports on 127.0.0.1 to functions. A port is free when it
// is assigned; that another program takes it before the function listens is
// unlikely, and leads to a failed start that is retried.
type ports struct {
	mu   sync.Mutex
	used map[int]bool // ours, so that two instances never get the same one
}

func (p *ports) take() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 100 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if !p.used[port] {
			if p.used == nil {
				p.used = map[int]bool{}
			}
			p.used[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port")
}

func (p *ports) give(port int) {
	p.mu.Lock()
	delete(p.used, port)
	p.mu.Unlock()
}
