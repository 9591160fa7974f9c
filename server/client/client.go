// Package client calls simplane's HTTP API.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Client calls one server. It sets no time limit of its own: an invocation
// takes as long as its function's timeout allows, and ctx can end it sooner.
type Client struct {
	base, token string
	http        http.Client
}

// New prepares a client of the server at address, which is a URL or a
// host:port; without a scheme it is http, or https at a port that is known for it. A token, when there is one, goes along with every call.
func New(address, token string) (*Client, error) {
	if !strings.Contains(address, "://") {
		scheme := "http://"
		if _, port, err := net.SplitHostPort(address); err == nil && (port == "443" || port == "8443") {
			scheme = "https://"
		}
		address = scheme + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server %q: expected host:port or an http(s) URL", address)
	}
	return &Client{base: strings.TrimRight(u.String(), "/"), token: token}, nil
}

// Base is the server's URL.
func (c *Client) Base() string { return c.base }

// Answer is a decoded answer beside the text it came from: whoever passes it
// on as JSON then keeps the fields that this client does not know.
type Answer[T any] struct {
	Value T
	Raw   json.RawMessage
}

// request is one call. The body, when there is one, is sent as JSON.
type request struct {
	method, path string
	query        url.Values
	header       map[string]string
	body         any
}

func call[T any](ctx context.Context, c *Client, r request) (Answer[T], error) {
	var a Answer[T]
	raw, err := c.do(ctx, r)
	if err != nil || len(raw) == 0 {
		return a, err
	}
	a.Raw = raw
	if err := json.Unmarshal(raw, &a.Value); err != nil {
		return a, fmt.Errorf("%s %s: cannot read the answer: %w", r.method, c.base+r.path, err)
	}
	return a, nil
}

// do sends a request and returns the body of a 2xx answer; any other answer
// is an *Error.
func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	raw, _, err := c.send(ctx, r)
	return raw, err
}

// send is do, with the answer's header.
func (c *Client) send(ctx context.Context, r request) ([]byte, http.Header, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		if err != nil {
			return nil, nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range r.header {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, c.unreachable(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: the answer broke off: %w", c.base, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, nil, readError(r, res, raw)
	}
	return raw, res.Header, nil
}

// unreachable says what to do about a server that does not answer.
func (c *Client) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the method and URL, which are named below
	}
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"), errors.As(err, &record):
		return fmt.Errorf("cannot reach %s: the server has no TLS there; use %s", c.base, strings.Replace(c.base, "https://", "http://", 1))
	case strings.HasPrefix(c.base, "http://") && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "malformed HTTP") || errors.Is(err, syscall.ECONNRESET)):
		return fmt.Errorf("cannot reach %s: %w; if the server has TLS there, use %s", c.base, err, strings.Replace(c.base, "http://", "https://", 1))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &dns):
		return fmt.Errorf("cannot reach %s: %w; is the server running, and is this its address?", c.base, err)
	}
	return fmt.Errorf("cannot reach %s: %w", c.base, err)
}
