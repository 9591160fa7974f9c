package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"simplane/server/provider"
)

// box is one container that an instance has.
type box struct {
	p       *Provider
	id      string
	name    string
	address string // host:port
	token   string
	check   provider.HealthCheck
	gone    chan struct{} // closed when it is known to have ended

	ended sync.Once
	asked sync.Once
	how   string // see ending
	words string
}

// boxes are the containers that belong to instances, and the names of those being
// made: whatever else has this control plane's label is to go.
type boxes struct {
	mu     sync.Mutex
	all    map[string]*box     // by id
	coming map[string]struct{} // names
}

func (b *boxes) claim(one *box) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all[one.id] != nil {
		return false
	}
	b.all[one.id] = one
	return true
}

func (b *boxes) drop(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, id)
}

func (b *boxes) get(id string) *box {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[id]
}

// of are the boxes that exist.
func (b *boxes) list() []*box {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.all))
}

func (b *boxes) announce(name string) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.coming == nil {
		b.coming = map[string]struct{}{}
	}
	b.coming[name] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.coming, name)
	}
}

func (b *boxes) expected(names []string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		if _, ok := b.coming[strings.TrimPrefix(n, "/")]; ok {
			return true
		}
	}
	return false
}

func (b *box) end() { b.ended.Do(func() { close(b.gone) }) }

// port is the one that functions serve at in their container.
const port = 8080

// tokenEnv is the variable with the token of an instance: every request of
// simplane's has it in the header provider.TokenHeader.
const tokenEnv = provider.TokenEnv

// tmpOptions are those of the writable directories, in memory that counts against
// the instance's limit.
const tmpOptions = "rw,nosuid,nodev,mode=1777,size=64m"

// start makes and starts a container of d. It leaves none behind when it fails, or
// leaves it to the sweep.
func (p *Provider) start(d provider.Deployment) (*box, error) {
	w, err := p.engine.ready(p.ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := p.call(p.ctx)
	defer cancel()
	config, host, token, err := p.describe(ctx, w, d)
	if err != nil {
		return nil, err
	}
	name := p.containerName(d.Name)
	defer p.boxes.announce(name)()
	made, err := p.opt.Client.ContainerCreate(ctx, client.ContainerCreateOptions{Name: name, Config: config, HostConfig: host})
	p.engine.note(err)
	if err != nil {
		return nil, engineSays(err)
	}
	b := &box{p: p, id: made.ID, name: name, token: token, check: d.HealthCheck, gone: make(chan struct{})}
	p.boxes.claim(b)
	if _, err = p.opt.Client.ContainerStart(ctx, b.id, client.ContainerStartOptions{}); err == nil {
		err = b.locate(ctx, w)
	}
	p.engine.note(err)
	if err != nil {
		b.remove()
		return nil, engineSays(err)
	}
	return b, nil
}

func engineSays(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
}

// describe is what a container of d is made of.
func (p *Provider) describe(ctx context.Context, w *where, d provider.Deployment) (*container.Config, *container.HostConfig, string, error) {
	image, err := p.opt.Client.ImageInspect(ctx, d.Image)
	p.engine.note(err)
	if err != nil {
		return nil, nil, "", engineSays(err)
	}
	token := rand.Text()
	labels := p.labels()
	labels[labelFunction], labels[labelProgram] = d.Name, p.program(d)
	config := &container.Config{Image: d.Image, User: p.opt.User, Labels: labels}
	switch {
	case len(d.Commands) > 0 && d.Commands[0] != "":
		config.Entrypoint, config.Cmd = d.Commands, []string{}
	case d.HasCommand():
		config.Entrypoint, config.Cmd = []string{"sh", "-c", d.RuntimeCommand}, []string{}
	}
	for k, v := range d.Env {
		if k != "PORT" && k != tokenEnv {
			config.Env = append(config.Env, k+"="+v)
		}
	}
	slices.Sort(config.Env)
	config.Env = append(config.Env, "PORT="+strconv.Itoa(port), tokenEnv+"="+token)

	cpu, _ := provider.ParseCPU(d.CPU) // validated when provisioned
	memory, _ := provider.ParseMemory(d.Memory)
	pids := int64(p.opt.MaxProcesses)
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode(w.network),
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		Tmpfs:          map[string]string{"/tmp": tmpOptions},
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "4m", "max-file": "2"}},
		Resources: container.Resources{
			NanoCPUs: int64(cpu * 1e9), Memory: memory, MemorySwap: memory, PidsLimit: &pids,
		},
	}
	if w.podman {
		host.LogConfig = container.LogConfig{Type: "k8s-file", Config: map[string]string{"max-size": "4m"}}
	}
	if w.init {
		yes := true
		host.Init = &yes // it forwards signals to programs that are no process 1, and reaps
	}
	if image.Config != nil {
		for volume := range image.Config.Volumes {
			host.Tmpfs[volume] = tmpOptions // it would be a directory of the engine's, without a bound
		}
	}
	if w.ports {
		at := network.MustParsePort(strconv.Itoa(port) + "/tcp")
		config.ExposedPorts = network.PortSet{at: {}}
		host.PortBindings = network.PortMap{at: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: ""}}}
	}
	return config, host, token, nil
}

