package dispatch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Egress decides which addresses POOL functions may be called at. Otherwise a
// caller who can register a function could read what only this machine can
// reach, such as a cloud's metadata service (server-side request forgery).
//
// Without an allow-list everything is allowed but the forbidden addresses and
// names; with one, only what it names. The check is made on the address that is
// dialled, after DNS, so that a name cannot resolve to something else later.
type Egress struct {
	// Dial stands in for the machine's network, which has no names then. nil = it does
	// not. It is not to be changed once something was dialled.
	Dial func(addr string, timeout time.Duration) (net.Conn, error)

	allow []netip.Prefix
}

var errForbiddenAddress = errors.New("the address is not allowed for functions (endpointAllow)")

// NewEgress reads a comma-separated list of addresses and CIDR ranges.
func NewEgress(list string) (*Egress, error) {
	e := &Egress{}
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, addrErr := netip.ParseAddr(part)
			if addrErr != nil {
				return nil, fmt.Errorf("endpointAllow: %q is neither an IP address nor a CIDR range", part)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
		}
		e.allow = append(e.allow, prefix)
	}
	return e, nil
}

func (e *Egress) allowed(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range e.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return len(e.allow) == 0 && !isForbidden(addr) && !slices.ContainsFunc(embedded(addr), isForbidden)
}

// dial connects to a function's endpoint if its address is allowed, within
// timeout and 3 s.
func (e *Egress) dial(addr string, timeout time.Duration) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(addr); err == nil && e.forbidsName(host) {
		return nil, errForbiddenAddress
	}
	timeout = min(timeout, 3*time.Second)
	if e.Dial != nil {
		if err := e.check(addr); err != nil {
			return nil, err
		}
		return e.Dial(addr, timeout)
	}
	d := net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error { return e.check(address) }}
	return d.Dial("tcp", addr)
}

// check refuses an address with a port that is not allowed.
func (e *Egress) check(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err == nil && !e.allowed(ap.Addr()) {
		err = errForbiddenAddress
	}
	return err
}

// CheckHost refuses an endpoint whose host is a forbidden address when it is
// registered; names are checked when they are dialled.
func (e *Egress) CheckHost(host string) error {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err == nil && !e.allowed(addr) || e.forbidsName(host) {
		return errForbiddenAddress
	}
	return nil
}

// forbidsName reports whether a host is a metadata service by its name. With an
// allow-list the addresses that it has decide.
func (e *Egress) forbidsName(host string) bool { return len(e.allow) == 0 && isForbiddenName(host) }
