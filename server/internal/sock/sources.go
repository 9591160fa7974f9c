package sock

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// sources counts the open connections of each source address, so that one peer
// cannot take all that there may be.
type sources struct {
	log *slog.Logger

	mu   sync.Mutex
	open map[netip.Addr]int // entries only for open connections
	told time.Time          // when a refusal was last logged
}

// tellEvery is the least time between two log lines about refusals, so that
// many connections do not flood the log.
const tellEvery = time.Minute

// take counts a connection of source, or returns false when the source has
// most of them. The zero source is not counted.
func (s *sources) take(source netip.Addr, most int) bool {
	if !source.IsValid() {
		return true
	}
	ok, tell := s.count(source, most)
	if tell {
		s.log.Warn("connections of one source are refused (maxConnectionsPerIp); said once a minute", "source", source.String(), "most", most)
	}
	return ok
}

func (s *sources) count(source netip.Addr, most int) (ok, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[source] < most {
		s.open[source]++
		return true, false
	}
	if now := time.Now(); now.Sub(s.told) >= tellEvery {
		s.told, tell = now, true
	}
	return false, tell
}

func (s *sources) release(source netip.Addr) {
	if !source.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[source]--; s.open[source] == 0 {
		delete(s.open, source)
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
