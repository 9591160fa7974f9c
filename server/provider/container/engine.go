package container

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"simplane/server/provider"
)

const errInUse = syscall.EADDRINUSE

// Connect makes a client of the engine at host, such as unix:///run/podman/podman.sock
// or tcp://HOST:PORT; empty means DOCKER_HOST, else /var/run/docker.sock. It does not
// connect yet.
func Connect(host string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv, client.WithUserAgent("simplane")}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	return client.New(opts...)
}

// engine is what is known of the engine. It is asked when first needed, and again
// after it was out of reach.
type engine struct {
	p *Provider

	asking  sync.Mutex // one look at a time: an engine takes two networks of one name
	mu      sync.Mutex
	err     error  // why it is out of reach; nil while it is not known to be
	setting *where // nil until it was asked
}

// where is what containers need to know of the engine.
type where struct {
	network string         // that the containers are in
	made    bool           // the provider made it
	self    string         // id of the container that simplane runs in; empty for none
	ports   bool           // containers are reached over forwarded ports
	init    bool           // the engine has a program for process 1
	podman  bool           // it is Podman
	unheld  []string       // limits that it cannot keep
	subnets []netip.Prefix // of network
}

func newEngine(p *Provider) *engine { return &engine{p: p} }

// note records how a call ended, and logs when the engine gets out of reach and
// when it is back, once each.
func (e *engine) note(err error) {
	if errors.Is(err, context.Canceled) {
		return // nobody waited for it any more
	}
	if err != nil && !client.IsErrConnectionFailed(err) && !errors.Is(err, context.DeadlineExceeded) {
		err = nil // it has answered
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil && e.err == nil:
		e.p.log.Warn("the container engine is out of reach; functions run on as they are", "error", err)
	case err == nil && e.err != nil:
		e.p.log.Info("the container engine is back")
	}
	if err != nil {
		e.setting = nil // it may be another one when it is back
	}
	e.err = err
}

func (e *engine) trouble() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return fmt.Errorf("the container engine is out of reach: %w", e.err)
	}
	return nil
}

// unheld says which limits of d the engine does not keep.
func (e *engine) unheld(d provider.Deployment) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.setting == nil {
		return ""
	}
	var all []string
	for _, limit := range e.setting.unheld {
		if limit == "memory" && d.Memory == "" || limit == "cpu" && d.CPU == "" {
			continue
		}
		all = append(all, "the engine does not limit "+limit)
	}
	return strings.Join(all, "; ")
}

// call makes a context for one call of the engine, until its end or Close.
func (p *Provider) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.opt.CallTimeout)
}

// ready asks the engine what it is, if that is not known, and makes the network.
func (e *engine) ready(ctx context.Context) (*where, error) {
	e.asking.Lock()
	defer e.asking.Unlock()
	e.mu.Lock()
	w := e.setting
	e.mu.Unlock()
	if w != nil {
		return w, nil
	}
	ctx, cancel := e.p.call(ctx)
	defer cancel()
	w, err := e.ask(ctx)
	e.note(err)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.setting = w
	e.mu.Unlock()
	return w, nil
}

func (e *engine) ask(ctx context.Context) (*where, error) {
	c, opt := e.p.opt.Client, e.p.opt
	info, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, err
	}
	w := &where{init: info.Info.InitBinary != ""}
	for limit, held := range map[string]bool{"memory": info.Info.MemoryLimit, "cpu": info.Info.CPUCfsQuota, "pids": info.Info.PidsLimit} {
		if !held {
			w.unheld = append(w.unheld, limit)
		}
	}
	rootless := false
	for _, o := range info.Info.SecurityOptions {
		rootless = rootless || strings.Contains(o, "name=rootless")
	}
	if v, err := c.ServerVersion(ctx, client.ServerVersionOptions{}); err == nil {
		for _, part := range v.Components {
			w.podman = w.podman || strings.Contains(part.Name, "Podman")
		}
	}
	if w.podman && !rootless {
		if rootless, err = podmanRootless(ctx, c); err != nil {
			return nil, err
		}
	}
	if w.podman && rootless && info.Info.CgroupVersion == "1" {
		w.unheld = []string{"cpu", "memory", "pids"} // it says that it keeps them
	}
	if w.self, err = ownContainer(ctx, c); err != nil {
		return nil, err
	}
	switch opt.Reach {
	case ReachPort:
		w.ports = true
	case ReachAuto:
		w.ports = w.self == "" && (rootless || strings.Contains(info.Info.OperatingSystem, "Docker Desktop"))
	}
	if err := e.join(ctx, w); err != nil {
		return nil, err
	}
	return w, nil
}

// join finds or makes the network of the containers, and enters it where simplane
// is in a container itself.
func (e *engine) join(ctx context.Context, w *where) error {
	c, opt := e.p.opt.Client, e.p.opt
	w.network = opt.Network
	if w.network == "" {
		w.made, w.network = true, "simplane-"+opt.Name
		if w.self != "" {
			w.network += "-shared" // it cannot forbid its members to talk
		}
	}
	found, err := c.NetworkInspect(ctx, w.network, client.NetworkInspectOptions{})
	if cerrdefs.IsNotFound(err) && w.made {
		options := map[string]string{}
		if w.self == "" && !w.podman {
			options["com.docker.network.bridge.enable_icc"] = "false" // functions do not reach each other
		}
		_, err = c.NetworkCreate(ctx, w.network, client.NetworkCreateOptions{Driver: "bridge", Labels: e.p.labels(), Options: options})
		if err == nil || cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err) {
			found, err = c.NetworkInspect(ctx, w.network, client.NetworkInspectOptions{})
		}
	}
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("there is no network %q; make it, or leave --container-network out", w.network)
	}
	if err != nil {
		return fmt.Errorf("network %s: %w", w.network, err)
	}
	for _, part := range found.Network.IPAM.Config {
		if part.Subnet.IsValid() {
			w.subnets = append(w.subnets, part.Subnet)
		}
	}
	if _, in := found.Network.Containers[w.self]; w.self == "" || in {
		return nil
	}
	_, err = c.NetworkConnect(ctx, w.network, client.NetworkConnectOptions{Container: w.self, EndpointConfig: &network.EndpointSettings{}})
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("entering network %s: %w", w.network, err)
	}
	return nil
}

// mounted finds a container's id in the mounts that engines make for it.
var mounted = regexp.MustCompile(`/(?:containers|overlay-containers)/([0-9a-f]{64})/`)

// ownContainer is the id of the container that this process runs in, if it is one
// of the engine's and in a network of its own; empty for none.
func ownContainer(ctx context.Context, c *client.Client) (string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", nil
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[4] != "/etc/hostname" && fields[4] != "/etc/hosts" && fields[4] != "/etc/resolv.conf" {
			continue // mounts of other containers, on the engine's machine
		}
		id := mounted.FindStringSubmatch(fields[3])
		if id == nil {
			continue
		}
		found, err := c.ContainerInspect(ctx, id[1], client.ContainerInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			return "", nil // of another engine
		case err != nil:
			return "", err
		case found.Container.HostConfig != nil && found.Container.HostConfig.NetworkMode.IsHost():
			return "", nil
		}
		return id[1], nil
	}
	return "", nil
}

// FromFunction implements provider.Networked.
func (p *Provider) FromFunction(addr netip.Addr) bool {
	p.engine.mu.Lock()
	w := p.engine.setting
	p.engine.mu.Unlock()
	if w == nil {
		return false
	}
	addr = addr.Unmap()
	for _, s := range w.subnets {
		if s.Contains(addr) {
			return true
		}
	}
	return false
}
