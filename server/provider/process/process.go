// Package process is the provider built into simplane: it runs the instances
// of a function as local processes.
//
// A function talks over HTTP (a server on the port in PORT), STDIO (a JSON
// line in, a JSON line out), or has a process for each invocation: FILE (input and
// output in files) or EXEC (on stdin and stdout). All processes are started through a guard (package guard), so that none outlives
// simplane however it ends.
//
// Limits: each instance has a control group where Options.CgroupRoot allows one.
// Without, memory is limited with RLIMIT_DATA for each process, and other limits
// are not enforced; Status.LimitsError says so. No process has capabilities, or
// gets more rights by executing a program.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process/guard"
	"simplane/server/provider/replicas"
)

// Options tunes a Provider; zero fields take the defaults named here.
type Options struct {
	Logger  *slog.Logger // discards by default
	WorkDir string       // working directory of the functions; simplane's
	TempDir string       // where FILE invocations exchange data; os.TempDir

	StartTimeout time.Duration // until an instance must be ready, 15 s
	DrainTimeout time.Duration // for running invocations when an instance stops, 10 s
	TrialTime    time.Duration // that a changed STDIO function must live before it takes over, 1 s
	StopGrace    time.Duration // between SIGTERM and SIGKILL, 3 s

	// An HTTP instance that keeps failing invocations is asked for its health
	// at HealthInterval (2 s) with HealthTimeout (2 s) to answer; after three
	// misses in a row it is replaced.
	HealthInterval, HealthTimeout time.Duration

	BackoffBase  time.Duration // first delay before a restart, 50 ms; doubles
	BackoffMax   time.Duration // longest delay, 30 s
	StableAfter  time.Duration // an instance that lived this long resets it, 10 s
	MaxReplicas  int           // of one function, 256
	MaxStarting  int           // instances of one function starting at the same time, 8
	MaxFunctions int           // 4096

	MaxOutputBytes int // largest answer, 4 MiB
	MaxFileBytes   int // largest file a FILE function may write, 256 MiB
	LogLines       int // kept for each function, 1000
	LogBytes       int // kept for each function, 512 KiB

	// ReportMetric takes the cpu and memory metrics that functions with strategy
	// INTERNAL list: the mean over the ready instances, measured at
	// SampleInterval (2 s) while the function has any. It must not block. nil
	// measures nothing.
	ReportMetric   func(function string, metric provider.Metric, value float64)
	SampleInterval time.Duration

	// CgroupRoot is a control group, of version 2 or 1, in which simplane may
	// make others for the instances, or CgroupAuto; empty for none.
	CgroupRoot string
	// MaxProcesses is how many processes and threads an instance may have, if
	// it has a control group; 2048.
	MaxProcesses int

	// User is who functions run as; nil for simplane's own user.
	User *Identity

	Pool provider.PoolOptions
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	orDefault(&o.StartTimeout, 15*time.Second)
	orDefault(&o.DrainTimeout, 10*time.Second)
	orDefault(&o.TrialTime, time.Second)
	orDefault(&o.StopGrace, 3*time.Second)
	orDefault(&o.HealthInterval, 2*time.Second)
	orDefault(&o.HealthTimeout, 2*time.Second)
	orDefault(&o.BackoffBase, 50*time.Millisecond)
	orDefault(&o.BackoffMax, 30*time.Second)
	orDefault(&o.StableAfter, 10*time.Second)
	orDefault(&o.MaxReplicas, 256)
	orDefault(&o.MaxStarting, 8)
	orDefault(&o.MaxFunctions, 4096)
	orDefault(&o.MaxOutputBytes, 4<<20)
	orDefault(&o.MaxFileBytes, 256<<20)
	orDefault(&o.MaxProcesses, 2048)
	orDefault(&o.LogLines, 1000)
	orDefault(&o.LogBytes, 512<<10)
	orDefault(&o.SampleInterval, 2*time.Second)
	return o
}

// Provider runs functions as local processes. It implements provider.Provider.
type Provider struct {
	replicas.Functions[*function]
	opt    Options
	log    *slog.Logger
	user   Identity // that functions run as
	ports  ports
	spares spares

	exchanges exchanges
	cgroups   *cgroups
	sampler   *replicas.Sampler

	guardMu sync.Mutex
	guard   *guard.Guard
}

