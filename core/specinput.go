package core

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Upper bounds of a spec's sizes: beyond any use, and small enough that no
// count overflows.
const (
	MaxConcurrency   = 1_000_000
	MaxQueueSize     = 1_000_000
	MaxRetriesBound  = 10_000
	MaxTimeoutMillis = 7 * 24 * 3600 * 1000
	MaxReplicasBound = 10_000
)

// SpecInput is a spec as a user writes it: nil means "not given". Its JSON
// form has the aliases timeoutMs and url.
type SpecInput struct {
	Name             *string             `json:"name"`
	Image            *string             `json:"image"`
	ExecutionMode    *string             `json:"executionMode"`
	RuntimeMode      *string             `json:"runtimeMode"`
	Concurrency      *int                `json:"concurrency"`
	QueueSize        *int                `json:"queueSize"`
	MaxRetries       *int                `json:"maxRetries"`
	TimeoutMillis    *int                `json:"timeoutMillis"`
	TimeoutMs        *int                `json:"timeoutMs"`
	EndpointURL      *string             `json:"endpointUrl"`
	URL              *string             `json:"url"`
	Commands         []string            `json:"commands"`
	RuntimeCommand   *string             `json:"runtimeCommand"`
	WorkingDirectory *string             `json:"workingDirectory"`
	Env              map[string]string   `json:"env"`
	Resources        *Resources          `json:"resources"`
	ImagePullSecrets []string            `json:"imagePullSecrets"`
	ScalingConfig    *ScalingConfigInput `json:"scalingConfig"`
	RateMaxPerSecond *int                `json:"rateMaxPerSecond"`
}

// ScalingConfigInput is a scaling config as a user writes it.
type ScalingConfigInput struct {
	Strategy           *string                  `json:"strategy"`
	MinReplicas        *int                     `json:"minReplicas"`
	MaxReplicas        *int                     `json:"maxReplicas"`
	Metrics            []ScalingMetric          `json:"metrics"`
	ConcurrencyControl *ConcurrencyControlInput `json:"concurrencyControl"`
}

