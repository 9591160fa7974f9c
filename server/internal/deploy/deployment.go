package deploy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
	"simplane/server/provider"
)

// acceptable refuses what the provider cannot run, as far as that shows without
// asking it.
func (r *Registrar) acceptable(spec *core.Spec) *httpjson.Error {
	if !funcspec.Of(spec).Provided() {
		return nil
	}
	unprocessable := func(message string) *httpjson.Error {
		return &httpjson.Error{Status: fasthttp.StatusUnprocessableEntity, Code: provider.CodeNoProvider, Message: message}
	}
	if r.Provider == nil {
		return unprocessable("no provider is configured for DEPLOYMENT functions: set endpointUrl, or use executionMode POOL or LOCAL")
	}
	rt := funcspec.Of(spec)
	if _, on := provider.Find(r.Providers, rt.Provider); !on {
		return unprocessable(fmt.Sprintf("provider %s is not switched on here, %s is: start simplane with --provider %s,%s, or leave provider out", rt.Provider, listed(r.Providers), listed(r.Providers), rt.Provider))
	}
	d := deployment(spec)
	if r.runsProcesses(rt) && !d.HasCommand() {
		return unprocessable("the process provider cannot run an image: set commands or runtimeCommand, or endpointUrl of an instance that runs already")
	}
	if err := d.Validate(); err != nil {
		return httpjson.ValidationFailed(strings.Split(err.Error(), "\n")...)
	}
	return nil
}

// provision starts what a DEPLOYMENT function needs; nil when it is not one.
func (r *Registrar) provision(spec *core.Spec) *httpjson.Error {
	if fault := r.acceptable(spec); fault != nil || !funcspec.Of(spec).Provided() {
		return fault
	}
	r.Holders.take(spec.Name, r)
	ctx, cancel := context.WithTimeout(context.Background(), providerCallTimeout)
	defer cancel()
	return providerFault(r.Provider.Provision(ctx, deployment(spec)))
}

// providerFault distinguishes a request that the provider will never accept
// from a failure that may pass; nil for nil.
func providerFault(err error) *httpjson.Error {
	var invalid *provider.InvalidError
	var image *provider.ImageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return httpjson.ValidationFailed(invalid.Details...)
	case errors.As(err, &image):
		return &httpjson.Error{Status: imageStatus[image.Code], Code: image.Code, Message: image.Message}
	}
	return &httpjson.Error{Status: fasthttp.StatusServiceUnavailable, Code: "PROVIDER_ERROR", Message: err.Error()}
}

// imageStatus are the statuses of the codes of an ImageError.
var imageStatus = map[string]int{
	provider.CodeImageNotFound: fasthttp.StatusUnprocessableEntity,
	provider.CodeImageAuth:     fasthttp.StatusFailedDependency,
	provider.CodeImageRegistry: fasthttp.StatusServiceUnavailable,
}

// imageTimeout bounds a look at a registry, which may be far away.
const imageTimeout = 15 * time.Second

// checkImage refuses a function whose image cannot be had, where its provider can
// tell. It is called without mu: nobody is to wait for a slow registry but who asked.
func (r *Registrar) checkImage(spec *core.Spec) *httpjson.Error {
	rt := funcspec.Of(spec)
	at, on := provider.Find(r.Providers, rt.Provider)
	checker, can := at.Provider.(provider.ImageChecker)
	if !rt.Provided() || !on || !can || rt.Image == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), imageTimeout)
	defer cancel()
	return providerFault(checker.CheckImage(ctx, deployment(spec)))
}

// ProviderProcess is the name of the provider that runs commands as processes of
// this machine, and cannot run images.
const ProviderProcess = "process"

// runsProcesses reports whether a function's instances end with this process.
func (o *Options) runsProcesses(rt *funcspec.Runtime) bool {
	at, _ := provider.Find(o.Providers, rt.Provider)
	return at.Name == ProviderProcess
}

// ProviderOf is what starts a function's instances; empty where nothing does.
func (o *Options) ProviderOf(spec *core.Spec) string {
	rt := funcspec.Of(spec)
	if o.Provider == nil || !rt.Provided() {
		return ""
	}
	at, _ := provider.Find(o.Providers, rt.Provider)
	return at.Name
}

// listed are the names of providers, as --provider takes them.
func listed(all []provider.Named) string {
	var names []string
	for _, n := range all {
		names = append(names, n.Name)
	}
	return strings.Join(names, ",")
}

