package server

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// sourceLimit bounds the connections of one source address at a time, so that
// one peer cannot take all there are. An IPv6 source is its /64 network: that
// is what one customer gets. Loopback is not bounded: it is this machine's own
// functions, probes and proxies.
type sourceLimit struct {
	most     int
	log      *slog.Logger
	loopback bool // bound it too; for tests

	mu   sync.Mutex
	open map[netip.Addr]int // entries only for open connections
	told time.Time          // when a refusal was last logged
}

// newSourceLimit returns nil for most = 0, no limit.
func newSourceLimit(most int, log *slog.Logger) *sourceLimit {
	if most <= 0 {
		return nil
	}
	return &sourceLimit{most: most, log: log, open: map[netip.Addr]int{}}
}

// tellEvery is the least time between two log lines about refusals: a flood
// must not become one of the log.
const tellEvery = time.Minute

// take counts a connection, or reports false when its source has its share.
// The source is to be given to release when the connection closes; the zero
// one is not counted.
func (l *sourceLimit) take(c net.Conn) (source netip.Addr, ok bool) {
	if l == nil {
		return netip.Addr{}, true
	}
	tcp, isTCP := c.RemoteAddr().(*net.TCPAddr)
	if !isTCP {
		return netip.Addr{}, true
	}
	source = sourceOf(tcp.AddrPort().Addr())
	if source.IsLoopback() && !l.loopback {
		return netip.Addr{}, true
	}
	ok, tell := l.count(source)
	if tell {
		l.log.Warn("connections of one source are refused (maxConnectionsPerIp); said once a minute", "source", source.String(), "most", l.most)
	}
	return source, ok
}

func (l *sourceLimit) count(source netip.Addr) (ok, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source] < l.most {
		l.open[source]++
		return true, false
	}
	if now := time.Now(); now.Sub(l.told) >= tellEvery {
		l.told, tell = now, true
	}
	return false, tell
}

func (l *sourceLimit) release(source netip.Addr) {
	if !source.IsValid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source]--; l.open[source] == 0 {
		delete(l.open, source)
	}
}

func sourceOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() || addr.IsLoopback() {
		return addr
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return network.Addr()
}
