package kubernetes

import (
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Connect makes a client from a kubeconfig file. An empty path means KUBECONFIG
// or, within a pod, its service account. No request is sent yet.
func Connect(kubeconfig string) (kubernetes.Interface, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	// Falls back to the pod's service account when no file is found.
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: no usable configuration: %w", err)
	}
	// The defaults, 5 requests a second, would make a start of many functions
	// crawl.
	config.QPS, config.Burst = 50, 100
	config.UserAgent = "simplane"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return client, nil
}