// Trouble is why a function's instances cannot be started, or why the last one did
// not get ready; empty when all is well, and when it has none.
func (o *Options) Trouble(spec *core.Spec) string {
	rt := funcspec.Of(spec)
	if o.Provider == nil || !rt.Provided() {
		return ""
	}
	at, on := provider.Find(o.Providers, rt.Provider)
	if !on {
		return fmt.Sprintf("provider %s is not switched on", rt.Provider)
	}
	var all []string
	if c, ok := at.Provider.(provider.Checked); ok {
		if err := c.Health(); err != nil {
			all = append(all, fmt.Sprintf("provider %s: %v", at.Name, err))
		}
	}
	if status, _ := o.Provider.Status(spec.Name); status.LastError != "" {
		all = append(all, status.LastError)
	}
	return strings.Join(all, "; ")
}

// providerCallTimeout bounds a call that only records the wanted state.
const providerCallTimeout = 2 * time.Second

// deprovision stops a deleted function's instances; running invocations may
// finish in the background.
func (r *Registrar) deprovision(spec *core.Spec) {
	if !funcspec.Of(spec).Provided() || r.Provider == nil {
		return
	}
	if j := r.core.Config().Journal; j != nil && j.Gone() {
		return // nobody will know of the deletion: the next owner has the function
	}
	// The provider forgets the name at once; only the stopping takes longer.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r.Holders.leave(spec.Name, r, func() {
		if err := r.Provider.Deprovision(ctx, spec.Name); err != nil && ctx.Err() == nil {
			r.Log.Warn("deprovisioning failed", "function", spec.Name, "error", err)
		}
	})
}

func deployment(spec *core.Spec) provider.Deployment {
	rt := funcspec.Of(spec)
	d := provider.Deployment{
		Name: spec.Name, Provider: rt.Provider, Image: rt.Image, RuntimeMode: provider.RuntimeMode(rt.RuntimeMode),
		Commands: rt.Commands, RuntimeCommand: rt.RuntimeCommand, Env: rt.Env, WorkDir: rt.WorkingDirectory,
		TimeoutMillis: int64(spec.TimeoutMillis), ImagePullSecrets: rt.ImagePullSecrets,
		HealthCheck:     provider.HealthCheck{TCP: rt.HealthCheck.Type == funcspec.HealthTCP, Path: rt.HealthCheck.Path},
		ScalingStrategy: provider.ScaleNone,
	}
	if rt.Resources != nil {
		d.CPU, d.Memory = rt.Resources.CPU, rt.Resources.Memory
	}
	if d.RuntimeMode == provider.STDIO {
		// Slots belong to the function, however many replicas share them.
		// Without this one replica would run them one at a time.
		d.EndpointConcurrency = min(spec.Concurrency, provider.MaxProcesses)
	}
	if sc := spec.ScalingConfig; sc != nil {
		d.ScalingStrategy = provider.ScalingStrategy(sc.Strategy)
		d.Replicas, d.MinReplicas, d.MaxReplicas = sc.MinReplicas, sc.MinReplicas, sc.MaxReplicas
		for _, m := range sc.Metrics {
			d.Metrics = append(d.Metrics, provider.Metric{Type: m.Type, Target: strconv.FormatFloat(m.Target, 'f', -1, 64), Name: m.Name})
		}
		if cc := sc.ConcurrencyControl; cc != nil && cc.Mode != "FIXED" {
			// The most that one instance is given at once, whatever is
			// adapted.
			d.EndpointConcurrency = max(cc.TargetInFlightPerPod, cc.MaxTargetInFlightPerPod)
		}
	}
	return d
}

// SetReplicas sets a function's instances by hand. With strategy INTERNAL the
// number is a start for the autoscaler, see core.SetReplicas.
func (r *Registrar) SetReplicas(fn *core.Function, n int) *httpjson.Error {
	if !r.Runs(fn) {
		return &httpjson.Error{Status: fasthttp.StatusServiceUnavailable, Code: provider.CodeNoProvider, Message: "no provider runs this function's instances, so it cannot be scaled here"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), providerCallTimeout)
	defer cancel()
	if err := r.Provider.SetReplicas(ctx, fn.Name(), n); err != nil {
		return providerFault(err)
	}
	if fn.Autoscaled() {
		// Without this the autoscaler would undo the change.
		if err := r.core.SetReplicas(fn.Name(), n); err != nil {
			return httpjson.ValidationFailed("replicas: " + err.Error())
		}
	}
	r.Log.Info("replicas set", "function", fn.Name(), "replicas", n)
	return nil
}
