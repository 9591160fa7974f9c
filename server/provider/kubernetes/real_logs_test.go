package kubernetes

import (
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestRealLogs reads the logs of a pod on a node whose kubelet the test plays.
func TestRealLogs(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	d := deployment("chatty")
	d.Replicas = 0 // no pods but the test's
	provision(t, p, d)

	asked := make(chan string, 10)
	host, port := serveAt(t, true, func(w http.ResponseWriter, q *http.Request) {
		asked <- q.URL.String()
		fmt.Fprint(w, "2024-05-06T07:08:09.000000002Z second\n2024-05-06T07:08:09.000000001Z first\n")
	})
	node := r.node(host, port)

	r.pod("chatty", "chatty-1", corev1.PodStatus{})
	bind := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "chatty-1"}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	if err := r.admin.CoreV1().Pods(r.ns).Bind(ctx, bind, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.pod("chatty", "chatty-2", corev1.PodStatus{}) // on no node yet: no logs, no harm
	eventually(t, "the pods are seen", func() bool {
		pods, _ := p.watch.pods.List(labels.Everything())
		on := 0
		for _, pod := range pods {
			if pod.Spec.NodeName == node {
				on++
			}
		}
		return len(pods) == 2 && on == 1
	})
	lines, err := p.Logs("chatty", 10)
	if err != nil || len(lines) != 2 {
		t.Fatalf("%v, %v", lines, err)
	}
	for i, want := range []string{"first", "second"} {
		if l := lines[i]; l.Text != want || l.Instance != "chatty-1" || l.Time.Year() != 2024 {
			t.Errorf("line %d is %+v, want %q", i, l, want)
		}
	}
	t.Log("the kubelet was asked for", <-asked)
}

// node makes a node whose kubelet listens at an address, and returns its name.
func (r *real) node(host string, port int32) string {
	r.t.Helper()
	nodes := r.admin.CoreV1().Nodes()
	node := must[*corev1.Node](r.t)(nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: r.ns}}, metav1.CreateOptions{}))
	r.t.Cleanup(func() { _ = nodes.Delete(ctx, node.Name, metav1.DeleteOptions{}) })
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = port
	must[*corev1.Node](r.t)(nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{}))
	return node.Name
}
