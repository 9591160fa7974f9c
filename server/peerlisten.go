package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"simplane/server/internal/sock"
)

// listen opens the address for other nodes. Without TLS between them it must be one
// that only this machine reaches: callers' requests, with their tokens, come there.
func (c *membership) listen() (net.Listener, error) {
	cfg := &c.s.cfg
	ln, err := net.Listen("tcp", cfg.PeerAddr)
	if err != nil {
		return nil, fmt.Errorf("peer-addr %s: %w", cfg.PeerAddr, err)
	}
	at, err := netip.ParseAddrPort(ln.Addr().String())
	if err == nil && !at.Addr().IsLoopback() && c.certs == nil {
		err = fmt.Errorf("peer-addr %s: other machines reach it, and requests with their tokens come there: set peerTlsCert, peerTlsKey and peerTlsCa", cfg.PeerAddr)
	}
	if err == nil && c.certs != nil && cfg.PeerTLSCA == "" {
		err = errors.New("peerTlsCa: must be set with peerTlsCert: nodes know one another by it")
	}
	if err == nil && at.Addr().IsUnspecified() && cfg.PeerAdvertise == "" {
		err = fmt.Errorf("peerAdvertise: must be set with peer-addr %s: the other nodes cannot tell from it where this one is", cfg.PeerAddr)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	limits := sock.Limits{All: cfg.MaxConnections, Refused: func(sock.Limit) {}}
	if c.certs == nil {
		return sock.NewListener(ln, limits, c.s.log), nil
	}
	return c.certs.Listener(sock.NewListener(ln, limits, c.s.log)), nil
}
