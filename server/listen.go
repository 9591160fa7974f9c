package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"simplane/server/internal/api"
	"simplane/server/internal/sock"
)

// Network is what a Server uses of one: a listener for each of its addresses, and
// connections to POOL functions. Each connection implements what
// simplane/server/internal/sock asks of a Memory, as those of
// simplane/server/harness/memnet do.
type Network interface {
	Listen(addr string) (net.Listener, error)
	Dial(addr string, timeout time.Duration) (net.Conn, error)
}

// listen opens addr for so many connections. The error says what to do.
func (s *Server) listen(key, addr string, connections int, refused *prometheus.CounterVec) (net.Listener, error) {
	var ln net.Listener
	var err error
	if s.network == nil {
		ln, err = net.Listen("tcp", addr)
	} else {
		ln, err = s.network.Listen(addr)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s: the port is taken; stop what listens there or choose another (port 0 picks a free one)", key, addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s %s: no permission to listen there; choose a port above 1023", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s %s: cannot listen: %w", key, addr, err)
	}
	limits := sock.Limits{
		All: connections, PerSource: s.cfg.MaxConnectionsPerIP,
		Exempt:  netip.Addr.IsLoopback, // this machine's own functions, probes and proxies
		Refused: func(met sock.Limit) { refused.WithLabelValues(limitLabels[met]).Inc() },
		Answer:  api.RefusedConnection,
	}
	if key == "mgmt-addr" {
		limits.Deny = s.fromFunction // it is for operators
	}
	if s.certs == nil {
		return sock.NewListener(ln, limits, s.log), nil
	}
	limits.Answer = nil // a peer that expects a handshake could not read it
	return s.certs.Listener(sock.NewListener(ln, limits, s.log)), nil
}

// limitLabels are what the counter of refused connections calls the limits.
var limitLabels = map[sock.Limit]string{
	sock.LimitAll:       "max_connections",
	sock.LimitPerSource: "max_connections_per_ip",
}

// newRefusedCounter makes the counter of connections refused at a limit.
func newRefusedCounter(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_connections_refused_total", Help: "Connections refused at a limit, on both addresses.",
	}, []string{"limit"})
	for _, label := range limitLabels {
		c.WithLabelValues(label) // shown as 0 from the start
	}
	r.MustRegister(c)
	return c
}
