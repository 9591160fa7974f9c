package epollload

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"simplane/bench/loadgen"
)

// encode returns the bytes of a request and the host:port it goes to.
func encode(t loadgen.Target) (request []byte, addr string, err error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, "", err
	}
	if u.Scheme != "http" || u.Host == "" {
		return nil, "", fmt.Errorf("url %q: this client speaks plain http only", t.URL)
	}
	if t.Method == "CONNECT" {
		return nil, "", fmt.Errorf("method %s is not supported by this client", t.Method)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	var b strings.Builder
	host := u.Host
	for _, h := range t.Headers {
		if strings.EqualFold(h.Name, "Host") {
			host = h.Value
		}
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", t.Method, u.RequestURI(), host)
	for _, h := range t.Headers {
		if !strings.EqualFold(h.Name, "Host") {
			fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
		}
	}
	if t.Body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(t.Body))
	}
	b.WriteString("\r\n")
	b.Write(t.Body)
	return []byte(b.String()), net.JoinHostPort(u.Hostname(), port), nil
}
