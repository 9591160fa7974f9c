package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
)

// origin says where a pod comes from. A pod carries it in annotations.
type origin struct {
	incarnation string // which Deployment of that name: it is new after a deletion
	revision    string // which of its pod templates
}

const (
	annotationIncarnation = domain + "/incarnation"
	annotationRevision    = domain + "/revision"
)

// stamp writes the origin of its pods into a finished template.
func stamp(template *coreac.PodTemplateSpecApplyConfiguration, incarnation string) origin {
	if incarnation != "" { // empty for one that an older simplane made
		template.WithAnnotations(map[string]string{annotationIncarnation: incarnation})
	}
	raw, err := json.Marshal(template)
	if err != nil {
		panic(err) // plain structs
	}
	sum := sha256.Sum256(raw)
	o := origin{incarnation, hex.EncodeToString(sum[:8])}
	template.WithAnnotations(map[string]string{annotationRevision: o.revision})
	return o
}

func originOf(annotations map[string]string) origin {
	return origin{annotations[annotationIncarnation], annotations[annotationRevision]}
}

// strange says that a pod is left of a Deployment deleted before. The Service
// selects it, by its labels, until the cluster has cleaned up.
func (o origin) strange(pod *corev1.Pod) bool {
	of := originOf(pod.Annotations)
	return of.incarnation != "" && of.incarnation != o.incarnation
}

// outdated says that a pod is about to go, or to be replaced by one of the
// template last applied.
func (o origin) outdated(pod *corev1.Pod) bool {
	of := originOf(pod.Annotations)
	return pod.DeletionTimestamp != nil || o.strange(pod) || of.revision != "" && of.revision != o.revision
}
