package loadgen

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// Protocols that requests can be sent with.
const (
	HTTP1 = "http1" // HTTP/1.1, a connection for each request in flight
	HTTP2 = "http2" // over TLS, or to an http URL at once, without an upgrade
	GRPC  = "grpc"  // unary calls over HTTP/2: the body is the message, as it is encoded
)

// Protocols lists them, the default first.
func Protocols() []string { return []string{HTTP1, HTTP2, GRPC} }

// client sends one request at a time for each of those who call it.
type client interface {
	DoTimeout(req *fasthttp.Request, resp *fasthttp.Response, timeout time.Duration) error
	CloseIdleConnections()
}

// http2Client sends requests over HTTP/2 by net/http: as many streams of one connection
// as its server allows, then another connection.
type http2Client struct {
	http *http.Client
	grpc bool
}

func newHTTP2Client(o Options, scheme string) *http2Client {
	t := &http.Transport{
		Protocols: new(http.Protocols), DisableCompression: true, MaxConnsPerHost: o.Connections, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: o.Insecure}, // #nosec G402 -- only if the user asked for it
	}
	if scheme == "https" {
		t.Protocols.SetHTTP2(true)
	} else {
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return &http2Client{
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		grpc: o.Protocol == GRPC,
	}
}

// grpcError is a call that the server has answered with another status than OK.
type grpcError struct{ code, message string }

func (e *grpcError) Error() string { return "grpc status " + e.code + ": " + e.message }

// DoTimeout implements client.
func (c *http2Client) DoTimeout(req *fasthttp.Request, resp *fasthttp.Response, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r, err := c.request(ctx, req)
	if err != nil {
		return err
	}
	a, err := c.http.Do(r)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err // the rest is what the caller knows
		}
		return err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, maxResponseBytes+1))
	switch {
	case err != nil:
		return err
	case len(body) > maxResponseBytes:
		return fasthttp.ErrBodyTooLarge
	case a.ProtoMajor != 2:
		return fmt.Errorf("the server answered with %s", a.Proto)
	}
	resp.Reset()
	resp.SetStatusCode(a.StatusCode)
	if c.grpc && a.StatusCode == http.StatusOK {
		if body, err = unframed(a, body); err != nil {
			return err
		}
	}
	resp.SetBodyRaw(body)
	return nil
}

// CloseIdleConnections implements client.
func (c *http2Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// request is req as net/http has it.
func (c *http2Client) request(ctx context.Context, req *fasthttp.Request) (*http.Request, error) {
	method, body := string(req.Header.Method()), req.Body()
	if c.grpc {
		method, body = "POST", framed(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, req.URI().String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range req.Header.All() {
		switch key := string(name); {
		case strings.EqualFold(key, "Host"):
			r.Host = string(value)
		case strings.EqualFold(key, "Content-Length"), strings.EqualFold(key, "Connection"):
		default:
			r.Header.Add(key, string(value))
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", clientName)
	}
	if c.grpc {
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Te", "trailers")
	}
	return r, nil
}

// frameHead is the length of what gRPC puts before a message: whether it is
// compressed, and its length.
const frameHead = 5

func framed(message []byte) []byte {
	b := append(make([]byte, 0, frameHead+len(message)), 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	return append(b, message...)
}

// unframed is the message of a unary call's answer. The error is a *grpcError if the
// call did not end well.
func unframed(a *http.Response, body []byte) ([]byte, error) {
	code, message := a.Trailer.Get("Grpc-Status"), a.Trailer.Get("Grpc-Message")
	if code == "" { // an answer without a message has its status in the header
		code, message = a.Header.Get("Grpc-Status"), a.Header.Get("Grpc-Message")
	}
	switch {
	case code == "":
		return nil, errors.New("the answer has no grpc-status: this is no gRPC server")
	case code != "0":
		return nil, &grpcError{code, message}
	case len(body) < frameHead || int(binary.BigEndian.Uint32(body[1:])) != len(body)-frameHead:
		return nil, fmt.Errorf("the answer of a unary call is not one message (%d bytes)", len(body))
	case body[0] != 0:
		return nil, errors.New("the answer is compressed, which nobody asked for")
	}
	return body[frameHead:], nil
}
