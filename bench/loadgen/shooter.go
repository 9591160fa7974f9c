package loadgen

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// maxResponseBytes bounds one response in the client's memory.
const maxResponseBytes = 64 << 20

// clientName is the User-Agent where none is given.
const clientName = "simplane-bench"

// errStale says that the server had closed a kept connection before this
// request. Nothing was sent, so it may be sent on another one, and it is no
// failure of the server: servers may close idle connections at any time, and
// clients look before they use one.
var errStale = errors.New("the server closed this connection while it was idle")

// newClients returns one client per host. What may have been sent is never
// retried: a retry would hide a failure and its cost.
func newClients(o Options) (map[string]client, error) {
	clients := make(map[string]client)
	add := func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		key := u.Scheme + "://" + u.Host
		if clients[key] != nil {
			return nil
		}
		if o.Protocol == HTTP2 || o.Protocol == GRPC {
			clients[key] = newHTTP2Client(o, u.Scheme)
			return nil
		}
		c := &fasthttp.HostClient{
			Addr: fasthttp.AddMissingPort(u.Host, u.Scheme == "https"), IsTLS: u.Scheme == "https",
			Name: clientName, MaxConns: o.Connections, MaxIdemponentCallAttempts: 1,
			MaxResponseBodySize: maxResponseBytes, MaxIdleConnDuration: time.Minute,
			DisablePathNormalizing: true, // what is sent is what was asked for
			Dial:                   keep(func(addr string) (net.Conn, error) { return fasthttp.DialTimeout(addr, o.Timeout) }),
		}
		if o.Insecure {
			c.TLSConfig = &tls.Config{InsecureSkipVerify: true} // #nosec G402 -- the user asked for it
		}
		clients[key] = c
		return nil
	}
	for _, t := range o.Targets {
		if err := add(t.URL); err != nil {
			return nil, err
		}
		if t.Paths == nil {
			continue
		}
		for _, r := range t.Paths.Requests {
			if clients[r.host] != nil {
				continue
			}
			if err := add(r.host); err != nil {
				return nil, err
			}
		}
	}
	return clients, nil
}

// shooter sends the requests of one connection. It is used by one goroutine.
type shooter struct {
	id      int
	nonce   uint64 // sets this run's keys apart from those of earlier runs
	opts    *Options
	clients []client // per target
	byHost  map[string]client
	reqs    []*fasthttp.Request // per target, reused
	resp    *fasthttp.Response
	rng     *rand.Rand // of pooled keys
	keyBuf  []byte
	shots   uint64
}

func newShooter(id int, nonce uint64, o *Options, clients map[string]client) *shooter {
	s := &shooter{
		id: id, nonce: nonce, opts: o, byHost: clients, resp: fasthttp.AcquireResponse(),
		rng: rand.New(rand.NewPCG(o.Seed, uint64(id)+1)),
	}
	for _, t := range o.Targets {
		u, _ := url.Parse(t.URL) // validated
		s.clients = append(s.clients, clients[u.Scheme+"://"+u.Host])
		req := fasthttp.AcquireRequest()
		fill(req, t.Method, t.URL, t.Headers, t.Body)
		s.reqs = append(s.reqs, req)
	}
	return s
}

// fill makes req a request that has nothing of an earlier one.
func fill(req *fasthttp.Request, method, address string, headers []Header, body []byte) {
	req.Reset()
	req.SetRequestURI(address)
	req.Header.SetMethod(method)
	for _, h := range headers {
		req.Header.Set(h.Name, h.Value)
		req.UseHostHeader = req.UseHostHeader || strings.EqualFold(h.Name, "Host")
	}
	if body != nil {
		req.SetBodyRaw(body)
	}
}

// shoot sends one request and waits for the answer.
func (s *shooter) shoot(p Pick) error {
	req, target := s.reqs[p.Target], p.Target
	client := s.clients[target]
	switch paths := s.opts.Targets[target].Paths; {
	case paths == nil:
	case paths.Requests != nil:
		r := &paths.Requests[p.Path]
		fill(req, r.Method, r.URL, r.Headers, r.Body)
		client = s.byHost[r.host]
	default:
		req.SetRequestURI(paths.URLs[p.Path])
	}
	if s.opts.Idempotency != 0 {
		s.keyBuf = s.appendKey(s.keyBuf[:0])
		req.Header.SetBytesV("Idempotency-Key", s.keyBuf)
	}
	s.shots++
	for range s.opts.Connections + 1 {
		if err := client.DoTimeout(req, s.resp, s.opts.Timeout); !errors.Is(err, errStale) {
			return err
		}
		// That connection is gone now, and a new one cannot be stale.
	}
	return errStale
}

func (s *shooter) appendKey(b []byte) []byte {
	b = append(b, "bench-"...)
	b = strconv.AppendUint(b, s.nonce, 36)
	b = append(b, '-')
	if n := s.opts.Idempotency; n > 0 {
		return strconv.AppendInt(b, int64(s.rng.IntN(n)), 36)
	}
	b = strconv.AppendInt(b, int64(s.id), 36)
	b = append(b, '-')
	return strconv.AppendUint(b, s.shots, 36)
}

// judge counts the outcome of the last shot and reports whether it succeeded.
func (s *shooter) judge(target int32, err error, t *tally) bool {
	if err != nil {
		t.fail(failureKind(err), err.Error())
		return false
	}
	want := &s.opts.Targets[target]
	code := s.resp.StatusCode()
	if code >= 0 && code < len(t.status) {
		t.status[code].Add(1)
	}
	expected := code >= 200 && code < 300
	if len(want.ExpectStatus) > 0 {
		expected = slices.Contains(want.ExpectStatus, code)
	}
	if !expected {
		t.fail(fmt.Sprintf("status %d", code), string(s.resp.Body()))
		return false
	}
	if want.ExpectBody != "" && !bytes.Contains(s.resp.Body(), []byte(want.ExpectBody)) {
		t.fail("body without the expected text", string(s.resp.Body()))
		return false
	}
	t.ok.Add(1)
	return true
}
