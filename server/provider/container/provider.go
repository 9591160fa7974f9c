// Package container is a provider that runs the instances of a function as
// containers of a Docker or Podman engine, by way of the engine's socket.
//
// Every container has labels that say which control plane, function and spec it is
// of. A restarted simplane takes over those that fit, and removes what is left of
// functions that are no more.
package container

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// Pull policies: when an image is fetched from its registry.
const (
	PullMissing = "missing" // when the engine does not have it
	PullAlways  = "always"  // before each start
	PullNever   = "never"
)

// How simplane reaches the containers.
const (
	ReachAuto    = "auto"    // over the network, or over ports where the engine runs without root or in a machine of its own
	ReachNetwork = "network" // at their addresses in the functions' network
	ReachPort    = "port"    // at ports of 127.0.0.1 that the engine forwards
)

// Options tunes a Provider; zero fields take the defaults named here.
type Options struct {
	Client *client.Client // required; see Connect
	Logger *slog.Logger   // discards by default

	// Name tells this control plane's containers at the engine from those of
	// others; simplane. Two that run at the same time must not have the same.
	Name string
	// Network is an existing network that the containers are in; empty for one
	// that the provider makes.
	Network string
	Reach   string // ReachAuto
	Pull    string // PullMissing
	// Credentials is a directory of files NAME.json in the format of Docker's
	// config.json; imagePullSecrets are their names, and default is used for
	// functions without any. Empty for none.
	Credentials string
	// User is who the functions run as, USER or USER:GROUP; empty for the image's.
	User string
	// Keep has Close leave the containers running, for the next simplane of that
	// name to take over.
	Keep bool

	StartTimeout time.Duration // until an instance must be ready, once its image is there, 15 s
	PullTimeout  time.Duration // for the fetch of an image, 10 min
	CallTimeout  time.Duration // for any other call of the engine, 30 s
	DrainTimeout time.Duration // for running invocations when an instance stops, 10 s
	StopGrace    time.Duration // between SIGTERM and SIGKILL, whole seconds, 3 s

	// An instance that keeps failing invocations is asked for its health at
	// HealthInterval (2 s) with HealthTimeout (2 s) to answer; after three misses in
	// a row it is replaced.
	HealthInterval, HealthTimeout time.Duration
	// SweepInterval is the time between two looks at which containers there are,
	// 15 s.
	SweepInterval time.Duration
	// SampleInterval is the time between two looks at what the containers of functions
	// use that are scaled by it, 2 s.
	SampleInterval time.Duration

	BackoffBase  time.Duration // first delay before a restart, 200 ms; doubles
	BackoffMax   time.Duration // longest delay, 30 s
	StableAfter  time.Duration // an instance that lived this long resets it, 10 s
	MaxReplicas  int           // of one function, 256
	MaxStarting  int           // instances of one function starting at the same time, 4
	MaxFunctions int           // 4096
	MaxProcesses int           // processes and threads of an instance, 2048

	MaxOutputBytes int // largest answer, 4 MiB
	LogLines       int // of ended instances, kept for each function, 1000
	LogBytes       int // of ended instances, kept for each function, 512 KiB

	Pool provider.PoolOptions
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	orDefault(&o.Name, "simplane")
	orDefault(&o.Reach, ReachAuto)
	orDefault(&o.Pull, PullMissing)
	orDefault(&o.StartTimeout, 15*time.Second)
	orDefault(&o.PullTimeout, 10*time.Minute)
	orDefault(&o.CallTimeout, 30*time.Second)
	orDefault(&o.DrainTimeout, 10*time.Second)
	orDefault(&o.StopGrace, 3*time.Second)
	orDefault(&o.HealthInterval, 2*time.Second)
	orDefault(&o.HealthTimeout, 2*time.Second)
	orDefault(&o.SweepInterval, 15*time.Second)
	orDefault(&o.SampleInterval, 2*time.Second)
	orDefault(&o.BackoffBase, 200*time.Millisecond)
	orDefault(&o.BackoffMax, 30*time.Second)
	orDefault(&o.StableAfter, 10*time.Second)
	orDefault(&o.MaxReplicas, 256)
	orDefault(&o.MaxStarting, 4)
	orDefault(&o.MaxFunctions, 4096)
	orDefault(&o.MaxProcesses, 2048)
	orDefault(&o.MaxOutputBytes, 4<<20)
	orDefault(&o.LogLines, 1000)
	orDefault(&o.LogBytes, 512<<10)
	return o
}

// Provider runs functions as containers. It implements provider.Provider.
type Provider struct {
	replicas.Functions[*function]
	opt    Options
	log    *slog.Logger
	engine *engine
	boxes  boxes
	pulls  pulls
	// Measures what containers use.
	sampler *replicas.Sampler
	unlock  func()
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	loops   sync.WaitGroup

	restored chan struct{} // closed when every function of before is provisioned
	once     sync.Once
}

var (
	_ provider.Provider     = (*Provider)(nil)
	_ provider.ImageChecker = (*Provider)(nil)
	_ provider.Restorer     = (*Provider)(nil)
	_ provider.Checked      = (*Provider)(nil)
	_ provider.Networked    = (*Provider)(nil)
	_ provider.MetricSource = (*Provider)(nil)
)