// ConcurrencyControlInput is a concurrency control as a user writes it.
type ConcurrencyControlInput struct {
	Mode                    *string  `json:"mode"`
	TargetInFlightPerPod    *int     `json:"targetInFlightPerPod"`
	MinTargetInFlightPerPod *int     `json:"minTargetInFlightPerPod"`
	MaxTargetInFlightPerPod *int     `json:"maxTargetInFlightPerPod"`
	UpscaleCooldownMs       *int     `json:"upscaleCooldownMs"`
	DownscaleCooldownMs     *int     `json:"downscaleCooldownMs"`
	HighLoadThreshold       *float64 `json:"highLoadThreshold"`
	LowLoadThreshold        *float64 `json:"lowLoadThreshold"`
}

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$`)

// ResolveSpec checks a spec and fills in the defaults. The error is a
// *ValidationError that names every violation.
func ResolveSpec(in SpecInput) (*Spec, error) {
	var v violations
	s := &Spec{
		Name:             or(in.Name, ""),
		Image:            or(in.Image, ""),
		ExecutionMode:    or(in.ExecutionMode, ModeDeployment),
		RuntimeMode:      or(in.RuntimeMode, RuntimeHTTP),
		Concurrency:      or(in.Concurrency, 4),
		QueueSize:        or(in.QueueSize, 100),
		MaxRetries:       or(in.MaxRetries, 3),
		TimeoutMillis:    or(in.TimeoutMillis, or(in.TimeoutMs, 30_000)),
		EndpointURL:      or(in.EndpointURL, or(in.URL, "")),
		Commands:         append([]string{}, in.Commands...),
		RuntimeCommand:   or(in.RuntimeCommand, ""),
		WorkingDirectory: or(in.WorkingDirectory, ""),
		Env:              in.Env,
		Resources:        in.Resources,
		ImagePullSecrets: append([]string{}, in.ImagePullSecrets...),
		RateMaxPerSecond: or(in.RateMaxPerSecond, 0),
	}
	if s.Env == nil {
		s.Env = map[string]string{}
	}
	switch {
	case s.Name == "":
		v.add("name", "is required")
	case !namePattern.MatchString(s.Name):
		v.add("name", "must be 1 to 128 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit")
	}
	if strings.TrimSpace(s.Image) == "" {
		v.add("image", "must not be blank")
	}
	v.oneOf("executionMode", s.ExecutionMode, ModeLocal, ModePool, ModeDeployment)
	v.oneOf("runtimeMode", s.RuntimeMode, RuntimeHTTP, RuntimeStdio, RuntimeFile)
	v.within("concurrency", s.Concurrency, 1, MaxConcurrency)
	v.within("queueSize", s.QueueSize, 1, MaxQueueSize)
	v.within("maxRetries", s.MaxRetries, 0, MaxRetriesBound)
	v.within("timeoutMillis", s.TimeoutMillis, 1, MaxTimeoutMillis)
	v.within("rateMaxPerSecond", s.RateMaxPerSecond, 0, MaxRatePerSecond)
	if s.EndpointURL != "" {
		v.endpoint(s.EndpointURL)
	}
	for name := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			v.add("env", fmt.Sprintf("%q is not a variable name (no '=', not empty)", name))
		}
	}
	s.ScalingConfig = resolveScaling(in.ScalingConfig, &v)
	if err := v.err(); err != nil {
		slices.Sort(v.details) // env comes out of a map
		return nil, err
	}
	return s, nil
}

func resolveScaling(in *ScalingConfigInput, v *violations) *ScalingConfig {
	if in == nil {
		return nil
	}
	s := &ScalingConfig{
		Strategy:    or(in.Strategy, "INTERNAL"),
		MinReplicas: or(in.MinReplicas, 1),
		Metrics:     append([]ScalingMetric{}, in.Metrics...),
	}
	s.MaxReplicas = or(in.MaxReplicas, max(10, s.MinReplicas))
	v.oneOf("scalingConfig.strategy", s.Strategy, "HPA", "INTERNAL", "NONE")
	v.within("scalingConfig.minReplicas", s.MinReplicas, 0, MaxReplicasBound)
	v.within("scalingConfig.maxReplicas", s.MaxReplicas, 1, MaxReplicasBound)
	if s.MaxReplicas < s.MinReplicas {
		v.add("scalingConfig.maxReplicas", "must not be below minReplicas")
	}
	for i, m := range s.Metrics {
		at := fmt.Sprintf("scalingConfig.metrics[%d].", i)
		v.oneOf(at+"type", m.Type, "queue_depth", "in_flight", "rps", "cpu", "memory", "prometheus")
		if !(m.Target > 0) {
			v.add(at+"target", "must be greater than 0")
		}
		if m.Type == "prometheus" && m.Name == "" {
			v.add(at+"name", "is required for a prometheus metric")
		}
	}
	s.ConcurrencyControl = resolveConcurrencyControl(in.ConcurrencyControl, v)
	return s
}

func resolveConcurrencyControl(in *ConcurrencyControlInput, v *violations) *ConcurrencyControl {
	if in == nil {
		return nil
	}
	target := or(in.TargetInFlightPerPod, 2)
	c := &ConcurrencyControl{
		Mode:                    or(in.Mode, "FIXED"),
		TargetInFlightPerPod:    target,
		MinTargetInFlightPerPod: or(in.MinTargetInFlightPerPod, 1),
		MaxTargetInFlightPerPod: or(in.MaxTargetInFlightPerPod, max(8, target)),
		UpscaleCooldownMs:       or(in.UpscaleCooldownMs, 30_000),
		DownscaleCooldownMs:     or(in.DownscaleCooldownMs, 60_000),
		HighLoadThreshold:       or(in.HighLoadThreshold, 0.85),
		LowLoadThreshold:        or(in.LowLoadThreshold, 0.35),
	}
	const at = "scalingConfig.concurrencyControl."
	v.oneOf(at+"mode", c.Mode, "FIXED", "STATIC_PER_POD", "ADAPTIVE_PER_POD")
	v.within(at+"targetInFlightPerPod", c.TargetInFlightPerPod, 1, MaxConcurrency)
	v.within(at+"minTargetInFlightPerPod", c.MinTargetInFlightPerPod, 1, MaxConcurrency)
	v.within(at+"maxTargetInFlightPerPod", c.MaxTargetInFlightPerPod, 1, MaxConcurrency)
	if c.MinTargetInFlightPerPod > c.MaxTargetInFlightPerPod {
		v.add(at+"minTargetInFlightPerPod", "must not be above maxTargetInFlightPerPod")
	}
	v.within(at+"upscaleCooldownMs", c.UpscaleCooldownMs, 0, MaxTimeoutMillis)
	v.within(at+"downscaleCooldownMs", c.DownscaleCooldownMs, 0, MaxTimeoutMillis)
	if !(c.LowLoadThreshold >= 0 && c.LowLoadThreshold < c.HighLoadThreshold) {
		v.add(at+"lowLoadThreshold", "must be 0 or greater and below highLoadThreshold")
	}
	return c
}

func (v *violations) oneOf(field, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		v.add(field, fmt.Sprintf("must be one of %s, not %q", strings.Join(allowed, ", "), got))
	}
}

func (v *violations) endpoint(raw string) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		v.add("endpointUrl", "must be an absolute http or https URL")
	}
}

func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}
