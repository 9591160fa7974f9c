package server

import (
	"context"
	"errors"
	"log/slog"

	"simplane/core/cluster"
	"simplane/server/internal/replica"
)

// openEngine connects to what the nodes of the cluster share.
func (c *Config) openEngine(_ context.Context, self cluster.Member, _ *slog.Logger) (replica.Engine, error) {
	if c.onEngine != nil {
		return c.onEngine(self)
	}
	return nil, errors.New("no engine")
}
