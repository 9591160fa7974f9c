package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Connect makes a client from a kubeconfig file. An empty path means KUBECONFIG
// or, within a pod, its service account. No request is sent yet. What the
// client library has to say goes to log, for the whole process.
func Connect(kubeconfig string, log *slog.Logger) (kubernetes.Interface, error) {
	klog.SetSlogLogger(log) // it has no logger but the global one, on stderr
	config, err := restConfig(kubeconfig, log)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return client, nil
}

func restConfig(kubeconfig string, log *slog.Logger) (*rest.Config, error) {
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
	config.WarningHandlerWithContext = warnings{log}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &outage{next: next, log: log} })
	return config, nil
}

// warnings logs what the API server remarks on a request it took. At debug
// level: it remarks on every write of a headless Service.
type warnings struct{ log *slog.Logger }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.log.Debug("the API server warns", "warning", text)
}