// New makes a provider and begins to follow the engine in the background; it does
// not wait for it. The error is that of options, or that the name is taken by
// another simplane of this machine. Close must be called.
func New(opt Options) (*Provider, error) {
	opt = opt.withDefaults()
	if opt.Client == nil {
		return nil, errors.New("container: no client")
	}
	if err := opt.check(); err != nil {
		return nil, fmt.Errorf("container: %w", err)
	}
	unlock, err := lock(opt.Name)
	if err != nil {
		return nil, fmt.Errorf("container: %w", err)
	}
	p := &Provider{
		opt: opt, log: opt.Logger, unlock: unlock,
		restored: make(chan struct{}),
		sampler:  replicas.NewSampler(opt.SampleInterval, asksAtOnce, nil),
	}
	p.boxes.all = map[string]*box{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.engine = newEngine(p)
	p.loops.Go(p.follow)
	p.loops.Go(p.sweep)
	return p, nil
}

// Provision implements provider.Provider. The error names every invalid field.
func (p *Provider) Provision(ctx context.Context, d provider.Deployment) error {
	if err := p.check(d); err != nil {
		return fmt.Errorf("container: cannot provision %q: %w", d.Name, err)
	}
	n := d.Replicas
	if p.Function(d.Name) == nil {
		// A restart of simplane takes no running instances away.
		n = max(n, min(p.left(ctx, d), d.Most(p.opt.MaxReplicas)))
	}
	f, count, err := p.Put(d, p.opt.MaxFunctions, func() *function { return newFunction(p, d) })
	switch {
	case errors.Is(err, provider.ErrClosed):
		return err
	case err != nil:
		return fmt.Errorf("container: %w", err)
	case count > 0:
		f.Scale(n)
	}
	return nil
}

func (p *Provider) check(d provider.Deployment) error {
	errs := []error{d.Validate()}
	if d.Image == "" {
		errs = append(errs, errors.New("image: the container provider needs one"))
	} else if _, err := reference.ParseNormalizedNamed(d.Image); err != nil {
		errs = append(errs, fmt.Errorf("image: %q is not the name of an image: %w", d.Image, err))
	}
	if d.RuntimeMode != "" && d.RuntimeMode != provider.HTTP {
		errs = append(errs, fmt.Errorf("runtimeMode: a container must serve HTTP, %s is for the process provider", d.RuntimeMode))
	}
	if memory, _ := provider.ParseMemory(d.Memory); memory > 0 && memory < leastMemory {
		errs = append(errs, fmt.Errorf("resources.memory: %s is less than the 6Mi that an engine takes at least", d.Memory))
	}
	if max(d.Replicas, d.MinReplicas) > p.opt.MaxReplicas {
		errs = append(errs, fmt.Errorf("replicas: at most %d are allowed", p.opt.MaxReplicas))
	}
	for i, name := range d.ImagePullSecrets {
		if _, err := p.opt.credentials(name); err != nil {
			errs = append(errs, fmt.Errorf("imagePullSecrets[%d]: %w", i, err))
		}
	}
	return provider.Invalid(errors.Join(errs...))
}

// leastMemory is the lowest limit that engines take, in bytes.
const leastMemory = 6 << 20

// Restored implements provider.Restorer.
func (p *Provider) Restored() { p.once.Do(func() { close(p.restored) }) }

// Health implements provider.Checked.
func (p *Provider) Health() error { return p.engine.trouble() }

// Close implements provider.Provider. With Options.Keep the containers stay.
// When ctx ends first they are killed.
func (p *Provider) Close(ctx context.Context) error {
	stopped, first := p.ShutDown()
	if !first {
		return nil
	}
	var err error
	select {
	case <-stopped:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.cancel() // what still stops is stopped by force
	p.sampler.Close()
	<-stopped
	p.loops.Wait()
	if !p.opt.Keep {
		p.removeAll()
	}
	p.unlock()
	return err
}

func (o Options) check() error {
	switch {
	case !nameFits.MatchString(o.Name):
		return fmt.Errorf("name: %q must be letters, digits, '.', '_' and '-', at most 48, beginning with a letter or digit", o.Name)
	case !slices.Contains([]string{PullMissing, PullAlways, PullNever}, o.Pull):
		return fmt.Errorf("pull: must be missing, always or never, not %q", o.Pull)
	case !slices.Contains([]string{ReachAuto, ReachNetwork, ReachPort}, o.Reach):
		return fmt.Errorf("reach: must be auto, network or port, not %q", o.Reach)
	case strings.ContainsAny(o.User, " \t\n"):
		return fmt.Errorf("user: %q contains a blank", o.User)
	}
	return nil
}

// function keeps the wanted number of containers of one deployment running.
type function struct {
	*replicas.Set
	p *Provider
}

func newFunction(p *Provider, d provider.Deployment) *function {
	f := &function{p: p}
	f.Set = p.NewSet(d, replicas.Options{
		Logger: p.log, Pool: p.opt.Pool,
		BackoffBase: p.opt.BackoffBase, BackoffMax: p.opt.BackoffMax, StableAfter: p.opt.StableAfter,
		DrainTimeout: p.opt.DrainTimeout, MaxReplicas: p.opt.MaxReplicas, MaxStarting: p.opt.MaxStarting,
		LogLines: p.opt.LogLines, LogBytes: p.opt.LogBytes,
		New:         func(in *replicas.Instance) replicas.Runner { return &instance{Instance: in, f: f} },
		Sampler:     p.sampler,
		LimitsError: p.engine.unheld,
	})
	return f
}
