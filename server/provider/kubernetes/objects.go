package kubernetes

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"simplane/server/provider"
)

// portName names the function's port in the container, the Service and the
// EndpointSlices.
const portName = "http"

// containerName is that of a function's container.
const containerName = "function"

// deployment describes the wanted Deployment. replicas is nil when the
// autoscaler sets them: a field that is not applied is left to others.
func (f *function) deployment(d provider.Deployment, replicas *int32, incarnation string) (*appsac.DeploymentApplyConfiguration, origin) {
	template := coreac.PodTemplateSpec().
		WithLabels(f.labels()).
		WithAnnotations(map[string]string{annotationFunction: f.name}).
		WithSpec(f.pod(d))
	from := stamp(template, incarnation)
	spec := appsac.DeploymentSpec().
		WithSelector(metaac.LabelSelector().WithMatchLabels(f.selector())).
		WithStrategy(appsac.DeploymentStrategy().
			WithType(appsv1.RollingUpdateDeploymentStrategyType).
			// New pods first: a rollout must not take capacity away.
			WithRollingUpdate(appsac.RollingUpdateDeployment().
				WithMaxSurge(intstr.FromInt32(1)).WithMaxUnavailable(intstr.FromInt32(0)))).
		WithTemplate(template)
	spec.Replicas = replicas
	return appsac.Deployment(f.object, f.p.opt.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(map[string]string{annotationFunction: f.name}).
		WithSpec(spec), from
}

func (f *function) pod(d provider.Deployment) *coreac.PodSpecApplyConfiguration {
	pod := coreac.PodSpec().
		WithContainers(f.container(d)).
		// A function has no business with the API server.
		WithAutomountServiceAccountToken(false).
		// Names of other Services as environment variables would only clash.
		WithEnableServiceLinks(false)
	for _, s := range unique(d.ImagePullSecrets) {
		pod.WithImagePullSecrets(coreac.LocalObjectReference().WithName(s))
	}
	return pod
}

// unique leaves out what comes again: a list keyed by name takes it once.
func unique(names []string) (out []string) {
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// literal makes the kubelet pass text on as it is. It replaces $(NAME) by the
// variable and $$ by $ in commands and values, which the function protocol
// knows nothing of.
func literal(text string) string {
	if strings.Contains(text, "$$") || strings.Contains(text, "$(") {
		return strings.ReplaceAll(text, "$", "$$")
	}
	return text
}

func (f *function) container(d provider.Deployment) *coreac.ContainerApplyConfiguration {
	port := f.p.opt.Port
	c := coreac.Container().
		WithName(containerName).
		WithImage(d.Image).
		WithPorts(coreac.ContainerPort().WithName(portName).WithContainerPort(port).WithProtocol(corev1.ProtocolTCP)).
		WithSecurityContext(coreac.SecurityContext().WithAllowPrivilegeEscalation(false)).
		WithReadinessProbe(probe(d.HealthCheck))
	switch {
	case len(d.Commands) > 0 && d.Commands[0] != "":
		for _, arg := range d.Commands {
			c.WithCommand(literal(arg))
		}
	case d.HasCommand():
		c.WithCommand("sh", "-c", literal(d.RuntimeCommand))
	}
	// Sorted, as the order counts: another one would restart the pods.
	for _, k := range slices.Sorted(maps.Keys(d.Env)) {
		if k != "PORT" {
			c.WithEnv(coreac.EnvVar().WithName(k).WithValue(literal(d.Env[k])))
		}
	}
	c.WithEnv(coreac.EnvVar().WithName("PORT").WithValue(strconv.Itoa(int(port))))

	limits := corev1.ResourceList{}
	if d.CPU != "" {
		limits[corev1.ResourceCPU] = resource.MustParse(d.CPU) // validated by check
	}
	if d.Memory != "" {
		limits[corev1.ResourceMemory] = resource.MustParse(d.Memory)
	}
	if len(limits) > 0 {
		// Requests too: utilization, which an autoscaler aims at, is relative
		// to them.
		c.WithResources(coreac.ResourceRequirements().WithLimits(limits).WithRequests(limits.DeepCopy()))
	}
	return c
}

// probe is the readiness probe. The kubelet takes a 404 for a failure: a function
// without the path needs a TCP check.
func probe(h provider.HealthCheck) *coreac.ProbeApplyConfiguration {
	probe := coreac.Probe().WithPeriodSeconds(1).WithTimeoutSeconds(2).WithFailureThreshold(3)
	if h.TCP {
		return probe.WithTCPSocket(coreac.TCPSocketAction().WithPort(intstr.FromString(portName)))
	}
	return probe.WithHTTPGet(coreac.HTTPGetAction().WithPath(h.PathOrDefault()).WithPort(intstr.FromString(portName)))
}

// service describes the headless Service that makes the cluster keep
// EndpointSlices of the function's pods.
func (f *function) service(owner *metaac.OwnerReferenceApplyConfiguration) *coreac.ServiceApplyConfiguration {
	return coreac.Service(f.object, f.p.opt.Namespace).
		WithLabels(f.labels()).
		WithAnnotations(map[string]string{annotationFunction: f.name}).
		WithOwnerReferences(owner).
		WithSpec(coreac.ServiceSpec().
			WithClusterIP(corev1.ClusterIPNone).
			WithSelector(f.selector()).
			WithPorts(coreac.ServicePort().
				WithName(portName).WithProtocol(corev1.ProtocolTCP).
				WithPort(f.p.opt.Port).WithTargetPort(intstr.FromString(portName))))
}

// ownedBy makes the cluster delete an object together with the Deployment.
func (f *function) ownedBy(deployment types.UID) *metaac.OwnerReferenceApplyConfiguration {
	return metaac.OwnerReference().
		WithAPIVersion("apps/v1").WithKind("Deployment").
		WithName(f.object).WithUID(deployment).
		WithController(true).WithBlockOwnerDeletion(true)
}
