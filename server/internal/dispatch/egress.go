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
// Without an allow-list everything is allowed but link-local, metadata,
// multicast and unspecified addresses; with one, only what it names. The check
// is made on the address that is dialled, after DNS, so that a name cannot
// resolve to something else later.
type Egress struct{ allow []netip.Prefix }

// metadata addresses that are not link-local: AWS over IPv6, Alibaba Cloud.
var metadataAddresses = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200")}

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
	return len(e.allow) == 0 && !dangerous(addr) && !dangerous(translated(addr))
}

func dangerous(addr netip.Addr) bool {
	return slices.Contains(metadataAddresses, addr) || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()
}

// translations are the prefixes of IPv6 addresses that gateways turn into the
// IPv4 address at that byte: IPv4-compatible, SIIT, NAT64 (well-known and
// local-use) and 6to4.
var translations = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12}, {netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, {netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

// translated is the IPv4 address inside addr, or addr itself when it has none.
func translated(addr netip.Addr) netip.Addr {
	for _, t := range translations {
		if t.prefix.Contains(addr) {
			raw := addr.As16()
			return netip.AddrFrom4([4]byte(raw[t.at : t.at+4]))
		}
	}
	return addr
}

// dial connects to a function's endpoint if its address is allowed, within
// timeout and 3 s.
func (e *Egress) dial(addr string, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{
		Timeout: min(timeout, 3*time.Second),
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !e.allowed(ap.Addr()) {
				return errForbiddenAddress
			}
			return nil
		},
	}
	return d.Dial("tcp", addr)
}

// CheckHost refuses an endpoint whose host is a forbidden address when it is
// registered; names are checked when they are dialled.
func (e *Egress) CheckHost(host string) error {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err == nil && !e.allowed(addr) {
		return errForbiddenAddress
	}
	return nil
}