// locate finds where a running container is reached.
func (b *box) locate(ctx context.Context, w *where) error {
	found, err := b.p.opt.Client.ContainerInspect(ctx, b.id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	c := found.Container
	if c.State == nil || !c.State.Running {
		b.end() // it may have been that quick; its exit is told by describe
		return nil
	}
	if c.Config != nil {
		for _, v := range c.Config.Env {
			if token, ok := strings.CutPrefix(v, tokenEnv+"="); ok {
				b.token = token
			}
		}
	}
	if c.NetworkSettings == nil {
		return errors.New("the engine does not say where the container is")
	}
	if w.ports {
		for at, bound := range c.NetworkSettings.Ports {
			if at.Num() == port && len(bound) > 0 {
				b.address = net.JoinHostPort("127.0.0.1", bound[0].HostPort)
				return nil
			}
		}
		return errors.New("the engine has not forwarded a port to the container")
	}
	if at := c.NetworkSettings.Networks[w.network]; at != nil && at.IPAddress.IsValid() {
		b.address = net.JoinHostPort(at.IPAddress.String(), strconv.Itoa(port))
		return nil
	}
	return fmt.Errorf("the container has no address in network %s", w.network)
}

// ending says in words how the container ended, and when, which may be empty.
func (b *box) ending(when string) string {
	b.asked.Do(func() {
		ctx, cancel := b.p.call(context.Background())
		defer cancel()
		found, err := b.p.opt.Client.ContainerInspect(ctx, b.id, client.ContainerInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			b.how = "was removed by somebody"
			return
		case err != nil || found.Container.State == nil:
			b.how = "ended; the engine does not say how"
			return
		}
		s := found.Container.State
		b.how = "exited with code " + strconv.Itoa(s.ExitCode)
		if s.ExitCode > 128 && s.ExitCode < 128+65 {
			b.how += fmt.Sprintf(" (signal %d)", s.ExitCode-128)
		}
		if s.OOMKilled {
			b.how += "; the instance reached its memory limit"
		}
		if s.Error != "" {
			b.how += "; " + s.Error
		}
		b.words = b.lastWords(ctx)
	})
	return b.how + when + b.words
}

// halt stops the container: SIGTERM, a grace, SIGKILL. It reports whether SIGTERM
// was enough.
func (b *box) halt() bool {
	grace := int(max(time.Second, b.p.opt.StopGrace) / time.Second)
	ctx, cancel := context.WithTimeout(b.p.ctx, b.p.opt.StopGrace+b.p.opt.CallTimeout)
	defer cancel()
	began := time.Now()
	_, err := b.p.opt.Client.ContainerStop(ctx, b.id, client.ContainerStopOptions{Timeout: &grace})
	if err != nil && !cerrdefs.IsNotFound(err) {
		b.p.engine.note(err)
		return true // not known
	}
	return time.Since(began) < time.Duration(grace)*time.Second
}

// remove removes the container, running or not. When it cannot be, the sweep does
// it later.
func (b *box) remove() {
	ctx, cancel := b.p.call(context.Background())
	defer cancel()
	err := b.p.removeContainer(ctx, b.id)
	b.p.engine.note(err)
	b.end()
	b.p.boxes.drop(b.id)
}

func (p *Provider) removeContainer(ctx context.Context, id string) error {
	_, err := p.opt.Client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return err
}
