package funcspec

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// endpointProblem says what is wrong with the URL of a function that runs
// elsewhere; "" for nothing. It refuses what software reads differently, so
// that what is checked is what is called: hosts that are no names, and numbers
// that only some take for addresses. In the path and the query anything may
// stand; what a request line cannot have is percent-encoded there.
func endpointProblem(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "must be an absolute http or https URL"
	}
	if strings.ContainsFunc(u.Fragment, unicode.IsControl) { // Parse looks at the rest only
		return "must have no control characters"
	}
	host, port := u.Hostname(), u.Port()
	if strings.HasSuffix(u.Host, ":") || port != "" && !validPort(port) {
		return fmt.Sprintf("must have a port from 1 to 65535, or none, and not %q", port)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return hostProblem(strings.TrimSuffix(host, "."))
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func hostProblem(host string) string {
	shown := fmt.Sprintf("%.100q", host)
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInHostName) || label[0] == '-' || label[len(label)-1] == '-' {
			return "must have a host of letters, digits, dashes, underscores and dots (names in other scripts in their form with xn--), and not " + shown
		}
	}
	// Some resolvers read 2130706433, 0x7f.1 and 127.1 as 127.0.0.1.
	last := strings.ToLower(labels[len(labels)-1])
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return "must have an IPv4 address written as four decimal numbers, such as 127.0.0.1, and not " + shown
	}
	if len(host) > 253 {
		return "must have a host of at most 253 characters"
	}
	return ""
}

func notInHostName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