var _ provider.Provider = (*Provider)(nil)

// New makes a provider. Nothing is started until there is a function.
// Close must be called.
func New(opt Options) *Provider {
	opt = opt.withDefaults()
	p := &Provider{
		opt: opt, log: opt.Logger,
		user:    ownIdentity(),
		cgroups: openCgroups(opt.CgroupRoot),
		sampler: replicas.NewSampler(opt.SampleInterval, 1, opt.ReportMetric),
	}
	if opt.User != nil {
		p.user = *opt.User
	}
	p.exchanges = exchanges{temp: opt.TempDir, user: p.user}
	p.spares.user, p.spares.also = p.user, p.cgroups.fill
	if all := p.unheld(); len(all) > 0 {
		p.log.Warn("functions run without some limits", "missing", strings.Join(all, "; "))
	}
	p.Beside(func() {
		if err := p.exchanges.sweep(); err != nil {
			p.log.Warn("what an earlier simplane left could not be removed", "err", err)
		}
	})
	return p
}

// Provision implements provider.Provider. The error names every invalid field.
func (p *Provider) Provision(_ context.Context, d provider.Deployment) error {
	if d.RuntimeMode == "" {
		d.RuntimeMode = provider.HTTP
	}
	if err := p.check(d); err != nil {
		return fmt.Errorf("process: cannot provision %q: %w", d.Name, err)
	}
	f, count, err := p.Put(d, p.opt.MaxFunctions, func() *function { return newFunction(p, d) })
	switch {
	case errors.Is(err, provider.ErrClosed):
		return err
	case err != nil:
		return fmt.Errorf("process: %w", err)
	case count == 0:
		return nil
	case count == 1:
		p.spares.fill()
		// Its start takes longer than most functions': the first cold start
		// should not wait for it. Should it fail, that one tries again.
		go func() { _, _ = p.guardProcess() }()
	}
	f.Scale(d.Replicas)
	return nil
}

func (p *Provider) check(d provider.Deployment) error {
	errs := []error{d.Validate()}
	if !d.HasCommand() {
		errs = append(errs, errors.New("commands: the process provider needs commands or runtimeCommand"))
	}
	if d.Replicas > p.opt.MaxReplicas {
		errs = append(errs, fmt.Errorf("replicas: %d, at most %d are allowed", d.Replicas, p.opt.MaxReplicas))
	}
	return provider.Invalid(errors.Join(errs...))
}

// Logs implements provider.Provider.
func (p *Provider) Logs(name string, tail int) ([]provider.LogLine, error) {
	f := p.Function(name)
	if f == nil {
		return nil, provider.ErrNotFound
	}
	return f.Logs.Tail(tail), nil
}

// Close implements provider.Provider. When ctx ends first, the guard kills
// what is left at once.
func (p *Provider) Close(ctx context.Context) error {
	p.sampler.Close()
	stopped, _ := p.ShutDown()
	var err error
	select {
	case <-stopped:
	case <-ctx.Done():
		err = ctx.Err()
	}

	p.spares.close()
	defer p.exchanges.close() // after the last process
	defer p.cgroups.close()
	p.guardMu.Lock()
	g := p.guard
	p.guardMu.Unlock()
	if g != nil {
		// Killing takes milliseconds; the limit is for a guard that is stuck.
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		err = errors.Join(err, g.Close(ctx))
	}
	<-stopped // all processes are dead, so this is soon
	return err
}

// guardProcess returns the running guard, starting one if there is none.
func (p *Provider) guardProcess() (*guard.Guard, error) {
	p.guardMu.Lock()
	defer p.guardMu.Unlock()
	if p.guard != nil {
		if p.guard.Alive() {
			return p.guard, nil
		}
		p.log.Warn("the guard process died; its functions died with it and are started again")
	}
	if p.Closed() {
		return nil, provider.ErrClosed
	}
	g, err := guard.Start()
	if err != nil {
		return nil, err
	}
	p.guard = g
	if why := g.Weak(); why != "" {
		p.log.Warn("functions have more rights than they should", "why", why)
	}
	p.cgroups.adopt(g.PID())
	return g, nil
}
