package main

import (
	"fmt"
	"log/slog"

	"simplane/server"
	"simplane/server/provider/kubernetes"
)

// connectCluster gives cfg the Kubernetes provider when it asks for it.
func connectCluster(cfg *server.Config, log *slog.Logger) error {
	if cfg.Provider != server.ProviderKubernetes {
		return nil
	}
	client, metrics, err := kubernetes.Connect(cfg.Kubeconfig, log)
	if err != nil {
		return fmt.Errorf("provider kubernetes: %w (set --kubeconfig, or run in a pod)", err)
	}
	p, err := kubernetes.New(kubernetes.Options{
		Client: client, Metrics: metrics, Namespace: cfg.KubeNamespace, Logger: log, MaxOutputBytes: cfg.MaxResponseBytes,
	})
	if err != nil {
		return fmt.Errorf("provider kubernetes: %w", err)
	}
	cfg.ClusterProvider = p
	return nil
}
