package funcspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"simplane/core"
)

// Input is a spec as a user writes it: nil means "not given". Its JSON form has
// the aliases timeoutMs, url and command.
type Input struct {
	Name             *string                 `json:"name"`
	Image            *string                 `json:"image"`
	ExecutionMode    *string                 `json:"executionMode"`
	RuntimeMode      *string                 `json:"runtimeMode"`
	Provider         *string                 `json:"provider"`
	Concurrency      *int                    `json:"concurrency"`
	QueueSize        *int                    `json:"queueSize"`
	MaxRetries       *int                    `json:"maxRetries"`
	TimeoutMillis    *int                    `json:"timeoutMillis"`
	TimeoutMs        *int                    `json:"timeoutMs"`
	RetryBackoff     *core.RetryBackoffInput `json:"retryBackoff"`
	EndpointURL      *string                 `json:"endpointUrl"`
	URL              *string                 `json:"url"`
	Commands         []string                `json:"commands"`
	Command          []string                `json:"command"`
	RuntimeCommand   *string                 `json:"runtimeCommand"`
	WorkingDirectory *string                 `json:"workingDirectory"`
	InvokePath       *string                 `json:"invokePath"`
	BodyMode         *string                 `json:"bodyMode"`
	HealthCheck      *HealthCheck            `json:"healthCheck"`
	Env              map[string]string       `json:"env"`
	Resources        *Resources              `json:"resources"`
	ImagePullSecrets []string                `json:"imagePullSecrets"`
	ScalingConfig    *ScalingInput           `json:"scalingConfig"`
	RateMaxPerSecond *int64                  `json:"rateMaxPerSecond"`
	Durability       *string                 `json:"durability"`
	// Generation, Rollout and Trouble are what the API shows of a function. They are taken,
	// so that what was shown can be sent again, and not used.
	Generation *int64   `json:"generation"`
	Rollout    *Rollout `json:"rollout"`
	Trouble    *string  `json:"trouble"`
}

// Resolve checks a spec and fills in the defaults. The error is a
// *core.ValidationError that names every violation.
func Resolve(in Input) (*core.Spec, error) {
	var v violations
	if in.Commands == nil {
		in.Commands = in.Command
	}
	r := &Runtime{
		Image:            or(in.Image, ""),
		ExecutionMode:    or(in.ExecutionMode, ModeDeployment),
		RuntimeMode:      or(in.RuntimeMode, RuntimeHTTP),
		Provider:         or(in.Provider, ""),
		EndpointURL:      or(in.EndpointURL, or(in.URL, "")),
		Commands:         append([]string{}, in.Commands...),
		RuntimeCommand:   or(in.RuntimeCommand, ""),
		WorkingDirectory: or(in.WorkingDirectory, ""),
		InvokePath:       or(in.InvokePath, "/"),
		BodyMode:         or(in.BodyMode, BodyEnvelope),
		HealthCheck:      or(in.HealthCheck, HealthCheck{}).withDefaults(),
		Env:              in.Env,
		Resources:        in.Resources,
		ImagePullSecrets: append([]string{}, in.ImagePullSecrets...),
	}
	if r.Env == nil {
		r.Env = map[string]string{}
	}
	switch {
	case in.Image != nil && strings.TrimSpace(r.Image) == "":
		v.add("image", "must not be blank; leave it out where nothing is started from one")
	case r.Image == "" && r.Provided() && len(r.Commands) == 0 && r.RuntimeCommand == "":
		v.add("image", "is required where nothing else says what to start: give it, or commands, or an endpointUrl")
	}
	v.oneOf("executionMode", r.ExecutionMode, ModeLocal, ModePool, ModeDeployment)
	v.oneOf("runtimeMode", r.RuntimeMode, RuntimeHTTP, RuntimeStdio, RuntimeFile, RuntimeExec)
	if r.Provider != "" {
		v.oneOf("provider", r.Provider, Providers...)
		if !r.Provided() {
			v.add("provider", "must be left out where no instances are started: LOCAL, POOL, or beside an endpointUrl")
		}
	}
	v.oneOf("bodyMode", r.BodyMode, BodyEnvelope, BodyRaw)
	if problem := pathProblem(r.InvokePath, "#?"); problem != "" {
		v.add("invokePath", problem)
	}
	r.HealthCheck.check(&v)
	if problem := endpointProblem(r.EndpointURL); r.EndpointURL != "" && problem != "" {
		v.add("endpointUrl", problem)
	}
	if r.EndpointURL == "" && r.ExecutionMode == ModePool {
		v.add("endpointUrl", "is required for POOL: the URL that the function answers at")
	}
	const nothingStarts = "must be left out beside an endpointUrl, where nothing is started; leave one of them out"
	if r.EndpointURL != "" && len(r.Commands) > 0 {
		v.add("commands", nothingStarts)
	}
	if r.EndpointURL != "" && r.RuntimeCommand != "" {
		v.add("runtimeCommand", nothingStarts)
	}
	for name := range r.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			v.add("env", fmt.Sprintf("%q is not a variable name (no '=', not empty)", name))
		}
	}
	timeout := in.TimeoutMillis
	if timeout == nil {
		timeout = in.TimeoutMs
	}
	s, err := core.ResolveSpec(core.SpecInput{
		Name: in.Name, Concurrency: in.Concurrency, QueueSize: in.QueueSize, MaxRetries: in.MaxRetries,
		TimeoutMillis: timeout, RetryBackoff: in.RetryBackoff, ScalingConfig: in.ScalingConfig.core(), RateMaxPerSecond: in.RateMaxPerSecond,
		Durability: in.Durability,
	})
	var invalid *core.ValidationError
	switch {
	case errors.As(err, &invalid):
		v = append(v, invalid.Details...)
	case err != nil:
		return nil, err
	}
	if len(v) > 0 {
		slices.Sort(v) // env comes out of a map
		return nil, &core.ValidationError{Details: v}
	}
	s.Data, s.NoInstances = r, !r.Provided()
	raw, err := json.Marshal(View(s))
	if err != nil {
		return nil, err
	}
	r.JSONBytes = len(raw)
	return s, nil
}

// Restore is the spec that View showed. The error is one of Resolve's: a spec
// that was taken once is taken for ever.
func Restore(shown Spec) (*core.Spec, error) {
	raw, err := json.Marshal(shown)
	if err != nil {
		return nil, err
	}
	var in Input
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	spec, err := Resolve(in)
	if err == nil {
		spec.Generation = shown.Generation
	}
	return spec, err
}

// violations are "field: what is wrong".
type violations []string

func (v *violations) add(field, what string) { *v = append(*v, field+": "+what) }

func (v *violations) oneOf(field, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		v.add(field, fmt.Sprintf("must be one of %s, not %q", strings.Join(allowed, ", "), got))
	}
}

func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}
