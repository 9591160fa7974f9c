package core

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
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
	RateMaxPerSecond *int64              `json:"rateMaxPerSecond"`
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
	l := &Limits
	s := &Spec{
		Name:             or(in.Name, ""),
		Image:            or(in.Image, ""),
		ExecutionMode:    or(in.ExecutionMode, ModeDeployment),
		RuntimeMode:      or(in.RuntimeMode, RuntimeHTTP),
		Concurrency:      or(in.Concurrency, int(l.Concurrency.Default)),
		QueueSize:        or(in.QueueSize, int(l.QueueSize.Default)),
		MaxRetries:       or(in.MaxRetries, int(l.MaxRetries.Default)),
		TimeoutMillis:    or(in.TimeoutMillis, or(in.TimeoutMs, int(l.TimeoutMillis.Default))),
		EndpointURL:      or(in.EndpointURL, or(in.URL, "")),
		Commands:         append([]string{}, in.Commands...),
		RuntimeCommand:   or(in.RuntimeCommand, ""),
		WorkingDirectory: or(in.WorkingDirectory, ""),
		Env:              in.Env,
		Resources:        in.Resources,
		ImagePullSecrets: append([]string{}, in.ImagePullSecrets...),
		RateMaxPerSecond: or(in.RateMaxPerSecond, l.FunctionRate.Default),
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
	v.count("", s.Concurrency, l.Concurrency)
	v.count("", s.QueueSize, l.QueueSize)
	v.count("", s.MaxRetries, l.MaxRetries)
	v.count("", s.TimeoutMillis, l.TimeoutMillis)
	inRange(&v, l.FunctionRate.Name, s.RateMaxPerSecond, l.FunctionRate)
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
	l := &Limits
	s := &ScalingConfig{
		Strategy:    or(in.Strategy, "INTERNAL"),
		MinReplicas: or(in.MinReplicas, int(l.MinReplicas.Default)),
		Metrics:     append([]ScalingMetric{}, in.Metrics...),
	}
	s.MaxReplicas = or(in.MaxReplicas, max(int(l.MaxReplicas.Default), s.MinReplicas))
	v.oneOf("scalingConfig.strategy", s.Strategy, "HPA", "INTERNAL", "NONE")
	v.count("scalingConfig.", s.MinReplicas, l.MinReplicas)
	v.count("scalingConfig.", s.MaxReplicas, l.MaxReplicas)
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
	l := &Limits
	target := or(in.TargetInFlightPerPod, int(l.TargetPerPod.Default))
	c := &ConcurrencyControl{
		Mode:                    or(in.Mode, "FIXED"),
		TargetInFlightPerPod:    target,
		MinTargetInFlightPerPod: or(in.MinTargetInFlightPerPod, int(l.MinTargetPerPod.Default)),
		MaxTargetInFlightPerPod: or(in.MaxTargetInFlightPerPod, max(int(l.MaxTargetPerPod.Default), target)),
		UpscaleCooldownMs:       or(in.UpscaleCooldownMs, int(l.UpscaleCooldown.Default)),
		DownscaleCooldownMs:     or(in.DownscaleCooldownMs, int(l.DownscaleCooldown.Default)),
		HighLoadThreshold:       or(in.HighLoadThreshold, l.HighLoad.Default),
		LowLoadThreshold:        or(in.LowLoadThreshold, l.LowLoad.Default),
	}
	const at = "scalingConfig.concurrencyControl."
	v.oneOf(at+"mode", c.Mode, "FIXED", "STATIC_PER_POD", "ADAPTIVE_PER_POD")
	v.count(at, c.TargetInFlightPerPod, l.TargetPerPod)
	v.count(at, c.MinTargetInFlightPerPod, l.MinTargetPerPod)
	v.count(at, c.MaxTargetInFlightPerPod, l.MaxTargetPerPod)
	if c.MinTargetInFlightPerPod > c.MaxTargetInFlightPerPod {
		v.add(at+"minTargetInFlightPerPod", "must not be above maxTargetInFlightPerPod")
	}
	v.count(at, c.UpscaleCooldownMs, l.UpscaleCooldown)
	v.count(at, c.DownscaleCooldownMs, l.DownscaleCooldown)
	inRange(v, at+l.HighLoad.Name, c.HighLoadThreshold, l.HighLoad)
	if !(c.LowLoadThreshold >= l.LowLoad.Min && c.LowLoadThreshold < c.HighLoadThreshold) {
		v.add(at+l.LowLoad.Name, "must be 0 or greater and below highLoadThreshold")
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
