package dispatch

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/fncall"
)

// poolTargets keeps what is needed to call each endpoint. Endpoints on one
// host share its connections, and so their bound.
type poolTargets struct {
	newHost func() *fasthttp.HostClient

	mu      sync.RWMutex
	targets map[string]*fncall.Target       // by URL
	hosts   map[string]*fasthttp.HostClient // by scheme and address
}

// mostTargets bounds the targets left behind by deleted functions.
const mostTargets = 16384

func newPoolTargets(newHost func() *fasthttp.HostClient) *poolTargets {
	return &poolTargets{
		newHost: newHost,
		targets: map[string]*fncall.Target{}, hosts: map[string]*fasthttp.HostClient{},
	}
}

// of returns the target of an endpoint.
func (p *poolTargets) of(url string) (*fncall.Target, error) {
	p.mu.RLock()
	t := p.targets[url]
	p.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.targets[url]; t != nil {
		return t, nil
	}
	if len(p.targets) >= mostTargets {
		p.forget()
	}
	t, err := p.make(url)
	if err == nil {
		p.targets[url] = t
	}
	return t, err
}

func (p *poolTargets) make(url string) (*fncall.Target, error) {
	var u fasthttp.URI
	if err := u.Parse(nil, []byte(url)); err != nil {
		return nil, err
	}
	isTLS := string(u.Scheme()) == "https"
	if !isTLS && string(u.Scheme()) != "http" {
		return nil, fmt.Errorf("unsupported scheme %q", u.Scheme())
	}
	if len(u.Host()) == 0 {
		return nil, errors.New("no host")
	}
	if strings.Contains(string(u.Host()), ",") { // fasthttp would balance between them
		return nil, errors.New("more than one host")
	}
	addr := fasthttp.AddMissingPort(string(u.Host()), isTLS)
	key := string(u.Scheme()) + "://" + addr
	host := p.hosts[key]
	if host == nil {
		host = p.newHost()
		host.Addr, host.IsTLS = addr, isTLS
		p.hosts[key] = host
	}
	return fncall.New(host, url)
}

// forget drops all targets: those still in use are made again. Hosts with
// open connections stay, or their bound would not hold.
func (p *poolTargets) forget() {
	clear(p.targets)
	for key, host := range p.hosts {
		if host.ConnsCount() == 0 {
			delete(p.hosts, key)
		}
	}
}
