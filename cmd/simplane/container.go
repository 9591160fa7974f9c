package main

import (
	"log/slog"

	"simplane/server"
	"simplane/server/provider"
	"simplane/server/provider/container"
)

func init() {
	makers[server.ProviderContainer] = func(cfg *server.Config, log *slog.Logger) (provider.Provider, error) {
		client, err := container.Connect(cfg.ContainerHost)
		if err != nil {
			return nil, err
		}
		return container.New(container.Options{
			Client: client, Logger: log, Name: cfg.ContainerName, Network: cfg.ContainerNetwork,
			Reach: cfg.ContainerReach, Pull: cfg.ContainerPull, Credentials: cfg.ImageCredentials, User: cfg.ContainerUser,
			Keep:         cfg.DataDir != "", // which keeps their functions
			StartTimeout: cfg.FunctionStartTimeout, MaxProcesses: cfg.FunctionMaxProcesses,
			MaxFunctions: cfg.Core.MaxFunctions, MaxOutputBytes: cfg.MaxResponseBytes,
		})
	}
}
