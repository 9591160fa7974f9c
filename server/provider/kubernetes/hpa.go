package kubernetes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validate/content"
	scalingac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"simplane/server/provider"
)

// external maps the metric types that simplane itself exports to the names
// they are expected to have in the external metrics API, selected by the label
// function. rps needs a rule in the metrics adapter (docs/kubernetes.md).
var external = map[string]string{
	"queue_depth": "function_queue_depth",
	"in_flight":   "function_in_flight",
	"rps":         "function_rps",
}

// podsPrefix in a prometheus metric's name asks for a metric of the pods
// themselves instead of an external one.
const podsPrefix = "pods/"

// defaultMetric is what an autoscaler without metrics aims at.
var defaultMetric = provider.Metric{Type: "cpu", Target: "80"}

// checkMetrics reports what is wrong with a deployment's scaling.
func checkMetrics(d provider.Deployment) error {
	switch d.ScalingStrategy {
	case "", provider.ScaleNone, provider.ScaleInternal:
		return nil // metrics, if any, are for simplane's own scaling
	case provider.ScaleHPA:
	default:
		return fmt.Errorf("scalingConfig.strategy: %q is none of HPA, INTERNAL, NONE", d.ScalingStrategy)
	}
	var errs []error
	for i, m := range d.Metrics {
		if _, err := metricSpec(d.Name, m); err != nil {
			errs = append(errs, fmt.Errorf("scalingConfig.metrics[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// idleMetrics names the resources whose utilization an autoscaler aims at
// though d does not request them: unless the namespace has a default request,
// it will never scale.
func idleMetrics(d provider.Deployment) (idle []string) {
	if d.ScalingStrategy != provider.ScaleHPA {
		return nil
	}
	requests := map[string]string{"cpu": d.CPU, "memory": d.Memory}
	for _, m := range metricsOf(d) {
		request, isResource := requests[m.Type]
		if _, err := strconv.Atoi(m.Target); err == nil && isResource && request == "" {
			idle = append(idle, m.Type)
		}
	}
	return idle
}

func metricsOf(d provider.Deployment) []provider.Metric {
	if len(d.Metrics) == 0 {
		return []provider.Metric{defaultMetric}
	}
	return d.Metrics
}

// autoscaler describes the wanted HorizontalPodAutoscaler.
func (f *function) autoscaler(d provider.Deployment, owner *metaac.OwnerReferenceApplyConfiguration) (*scalingac.HorizontalPodAutoscalerApplyConfiguration, error) {
	// Zero needs a feature gate of the cluster; one always works.
	least := max(1, d.MinReplicas)
	most := d.MaxReplicas
	if most == 0 {
		most = f.p.opt.MaxReplicas
	}
	spec := scalingac.HorizontalPodAutoscalerSpec().
		WithScaleTargetRef(scalingac.CrossVersionObjectReference().
			WithAPIVersion("apps/v1").WithKind("Deployment").WithName(f.object)).
		WithMinReplicas(int32(least)).
		WithMaxReplicas(int32(max(least, most)))
	for _, m := range metricsOf(d) {
		ms, err := metricSpec(f.name, m)
		if err != nil {
			return nil, err
		}
		spec.WithMetrics(ms)
	}
	return scalingac.HorizontalPodAutoscaler(f.object, f.p.opt.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(map[string]string{annotationFunction: f.name}).
		WithOwnerReferences(owner).
		WithSpec(spec), nil
}

func metricSpec(function string, m provider.Metric) (*scalingac.MetricSpecApplyConfiguration, error) {
	target := scalingac.MetricTarget()
	switch m.Type {
	case "cpu", "memory":
		// A bare number is a percentage of the request, "500m" or "200Mi" an
		// amount for each pod.
		if percent, err := strconv.Atoi(m.Target); err == nil {
			if percent < 1 || percent > 1000 {
				return nil, fmt.Errorf("target: %d%% is not between 1 and 1000", percent)
			}
			target.WithType(autoscalingv2.UtilizationMetricType).WithAverageUtilization(int32(percent))
		} else if _, err := strconv.ParseFloat(m.Target, 64); err == nil {
			return nil, fmt.Errorf("target: %s is not a whole number of percent", m.Target)
		} else if err := average(target, m.Target); err != nil {
			return nil, err
		}
		return scalingac.MetricSpec().WithType(autoscalingv2.ResourceMetricSourceType).
			WithResource(scalingac.ResourceMetricSource().WithName(corev1.ResourceName(m.Type)).WithTarget(target)), nil

	case "queue_depth", "in_flight", "rps":
		if len(function) > 63 {
			return nil, fmt.Errorf("type %s: needs a function name of at most 63 characters, to select by", m.Type)
		}
		if err := average(target, m.Target); err != nil {
			return nil, err
		}
		name := m.Name
		if name == "" {
			name = external[m.Type]
		}
		if err := checkMetricName(name); err != nil {
			return nil, err
		}
		id := scalingac.MetricIdentifier().WithName(name).
			WithSelector(metaac.LabelSelector().WithMatchLabels(map[string]string{"function": function}))
		return externalSpec(id, target), nil

	case "prometheus":
		if err := average(target, m.Target); err != nil {
			return nil, err
		}
		if m.Name == "" {
			return nil, errors.New("name: a prometheus metric needs one")
		}
		name, ofPods := strings.CutPrefix(m.Name, podsPrefix)
		if err := checkMetricName(name); err != nil {
			return nil, err
		}
		if ofPods {
			return scalingac.MetricSpec().WithType(autoscalingv2.PodsMetricSourceType).
				WithPods(scalingac.PodsMetricSource().
					WithMetric(scalingac.MetricIdentifier().WithName(name)).WithTarget(target)), nil
		}
		return externalSpec(scalingac.MetricIdentifier().WithName(name), target), nil
	}
	return nil, fmt.Errorf("type: %q is none of cpu, memory, queue_depth, in_flight, rps, prometheus", m.Type)
}

// checkMetricName holds a name against what the metrics APIs take, as a part of
// a path.
func checkMetricName(name string) error {
	if why := content.IsPathSegmentName(name); name == "" || len(why) > 0 {
		return fmt.Errorf("name: %q is not the name of a metric", name)
	}
	return nil
}

func externalSpec(id *scalingac.MetricIdentifierApplyConfiguration, target *scalingac.MetricTargetApplyConfiguration) *scalingac.MetricSpecApplyConfiguration {
	return scalingac.MetricSpec().WithType(autoscalingv2.ExternalMetricSourceType).
		WithExternal(scalingac.ExternalMetricSource().WithMetric(id).WithTarget(target))
}

// average sets a target that is an amount for each pod.
func average(t *scalingac.MetricTargetApplyConfiguration, amount string) error {
	q, err := resource.ParseQuantity(amount)
	if err != nil || q.Sign() <= 0 {
		return fmt.Errorf("target: %q is not a positive amount", amount)
	}
	t.WithType(autoscalingv2.AverageValueMetricType).WithAverageValue(q)
	return nil
}
