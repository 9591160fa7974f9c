package provider

import (
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/fncall"
	"simplane/server/internal/sock"
)

// HTTPOptions tunes an HTTPInstance; zero fields take the defaults named here.
type HTTPOptions struct {
	MaxOutputBytes int           // largest answer, 4 MiB
	DialTimeout    time.Duration // 3 s
	// Dial connects to the instance; a TCP connection to its address by
	// default.
	Dial func(timeout time.Duration) (net.Conn, error)
	// Token is sent with every request, in TokenHeader; empty for none.
	Token string
}

// TokenHeader is the header with which a function can tell simplane's requests
// from those of others.
const TokenHeader = "X-Simplane-Instance-Token"

// TokenEnv is the environment variable that tells an HTTP function the token of
// its instance. Every request of simplane's has it in TokenHeader: a function that
// wants to be called by simplane only refuses the others.
const TokenEnv = "SIMPLANE_INSTANCE_TOKEN"

// HTTPInstance calls a function that listens on a TCP address. Connections
// are kept and reused.
type HTTPInstance struct {
	client *fasthttp.HostClient
	target *fncall.Target
	faulty error // the error in addr
	addr   string
}

// idleConnTimeout is shorter than the keep-alive time of common servers (Node
// closes after 5 s): sock.Send detects a connection that was closed
// meanwhile, but not one that is being closed at the same moment.
const idleConnTimeout = 3 * time.Second

// NewHTTPInstance makes an instance for addr, a host:port.
func NewHTTPInstance(addr string, opt HTTPOptions) *HTTPInstance {
	if opt.MaxOutputBytes <= 0 {
		opt.MaxOutputBytes = 4 << 20
	}
	if opt.DialTimeout <= 0 {
		opt.DialTimeout = 3 * time.Second
	}
	if opt.Dial == nil {
		opt.Dial = func(timeout time.Duration) (net.Conn, error) { return net.DialTimeout("tcp", addr, timeout) }
	}
	client := &fasthttp.HostClient{
		Addr: addr,
		Name: "simplane",
		DialTimeout: sock.Dialer(func(_ string, timeout time.Duration) (net.Conn, error) {
			return opt.Dial(min(timeout, opt.DialTimeout))
		}),
		MaxConns:            MaxEndpointConcurrency,
		MaxIdleConnDuration: idleConnTimeout,
		MaxResponseBodySize: opt.MaxOutputBytes,
	}
	var headers []fncall.Header
	if opt.Token != "" {
		headers = append(headers, fncall.Header{Name: TokenHeader, Value: opt.Token})
	}
	target, err := fncall.New(client, "http://"+addr+"/", headers...)
	return &HTTPInstance{client, target, err, addr}
}

// Call implements Instance.
func (h *HTTPInstance) Call(inv Invocation, done func(Result)) {
	go func() {
		r, err := h.Do(inv)
		if err != nil {
			r = Failure(CodeError, "the function at "+h.addr+" could not be called: "+err.Error())
		}
		done(r)
	}()
}

// Do posts the invocation and waits for the answer, no longer than
// inv.Deadline. The error is a transport failure: nothing is known about
// whether the function ran.
func (h *HTTPInstance) Do(inv Invocation) (Result, error) {
	if h.faulty != nil {
		return Result{}, h.faulty
	}
	call := h.target.Call
	if inv.Raw != nil {
		call = h.target.Pass
	}
	a, err := call(&inv)
	var e *fncall.Error
	if errors.As(err, &e) && e.Kind == fncall.Unreachable {
		return Result{}, err
	}
	return ResultOf(a, err), nil
}

// PassesOn implements Passer.
func (h *HTTPInstance) PassesOn() {}

// Close drops the idle connections.
func (h *HTTPInstance) Close() { h.client.CloseIdleConnections() }
