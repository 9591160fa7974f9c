package kubernetes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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
	metrics := d.Metrics
	if len(metrics) == 0 {
		metrics = []provider.Metric{defaultMetric}
	}
	for _, m := range metrics {
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
		if name, ok := strings.CutPrefix(m.Name, podsPrefix); ok {
			return scalingac.MetricSpec().WithType(autoscalingv2.PodsMetricSourceType).
				WithPods(scalingac.PodsMetricSource().
					WithMetric(scalingac.MetricIdentifier().WithName(name)).WithTarget(target)), nil
		}
		return externalSpec(scalingac.MetricIdentifier().WithName(m.Name), target), nil
	}
	return nil, fmt.Errorf("type: %q is none of cpu, memory, queue_depth, in_flight, rps, prometheus", m.Type)
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
