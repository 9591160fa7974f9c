// Package kubernetes is a provider that runs functions on a Kubernetes
// cluster: a Deployment, a headless Service and, when asked for, a
// HorizontalPodAutoscaler for each function.
//
// Objects are written by server-side apply, so that provisioning is idempotent
// and repairs what was changed by hand. Readiness comes from EndpointSlices
// through informers; invocations go from simplane straight to the pods.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	metricsv1beta1 "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"simplane/server/provider"
)

// Options tunes a Provider; zero fields take the defaults named here.
type Options struct {
	Client    kubernetes.Interface // required; see Connect
	Namespace string               // default
	Logger    *slog.Logger         // discards by default

	// Metrics is a client of the resource metrics API. nil measures nothing:
	// functions with strategy INTERNAL are then not scaled by cpu or memory.
	Metrics metricsv1beta1.PodMetricsesGetter
	// SampleInterval is the time between two looks at it, 10 s: metrics-server
	// measures every 15 s by default.
	SampleInterval time.Duration

	// Port is the container port of the functions, handed over in PORT; 8080.
	Port int32

	CallTimeout    time.Duration // for one method's calls to the API server, 10 s
	MaxReplicas    int           // of one function, 256
	MaxOutputBytes int           // largest answer, 4 MiB

	Pool provider.PoolOptions
}

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = metav1.NamespaceDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Port == 0 {
		o.Port = 8080
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 10 * time.Second
	}
	if o.SampleInterval <= 0 {
		o.SampleInterval = 10 * time.Second
	}
	if o.MaxReplicas <= 0 {
		o.MaxReplicas = 256
	}
	return o
}

// Provider runs functions on Kubernetes. It implements provider.Provider.
type Provider struct {
	opt     Options
	log     *slog.Logger
	client  kubernetes.Interface
	hub     provider.Hub
	watch   *watch
	sampler *sampler
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc

	mu        sync.RWMutex
	closed    bool
	functions map[string]*function  // by function name
	objects   map[string]*function  // by object name
	leaving   map[string]*departure // by object name
}

var (
	_ provider.Provider     = (*Provider)(nil)
	_ provider.MetricSource = (*Provider)(nil)
)

// ErrScaledByHPA is returned by SetReplicas for a function whose replicas the
// cluster's autoscaler sets.
var ErrScaledByHPA = provider.Invalid(errors.New("replicas: the function is scaled by its HorizontalPodAutoscaler"))

// New makes a provider and starts watching the cluster in the background; it
// does not wait for the API server. Close must be called.
func New(opt Options) (*Provider, error) {
	if opt.Client == nil {
		return nil, errors.New("kubernetes: no client")
	}
	opt = opt.withDefaults()
	p := &Provider{
		opt: opt, log: opt.Logger, client: opt.Client,
		functions: map[string]*function{}, objects: map[string]*function{}, leaving: map[string]*departure{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.sampler = &sampler{p: p}
	if opt.Metrics != nil {
		p.sampler.pods = opt.Metrics.PodMetricses(opt.Namespace)
	}
	var err error
	if p.watch, err = newWatch(p); err != nil {
		p.cancel()
		return nil, err
	}
	return p, nil
}

// bound limits ctx to the time API calls may take and to the provider's life.
func (p *Provider) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, p.opt.CallTimeout)
	stop := context.AfterFunc(p.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Provision implements provider.Provider. It returns once the API server has
// taken the objects.
func (p *Provider) Provision(ctx context.Context, d provider.Deployment) error {
	if err := p.check(d); err != nil {
		return fmt.Errorf("kubernetes: cannot provision %q: %w", d.Name, err)
	}
	ctx, cancel := p.bound(ctx)
	defer cancel()
	f, fresh, err := p.enter(ctx, d)
	if err != nil {
		return fmt.Errorf("kubernetes: cannot provision %q: %w", d.Name, err)
	}
	created, err := f.apply(ctx, d, fresh)
	if err != nil {
		why := &provider.Error{Code: provider.CodeStartFailed, Message: err.Error()}
		switch {
		case created && fresh:
			p.leave(f, why) // half a function is of no use
		case fresh:
			p.forget(f, why)
		}
		return fmt.Errorf("kubernetes: cannot provision %q: %w", d.Name, refusal(err))
	}
	if idle := idleMetrics(d); len(idle) > 0 {
		f.log.Warn("the autoscaler aims at a share of a request that the function does not make; set its resources", "metrics", idle)
	}
	f.refresh()
	f.pool.Serve() // each instance may take more now
	return nil
}

// enter makes a deployment's function known, once nothing is left of an earlier
// one under its name. fresh says that it was not known.
func (p *Provider) enter(ctx context.Context, d provider.Deployment) (f *function, fresh bool, err error) {
	object := objectName(d.Name)
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, false, provider.ErrClosed
		}
		before := p.leaving[object]
		if before == nil {
			break
		}
		p.mu.Unlock()
		if err := before.wait(ctx); err != nil {
			return nil, false, fmt.Errorf("the deleted function of that name is not yet gone from the cluster: %w", err)
		}
	}
	defer p.mu.Unlock()
	if f = p.functions[d.Name]; f != nil {
		return f, false, nil
	}
	f = newFunction(p, d)
	p.functions[d.Name], p.objects[object] = f, f
	return f, true, nil
}

