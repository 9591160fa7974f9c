package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/provider"
	"simplane/server/provider/process"
)

// Providers of DEPLOYMENT functions.
const (
	ProviderProcess    = "process"
	ProviderKubernetes = "kubernetes"
	ProviderNone       = "none"
)

// newProvider makes the configured provider; nil for none.
func (s *Server) newProvider() provider.Provider {
	if s.cfg.ClusterProvider != nil {
		if source, ok := s.cfg.ClusterProvider.(provider.MetricSource); ok {
			source.ReportTo(s.reportMetric)
		}
		return s.cfg.ClusterProvider
	}
	if s.cfg.Provider != ProviderProcess {
		return nil
	}
	return process.New(process.Options{
		Logger: s.log, StartTimeout: s.cfg.FunctionStartTimeout, CgroupRoot: s.cfg.CgroupRoot,
		MaxFunctions: s.cfg.Core.MaxFunctions, MaxOutputBytes: s.cfg.MaxResponseBytes,
		ReportMetric: s.reportMetric,
	})
}

// reportMetric tells core a figure that the provider has measured.
func (s *Server) reportMetric(function string, m provider.Metric, value float64) {
	// An error says that the function is gone, or is another one by now.
	_ = s.core.ReportMetric(function, m.Type, m.Name, value)
}

// provision starts what a DEPLOYMENT function needs; nil when it is not one.
func (s *Server) provision(spec *core.Spec) *apiError {
	if !spec.Provided() {
		return nil
	}
	unprocessable := func(message string) *apiError {
		return &apiError{status: fasthttp.StatusUnprocessableEntity, code: core.CodeNoProvider, message: message}
	}
	if s.provider == nil {
		return unprocessable("no provider is configured for DEPLOYMENT functions: set endpointUrl, or use executionMode POOL or LOCAL")
	}
	d := deployment(spec)
	if s.cfg.Provider == ProviderProcess && !d.HasCommand() {
		return unprocessable("the process provider cannot run an image: set commands or runtimeCommand, or endpointUrl of an instance that runs already")
	}
	if err := d.Validate(); err != nil {
		return validationFailed(strings.Split(err.Error(), "\n")...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), providerCallTimeout)
	defer cancel()
	return providerFault(s.provider.Provision(ctx, d))
}

// providerFault tells a request the provider will never take from trouble that
// may pass; nil of nil.
func providerFault(err error) *apiError {
	var invalid *provider.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return validationFailed(invalid.Details...)
	}
	return &apiError{status: fasthttp.StatusServiceUnavailable, code: "PROVIDER_ERROR", message: err.Error()}
}

// providerCallTimeout bounds a call that only records what is wanted.
const providerCallTimeout = 2 * time.Second

// deprovision stops a deleted function's instances; running invocations may
// finish in the background.
func (s *Server) deprovision(spec *core.Spec) {
	if !spec.Provided() || s.provider == nil {
		return
	}
	// The provider forgets the name at once; only the stopping takes longer.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.provider.Deprovision(ctx, spec.Name); err != nil && ctx.Err() == nil {
		s.log.Warn("deprovisioning failed", "function", spec.Name, "error", err)
	}
}

func deployment(spec *core.Spec) provider.Deployment {
	d := provider.Deployment{
		Name: spec.Name, Image: spec.Image, RuntimeMode: provider.RuntimeMode(spec.RuntimeMode),
		Commands: spec.Commands, RuntimeCommand: spec.RuntimeCommand, Env: spec.Env, WorkDir: spec.WorkingDirectory,
		TimeoutMillis: int64(spec.TimeoutMillis), ImagePullSecrets: spec.ImagePullSecrets,
		ScalingStrategy: provider.ScaleNone,
	}
	if spec.Resources != nil {
		d.CPU, d.Memory = spec.Resources.CPU, spec.Resources.Memory
	}
	if d.RuntimeMode == provider.STDIO {
		// The slots are the function's, however many replicas share them. This
		// keeps one replica from running them one at a time.
		d.EndpointConcurrency = min(spec.Concurrency, provider.MaxProcesses)
	}
	if sc := spec.ScalingConfig; sc != nil {
		d.ScalingStrategy = provider.ScalingStrategy(sc.Strategy)
		d.Replicas, d.MinReplicas, d.MaxReplicas = sc.MinReplicas, sc.MinReplicas, sc.MaxReplicas
		for _, m := range sc.Metrics {
			d.Metrics = append(d.Metrics, provider.Metric{Type: m.Type, Target: strconv.FormatFloat(m.Target, 'f', -1, 64), Name: m.Name})
		}
		if cc := sc.ConcurrencyControl; cc != nil && cc.Mode != "FIXED" {
			// What one instance may be asked for at most, whatever is adapted.
			d.EndpointConcurrency = max(cc.TargetInFlightPerPod, cc.MaxTargetInFlightPerPod)
		}
	}
	return d
}

// setReplicas sets a function's instances by hand. With strategy INTERNAL the
// number is a start for the autoscaler, see core.SetReplicas.
func (s *Server) setReplicas(fn *core.Function, n int) *apiError {
	if s.provider == nil || !fn.Spec().Provided() {
		return &apiError{status: fasthttp.StatusServiceUnavailable, code: core.CodeNoProvider, message: "no provider runs this function's instances, so it cannot be scaled here"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), providerCallTimeout)
	defer cancel()
	if err := s.provider.SetReplicas(ctx, fn.Name(), n); err != nil {
		return providerFault(err)
	}
	if fn.Autoscaled() {
		// The autoscaler goes on from there, or it would undo it.
		if err := s.core.SetReplicas(fn.Name(), n); err != nil {
			return validationFailed("replicas: " + err.Error())
		}
	}
	s.log.Info("replicas set", "function", fn.Name(), "replicas", n)
	return nil
}

// handleLogs shows what a DEPLOYMENT function's instances wrote.
func (s *Server) handleLogs(ctx *fasthttp.RequestCtx, name string) {
	tail, fault := limitArg(ctx, "tail", 200, 10_000)
	fn := s.core.Function(name)
	switch {
	case fn == nil:
		s.writeRejection(ctx, core.ErrNotFound)
		return
	case fault != nil:
		fault.write(ctx)
		return
	case s.provider == nil || !fn.Spec().Provided():
		validationFailed("executionMode: only DEPLOYMENT functions that a provider runs have logs here").write(ctx)
		return
	}
	lines, err := s.provider.Logs(name, tail)
	if err != nil {
		writeError(ctx, fasthttp.StatusNotFound, core.CodeNotFound, err.Error())
		return
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	for _, l := range lines {
		fmt.Fprintf(ctx, "%s %s %s %s\n", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Instance, l.Stream, l.Text)
	}
}
