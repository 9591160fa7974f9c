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
	metricsv1beta1 "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
)

// Connect makes the clients of a Provider from a kubeconfig file. An empty path
// means KUBECONFIG or, within a pod, its service account. No request is sent
// yet. What the client library has to say goes to log, for the whole process.
func Connect(kubeconfig string, log *slog.Logger) (client kubernetes.Interface, metrics metricsv1beta1.PodMetricsesGetter, err error) {
	klog.SetSlogLogger(log) // it has no logger but the global one, on stderr
	config, err := restConfig(kubeconfig, log)
	if err != nil {
		return nil, nil, err
	}
	return connect(config, log)
}

func connect(config *rest.Config, log *slog.Logger) (kubernetes.Interface, metricsv1beta1.PodMetricsesGetter, error) {
	// The API server passes a request for metrics on. Whether that is answered
	// says nothing of the API server, and must not hold up what does not need it.
	metrics, err := metricsv1beta1.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("kubernetes: metrics: %w", err)
	}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &outage{next: next, log: log} })
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("kubernetes: %w", err)
	}
	return client, metrics, nil
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
	return config, nil
}

// warnings logs what the API server remarks on a request it took. At debug
// level: it remarks on every write of a headless Service.
type warnings struct{ log *slog.Logger }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.log.Debug("the API server warns", "warning", text)
}
