package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strings"

	"simplane/server/internal/auth"
)

// ExposedError says that other machines could use a scope without a token, and
// that the configuration does not ask for it.
type ExposedError struct{ message string }

func (e *ExposedError) Error() string { return e.message }

// opening is what may be done without a token, and by whom.
type opening struct {
	addrs  []string
	who    string
	level  slog.Level // at which it is logged
	refuse bool       // to start
	scopes []auth.Scope
}

// openings are what the configuration leaves open. Both addresses are in one
// where they leave the same open to the same.
func (s *Server) openings(api, mgmt string) (found []opening) {
	scopes := map[bool][]auth.Scope{}
	for sc := auth.ScopeInvoke; sc <= auth.ScopeInternal; sc++ {
		if !s.guard.Open(sc) {
			continue
		}
		scopes[true] = append(scopes[true], sc)
		if !(sc == auth.ScopeManage && s.cfg.ManageOnMgmtOnly || sc == auth.ScopeInternal && s.cfg.InternalOnMgmtOnly) {
			scopes[false] = append(scopes[false], sc)
		}
	}
	for i, addr := range []string{api, mgmt} {
		o := opening{addrs: []string{addr}, scopes: scopes[i == 1]}
		switch {
		case len(o.scopes) == 0:
			continue
		case s.cfg.TLSClientCA != "":
			o.who, o.level = "whoever has a client certificate", slog.LevelInfo
		case onLoopback(addr):
			o.who, o.level = "every user and program of this machine", slog.LevelWarn
		default:
			o.who, o.level, o.refuse = "whoever reaches this machine", slog.LevelWarn, !s.cfg.Insecure
		}
		if n := len(found); n > 0 && found[n-1].who == o.who && slices.Equal(found[n-1].scopes, o.scopes) {
			found[n-1].addrs = append(found[n-1].addrs, addr)
		} else {
			found = append(found, o)
		}
	}
	return found
}

// checkExposure logs what needs no token at the two addresses. The error is an
// *ExposedError.
func (s *Server) checkExposure(api, mgmt string) error {
	openings := s.openings(api, mgmt)
	for _, o := range openings {
		if o.refuse {
			return &ExposedError{fmt.Sprintf("without a token, %s could %s at %s; set %s, listen on 127.0.0.1 only, or start all the same with --insecure",
				o.who, s.allows(o.scopes), listed(o.addrs), tokenKeys(o.scopes))}
		}
	}
	for _, o := range openings {
		s.log.Log(context.Background(), o.level, fmt.Sprintf("no token is needed at %s: %s can %s", listed(o.addrs), o.who, s.allows(o.scopes)),
			"close", "set "+tokenKeys(o.scopes))
		if o.level >= slog.LevelWarn && slices.Contains(o.scopes, auth.ScopeManage) && s.cfg.Provides(ProviderProcess) && os.Geteuid() == 0 {
			s.log.Error("functions run as root, and "+o.who+" can register one without a token", "close", "run simplane as a user of its own, or set manageTokenFile")
		}
	}
	for _, problem := range s.cfg.readableTokenFiles() {
		s.log.Warn(problem)
	}
	return nil
}

// allows says what callers of these scopes may do.
func (s *Server) allows(scopes []auth.Scope) string {
	var found []string
	for _, sc := range scopes {
		switch sc {
		case auth.ScopeInvoke:
			found = append(found, "run functions")
		case auth.ScopeManage:
			what := "register functions"
			if s.cfg.Provides(ProviderProcess) {
				what += ", which are programs that run here as " + userName() + ","
			}
			found = append(found, what)
		case auth.ScopeInternal:
			found = append(found, "administer the server")
		}
	}
	return strings.TrimSuffix(listed(found), ",")
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Geteuid())
}

// tokenKeys are the settings that close scopes.
func tokenKeys(scopes []auth.Scope) string {
	var keys []string
	for _, sc := range scopes {
		keys = append(keys, sc.String()+"TokenFile")
	}
	return listed(keys)
}

// listed is "a", "a and b", "a, b and c".
func listed(parts []string) string {
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}

func onLoopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
