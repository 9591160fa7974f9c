package main

import (
	"fmt"
	"log/slog"

	"simplane/server"
	"simplane/server/provider"
)

// makers make the providers that the server does not make itself, by name. One that
// this program was built without is not among them: the client of Kubernetes is a
// third of a program that has it.
var makers = map[string]func(*server.Config, *slog.Logger) (provider.Provider, error){}

// makeProviders gives cfg the providers that it asks for.
func makeProviders(cfg *server.Config, log *slog.Logger) error {
	for _, name := range cfg.Providers() {
		if name == server.ProviderProcess {
			continue
		}
		made := makers[name]
		if made == nil {
			return usageErrorf("provider %s: this simplane was built without it; make build-full, or go build -tags %s, builds one with it", name, name)
		}
		p, err := made(cfg, log)
		if err != nil {
			return fmt.Errorf("provider %s: %w", name, err)
		}
		if cfg.Made == nil {
			cfg.Made = map[string]provider.Provider{}
		}
		cfg.Made[name] = p
	}
	return nil
}