func (p *Provider) check(d provider.Deployment) error {
	errs := []error{d.Validate(), checkMetrics(d)}
	for field, quantity := range map[string]string{"cpu": d.CPU, "memory": d.Memory} {
		if _, err := resource.ParseQuantity(quantity); quantity != "" && err != nil {
			errs = append(errs, fmt.Errorf("resources.%s: %q: %w", field, quantity, err))
		}
	}
	if d.Image == "" {
		errs = append(errs, errors.New("image: must not be empty"))
	}
	if strings.TrimSpace(d.Image) != d.Image { // a Deployment takes it, its pods do not
		errs = append(errs, fmt.Errorf("image: %q begins or ends with a blank", d.Image))
	}
	if d.RuntimeMode != "" && d.RuntimeMode != provider.HTTP {
		errs = append(errs, fmt.Errorf("runtimeMode: a container must serve HTTP, %s is for the process provider", d.RuntimeMode))
	}
	if max(d.Replicas, d.MinReplicas, d.MaxReplicas) > p.opt.MaxReplicas {
		errs = append(errs, fmt.Errorf("replicas: at most %d are allowed", p.opt.MaxReplicas))
	}
	for i, name := range d.ImagePullSecrets {
		if why := validation.IsDNS1123Subdomain(name); len(why) > 0 {
			errs = append(errs, fmt.Errorf("imagePullSecrets[%d]: %q cannot be a Secret: %s", i, name, why[0]))
		}
	}
	return provider.Invalid(errors.Join(errs...))
}

// Deprovision implements provider.Provider. It returns once the API server has
// taken the deletions; the pods then end by themselves. Until it has, they are
// tried again, if need be after Deprovision has returned.
func (p *Provider) Deprovision(ctx context.Context, name string) error {
	f := p.function(name)
	if f == nil {
		return provider.ErrNotFound
	}
	d := p.leave(f, &provider.Error{Code: provider.CodeDeleted, Message: "the function was deleted"})
	if d == nil {
		return provider.ErrNotFound
	}
	p.hub.Publish(provider.Status{Function: name, Deleted: true})
	if err := d.wait(ctx); err != nil {
		return fmt.Errorf("kubernetes: %q is still being deleted: %w", name, err)
	}
	return nil
}

// Leave implements provider.Provider: the cluster's objects stay, for the control
// plane that provisions the function next.
func (p *Provider) Leave(name string) error {
	f := p.function(name)
	if f == nil {
		return provider.ErrNotFound
	}
	p.forget(f, &provider.Error{Code: provider.CodeClosed, Message: "another control plane runs this function now"})
	return nil
}

// forget drops a function and ends its waiting work.
func (p *Provider) forget(f *function, why *provider.Error) {
	p.mu.Lock()
	delete(p.functions, f.name)
	delete(p.objects, f.object)
	p.mu.Unlock()
	f.pool.Close(why)
}

// SetReplicas implements provider.Provider. ErrScaledByHPA if the cluster
// scales the function.
func (p *Provider) SetReplicas(ctx context.Context, name string, n int) error {
	f := p.function(name)
	if f == nil {
		return provider.ErrNotFound
	}
	ctx, cancel := p.bound(ctx)
	defer cancel()
	if err := f.scale(ctx, n); err != nil {
		return fmt.Errorf("kubernetes: cannot scale %q to %d: %w", name, n, err)
	}
	return nil
}

// Endpoints implements provider.Provider.
func (p *Provider) Endpoints(name string) []provider.Endpoint {
	if f := p.function(name); f != nil {
		return f.pool.Endpoints()
	}
	return nil
}

// Status implements provider.Provider.
func (p *Provider) Status(name string) (provider.Status, bool) {
	if f := p.function(name); f != nil {
		return f.status(), true
	}
	return provider.Status{}, false
}

// Watch implements provider.Provider.
func (p *Provider) Watch(fn func(provider.Status)) (stop func()) { return p.hub.Watch(fn) }

// Go implements provider.Provider. A function scaled to zero is started.
func (p *Provider) Go(name string, inv provider.Invocation, done func(provider.Result)) {
	f := p.function(name)
	if f == nil {
		done(provider.Failure(provider.CodeNotFound, fmt.Sprintf("function %q is not provisioned", name)))
		return
	}
	f.invoke(inv, done)
}

// Invoke implements provider.Provider.
func (p *Provider) Invoke(ctx context.Context, name string, inv provider.Invocation) provider.Result {
	return provider.Wait(ctx, inv, func(inv provider.Invocation, done func(provider.Result)) {
		p.Go(name, inv, done)
	})
}

// Close implements provider.Provider. It leaves the functions running on the
// cluster: they are the cluster's, and a restarted simplane takes them over
// when they are provisioned again. Deletions under way get Options.CallTimeout.
func (p *Provider) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	all, leaving := p.functions, slices.Collect(maps.Values(p.leaving))
	p.functions, p.objects = map[string]*function{}, map[string]*function{}
	p.mu.Unlock()
	for _, f := range all {
		f.pool.Close(&provider.Error{Code: provider.CodeClosed, Message: "simplane is shutting down"})
	}
	patience, cancel := context.WithTimeout(ctx, p.opt.CallTimeout)
	defer cancel()
	for _, d := range leaving {
		_ = d.wait(patience) // what is left is logged
	}
	p.cancel()
	p.sampler.loop.Wait()
	return p.watch.wait(ctx)
}

func (p *Provider) function(name string) *function {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.functions[name]
}

func (p *Provider) byObject(name string) *function {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.objects[name]
}

// gone turns "not found" into success: what is to be deleted is not there.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
