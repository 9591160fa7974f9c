// Package replicas runs simplane as several processes of one cluster, each with the
// engine embedded, for tests that kill, stop and cut off some of them.
package replicas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"simplane/server/harness/node"
)

// Options say what to run.
type Options struct {
	Binary string // from node.Build
	Dir    string // each has a data directory in it
	Nodes  int
	Args   []string // further flags of serve, of all
	// Network puts each into a network namespace of its own; nil = all on loopback.
	Network *Network
}

// Group is a cluster of processes, by place from 0.
type Group struct {
	opt     Options
	members []*member
	client  *http.Client
}

type member struct {
	args    []string
	prefix  []string
	api     string // host:port, the same over restarts
	running atomic.Pointer[node.Node]
}

// Start runs all nodes and waits until each serves what it should.
func Start(ctx context.Context, opt Options) (*Group, error) {
	g := &Group{opt: opt, client: &http.Client{Timeout: 10 * time.Second}}
	var routes []string
	for i := range opt.Nodes {
		host := "127.0.0.1"
		m := &member{}
		if opt.Network != nil {
			host, m.prefix = opt.Network.Host(i), opt.Network.Prefix(i)
		}
		addrs, err := addresses(host, opt.Network)
		if err != nil {
			return nil, err
		}
		peer, route := addrs[1], addrs[2]
		m.api = addrs[0]
		routes = append(routes, route)
		m.args = append([]string{
			"--cluster-embedded", "--cluster-name", Name(i), "--cluster-addr", route, "--peer-addr", peer,
			"--data-dir", filepath.Join(opt.Dir, Name(i)), "--log-level", "warn", "--provider", "none",
		}, opt.Args...)
		if opt.Network != nil {
			m.args = append(m.args, opt.Network.args(i)...)
		}
		g.members = append(g.members, m)
	}
	for _, m := range g.members {
		m.args = append(m.args, "--cluster-peers", strings.Join(routes, ","))
	}
	if err := g.each(g.Launch); err != nil {
		g.Close()
		return nil, err
	}
	for i := range g.members {
		if err := g.Ready(ctx, i); err != nil {
			g.Close()
			return nil, err
		}
	}
	return g, nil
}

// Name is a node's name.
func Name(i int) string { return fmt.Sprint("node-", i+1) }

// addresses are those of a node's API, for its peers, and of its engine. In a namespace
// of its own each node has the same ports.
func addresses(host string, network *Network) ([]string, error) {
	if network != nil {
		return []string{host + ":7001", host + ":7002", host + ":7003"}, nil
	}
	return node.FreeAddresses(host, 3)
}

func (g *Group) each(f func(int) error) error {
	failed := make([]error, len(g.members))
	var all sync.WaitGroup
	for i := range g.members {
		all.Go(func() { failed[i] = f(i) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// Launch runs a node, which must not run, and returns when it serves what it should.
func (g *Group) Launch(i int) error {
	m := g.members[i]
	n, err := node.Start(node.Options{Binary: g.opt.Binary, Args: m.args, Addr: m.api, Prefix: m.prefix})
	if err != nil {
		return fmt.Errorf("%s: %w", Name(i), err)
	}
	m.running.Store(n)
	return nil
}

// Node is the process of a node; nil while none runs, or it is ending or beginning.
func (g *Group) Node(i int) *node.Node { return g.members[i].running.Load() }

// URL is where a node's API is.
func (g *Group) URL(i int) string { return "http://" + g.members[i].api }

// Len is the number of nodes.
func (g *Group) Len() int { return len(g.members) }

// Kill ends a node at once.
func (g *Group) Kill(i int) { _ = g.end(i, func(n *node.Node) error { n.Kill(); return nil }) }

// Stop asks a node to end, and returns how it did.
func (g *Group) Stop(i int) error { return g.end(i, (*node.Node).Stop) }

func (g *Group) end(i int, how func(*node.Node) error) error {
	if n := g.members[i].running.Swap(nil); n != nil {
		return how(n)
	}
	return nil
}

// Signal sends a signal to a node that runs.
func (g *Group) Signal(i int, s syscall.Signal) error {
	if n := g.Node(i); n != nil {
		return n.Signal(s)
	}
	return nil
}

// Ready waits until a node says that it is, which it does when it serves all
// partitions that it should.
func (g *Group) Ready(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		a, err := node.Call(g.client, "GET", g.URL(i)+"/actuator/health/readiness", nil)
		if err == nil && a.Status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			log := ""
			if n := g.Node(i); n != nil {
				log = n.Log()
			}
			return fmt.Errorf("%s does not get ready: %d %s %w; log:\n%s", Name(i), a.Status, a.Body, err, log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Close kills all that run.
func (g *Group) Close() {
	for i := range g.members {
		g.Kill(i)
	}
}

// Status is what a node says of the cluster.
type Status struct {
	Node       string `json:"node"`
	Partitions []struct {
		Partition int    `json:"partition"`
		Owner     string `json:"owner"`
		State     string `json:"state"`
	} `json:"partitions"`
}

// Status asks a node.
func (g *Group) Status(i int) (s Status, err error) {
	a, err := node.Call(g.client, "GET", g.URL(i)+"/v1/admin/cluster", nil)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%d %s", a.Status, a.Body)
	}
	if err == nil {
		err = json.Unmarshal(a.Body, &s)
	}
	return s, err
}
