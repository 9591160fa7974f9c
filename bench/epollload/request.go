package epollload

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"simplane/bench/loadgen"
)

// maxRequests bounds the bytes of all requests of one run.
const maxRequests = 256 << 20

// keyPrefix and keyDigits make an Idempotency-Key; the digits are written anew
// into each request.
const (
	keyPrefix = "bench-"
	keyDigits = 32
)

// request is one request, encoded.
type request struct {
	bytes []byte
	key   int // where the digits of its Idempotency-Key begin; 0 without one
}

// encodeAll returns the requests to all URLs of a target, by index, and the
// host:port they go to.
func encodeAll(o loadgen.Options) (all []request, addr string, err error) {
	t, total := o.Targets[0], 0
	urls := []string{t.URL}
	if t.Paths != nil {
		urls = t.Paths.URLs
	}
	if len(urls)*(len(t.Body)+1) > maxRequests {
		return nil, "", fmt.Errorf("%d paths with a body of %d bytes each: this client holds at most %d MiB of requests", len(urls), len(t.Body), maxRequests>>20)
	}
	for _, u := range urls {
		var r request
		if r, addr, err = encode(t, u, o.Idempotency != 0); err != nil {
			return nil, "", err
		}
		if total += len(r.bytes); total > maxRequests {
			return nil, "", fmt.Errorf("%d paths: their requests take more than %d MiB", len(urls), maxRequests>>20)
		}
		all = append(all, r)
	}
	return all, addr, nil
}

// encode returns a request and the host:port it goes to.
func encode(t loadgen.Target, rawURL string, keyed bool) (r request, addr string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return r, "", err
	}
	if u.Scheme != "http" || u.Host == "" {
		return r, "", fmt.Errorf("url %q: this client speaks plain http only", rawURL)
	}
	if t.Method == "CONNECT" {
		return r, "", fmt.Errorf("method %s is not supported by this client", t.Method)
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
	if keyed {
		b.WriteString("Idempotency-Key: " + keyPrefix)
		r.key = b.Len()
		b.WriteString(strings.Repeat("0", keyDigits) + "\r\n")
	}
	if t.Body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(t.Body))
	}
	b.WriteString("\r\n")
	b.Write(t.Body)
	r.bytes = []byte(b.String())
	return r, net.JoinHostPort(u.Hostname(), port), nil
}
