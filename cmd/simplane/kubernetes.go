//go:build kubernetes

package main

import (
	"fmt"
	"log/slog"

	"simplane/server"
	"simplane/server/provider"
	"simplane/server/provider/kubernetes"
)

func init() {
	makers[server.ProviderKubernetes] = func(cfg *server.Config, log *slog.Logger) (provider.Provider, error) {
		client, metrics, err := kubernetes.Connect(cfg.Kubeconfig, log)
		if err != nil {
			return nil, fmt.Errorf("%w (set --kubeconfig, or run in a pod)", err)
		}
		return kubernetes.New(kubernetes.Options{
			Client: client, Metrics: metrics, Namespace: cfg.KubeNamespace, Logger: log, MaxOutputBytes: cfg.MaxResponseBytes,
		})
	}
}
