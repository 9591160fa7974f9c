package server

import (
	"errors"
	"fmt"
	"sync"

	"github.com/valyala/fasthttp"

	"simplane/server/exchange"
)

// poolTargets keeps what is needed to call each endpoint. Endpoints on one
// host share its connections, and so their bound.
type poolTargets struct {
	newHost func() *fasthttp.HostClient

	mu      sync.RWMutex
	targets map[string]*exchange.Target     // by URL
	hosts   map[string]*fasthttp.HostClient // by scheme and address
	most    int                             // targets to keep before some are forgotten
}

// leastTargets are kept in any case; beyond, twice as many as had connections
// when it was last looked at.
const leastTargets = 1000

func newPoolTargets(newHost func() *fasthttp.HostClient) *poolTargets {
	return &poolTargets{
		newHost: newHost, most: leastTargets,
		targets: map[string]*exchange.Target{}, hosts: map[string]*fasthttp.HostClient{},
	}
}

// of returns the target of an endpoint.
func (p *poolTargets) of(url string) (*exchange.Target, error) {
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
	if len(p.targets) >= p.most {
		p.forget()
	}
	t, err := p.make(url)
	if err == nil {
		p.targets[url] = t
	}
	return t, err
}

func (p *poolTargets) make(url string) (*exchange.Target, error) {
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
	addr := fasthttp.AddMissingPort(string(u.Host()), isTLS)
	key := string(u.Scheme()) + "://" + addr
	host := p.hosts[key]
	if host == nil {
		host = p.newHost()
		host.Addr, host.IsTLS = addr, isTLS
		p.hosts[key] = host
	}
	return exchange.New(host, url, "application/json"), nil
}

// forget drops the endpoints of functions that are gone: those on hosts
// without a connection. One that is called again is made again.
func (p *poolTargets) forget() {
	for key, host := range p.hosts {
		if host.ConnsCount() == 0 {
			delete(p.hosts, key)
		}
	}
	for url, t := range p.targets {
		if t.ConnsCount() == 0 {
			delete(p.targets, url)
		}
	}
	p.most = max(leastTargets, 2*len(p.targets))
}
