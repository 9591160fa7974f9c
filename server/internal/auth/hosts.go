package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

const codeForeignHost = "FOREIGN_HOST"

// hostNames are host names in lower case: whole ones, and endings such as
// ".example.com" of the wildcard "*.example.com".
type hostNames struct {
	all     bool // the wildcard "*"
	whole   map[string]bool
	endings []string
}

// newHostNames reads names, "*.NAME" for all names directly or further below
// NAME, and "*" for all. The error says which is none of them.
func newHostNames(names []string) (hostNames, error) {
	h := hostNames{whole: map[string]bool{}}
	for _, name := range names {
		if name == "*" {
			h.all = true
			continue
		}
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		ending, wild := strings.CutPrefix(name, "*.")
		switch {
		case !validHostName(ending):
			return h, fmt.Errorf("%q is not a host name; give names without scheme and port, *.NAME for the names below NAME, or * for all", httpjson.Clip([]byte(name), 100))
		case wild:
			h.endings = append(h.endings, "."+ending)
		default:
			h.whole[name] = true
		}
	}
	return h, nil
}

func validHostName(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`/\:*@?#[]%,"'<>`, c) >= 0 {
			return false
		}
	}
	return name != "" && len(name) <= 253 && name[0] != '.'
}

// has reports whether a name in lower case is one of them.
func (h *hostNames) has(name []byte) bool {
	if h.all || h.whole[string(name)] {
		return true
	}
	for _, ending := range h.endings {
		if len(name) > len(ending) && string(name[len(name)-len(ending):]) == ending {
			return true
		}
	}
	return false
}

// parseAllowedHosts reads the comma-separated list of the configuration.
func parseAllowedHosts(list string) (hostNames, error) {
	var names []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			names = append(names, part)
		}
	}
	h, err := newHostNames(names)
	if err == nil && len(names) == 0 && list != "" {
		err = errors.New("there is no name in it; leave it out for none")
	}
	if err != nil {
		err = fmt.Errorf("allowedHosts: %w", err)
	}
	return h, err
}

// CheckAllowedHosts returns an error that names what is wrong with a list.
func CheckAllowedHosts(list string) error {
	_, err := parseAllowedHosts(list)
	return err
}

// ForeignHost reports whether a request was sent to a host name that is not
// this server's. A page can point its own name at the address of a server that
// only the visitor's browser reaches (DNS rebinding); the browser then counts
// both as one site and lets the page read all answers. What gives it away is
// the Host header, which still has the page's name.
//
// IP addresses cannot be pointed elsewhere, and a name without a dot, such as
// localhost or that of a container, is nobody's in the public name service. So
// they are this server's own, as are the names of its certificate and those
// that the configuration allows. Browsers always send a Host; HTTP/1.0 probes
// may not.
func (g *Guard) ForeignHost(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if !g.ownHost(h.Host()) {
		return true
	}
	// A target that is a whole URL has a host of its own.
	target := h.RequestURI()
	return len(target) > 0 && target[0] != '/' && !g.ownHost(ctx.URI().Host())
}

func (g *Guard) ownHost(host []byte) bool {
	name := withoutPort(host)
	if len(name) == 0 {
		return true
	}
	if isAddress(name) {
		return true
	}
	if name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	if len(name) == 0 || bytes.IndexByte(name, '.') < 0 {
		return true
	}
	var space [256]byte
	if len(name) > len(space) {
		return g.allowedHosts.all
	}
	lower := space[:0]
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	return g.allowedHosts.has(lower) || g.certs.hasName(lower)
}

// isAddress reports whether a name is an IP address: in brackets, or nothing but
// digits and dots, which no name in the public name service is.
func isAddress(name []byte) bool {
	if name[0] == '[' {
		return name[len(name)-1] == ']'
	}
	for _, c := range name {
		if (c < '0' || c > '9') && c != '.' {
			return false
		}
	}
	return true
}

// withoutPort is a Host header without ":port". An IPv6 address is only
// followed by a port when it is in brackets.
func withoutPort(host []byte) []byte {
	at := bytes.LastIndexByte(host, ':')
	if at < 0 || bytes.IndexByte(host[:at], ':') >= 0 && host[at-1] != ']' {
		return host
	}
	return host[:at]
}

// RefuseForeignHost writes the refusal of a request to another host's name.
func (g *Guard) RefuseForeignHost(ctx *fasthttp.RequestCtx) {
	g.OnRefusal(ctx, fasthttp.StatusForbidden, ScopePublic)
	httpjson.WriteError(ctx, fasthttp.StatusForbidden, codeForeignHost, fmt.Sprintf(
		"%s is not a name of this server (a web page may have pointed its own name here); use its IP address or localhost, or add the name to allowedHosts",
		httpjson.Clip(ctx.Host(), 100)))
}
