package server

import (
	"net"
	"net/netip"

	"simplane/server/internal/auth"
)

// exposure lists what the configuration leaves open, possibly by mistake.
func (s *Server) exposure() []string {
	var found []string
	// A scope without tokens is open, also when a lower one has some.
	for sc := auth.ScopeManage; sc <= auth.ScopeInternal; sc++ {
		if !s.guard.Open(sc) {
			continue
		}
		for lower := auth.ScopeInvoke; lower < sc; lower++ {
			if !s.guard.Open(lower) {
				found = append(found, "the scope "+sc.String()+" needs no token though "+lower.String()+" does; set "+sc.String()+"Token")
				break
			}
		}
	}
	if s.guard.Open(auth.ScopeManage) && s.cfg.TLSClientCA == "" {
		for _, ln := range []struct {
			l    net.Listener
			open bool
		}{{s.apiAddr, !s.cfg.ManageOnMgmtOnly}, {s.mgmtAddr, true}} {
			if ln.open && !onLoopback(ln.l.Addr()) {
				found = append(found, "whoever reaches "+ln.l.Addr().String()+" can register functions, which are programs run here; set manageToken, or bind to loopback")
			}
		}
	}
	return found
}

func onLoopback(addr net.Addr) bool {
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
