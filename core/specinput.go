package core

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SpecInput is a Spec as a user writes it: nil means "not given".
type SpecInput struct {
	Name             *string             `json:"name"`
	Concurrency      *int                `json:"concurrency"`
	QueueSize        *int                `json:"queueSize"`
	MaxRetries       *int                `json:"maxRetries"`
	TimeoutMillis    *int                `json:"timeoutMillis"`
	RetryBackoff     *RetryBackoffInput  `json:"retryBackoff"`
	ScalingConfig    *ScalingConfigInput `json:"scalingConfig"`
	RateMaxPerSecond *int64              `json:"rateMaxPerSecond"`
	Durability       *string             `json:"durability"`
}

// RetryBackoffInput is a retry backoff as a user writes it.
type RetryBackoffInput struct {
	InitialMillis *int     `json:"initialMs"`
	MaxMillis     *int     `json:"maxMs"`
	Multiplier    *float64 `json:"multiplier"`
	Jitter        *float64 `json:"jitter"`
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
		Concurrency:      or(in.Concurrency, int(l.Concurrency.Default)),
		QueueSize:        or(in.QueueSize, int(l.QueueSize.Default)),
		MaxRetries:       or(in.MaxRetries, int(l.MaxRetries.Default)),
		TimeoutMillis:    or(in.TimeoutMillis, int(l.TimeoutMillis.Default)),
		RateMaxPerSecond: or(in.RateMaxPerSecond, l.FunctionRate.Default),
		Durability:       Durability(or(in.Durability, string(DurabilityDefault))),
	}
	if s.Durability != DurabilityDefault {
		v.oneOf("durability", string(s.Durability), string(DurabilityMemory), string(DurabilityDisk))
	}
	switch {
	case s.Name == "":
		v.add("name", "is required")
	case !namePattern.MatchString(s.Name):
		v.add("name", "must be 1 to 128 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit")
	}
	v.count("", s.Concurrency, l.Concurrency)
	v.count("", s.QueueSize, l.QueueSize)
	v.count("", s.MaxRetries, l.MaxRetries)
	v.count("", s.TimeoutMillis, l.TimeoutMillis)
	inRange(&v, l.FunctionRate.Name, s.RateMaxPerSecond, l.FunctionRate)
	s.RetryBackoff = resolveBackoff(in.RetryBackoff, &v)
	s.ScalingConfig = resolveScaling(in.ScalingConfig, &v)
	if err := v.err(); err != nil {
		slices.Sort(v.details)
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

func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}
