package kubernetes

import (
	"context"
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
)

// keeper is the field manager that holds the replicas between simplane, which
// let go of them, and the autoscaler, which has not set them yet.
const keeper = fieldManager + "-replicas"

// handOver prepares a Deployment whose replicas simplane has set for an
// autoscaler. Just not applying them any more would take them away, since
// nobody else claims the field, and the default is one instance.
func (f *function) handOver(ctx context.Context, d *appsv1.Deployment) error {
	if d.Spec.Replicas == nil || !appliedReplicas(d.ManagedFields) {
		return nil
	}
	config := appsac.Deployment(f.object, f.p.opt.Namespace).
		WithSpec(appsac.DeploymentSpec().WithReplicas(*d.Spec.Replicas))
	_, err := f.p.client.AppsV1().Deployments(f.p.opt.Namespace).Apply(ctx, config, metav1.ApplyOptions{FieldManager: keeper, Force: true})
	return err
}

// appliedReplicas says that simplane has applied spec.replicas.
func appliedReplicas(managed []metav1.ManagedFieldsEntry) bool {
	for _, m := range managed {
		if m.Manager != fieldManager || m.Operation != metav1.ManagedFieldsOperationApply || m.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Spec struct {
				Replicas json.RawMessage `json:"f:replicas"`
			} `json:"f:spec"`
		}
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) == nil && fields.Spec.Replicas != nil {
			return true
		}
	}
	return false
}
