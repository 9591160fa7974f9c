package telemetry

import (
	"log/slog"

	"simplane/core"
)

// LogStale has each execution that is ended as stale logged, within a budget.
// It is called before the first event.
func (m *Metrics) LogStale(log *slog.Logger) {
	budget := NewLineBudget(log, "executions ended as stale, left out of the log")
	m.onStale = func(ev core.Event) {
		if budget.Take() {
			log.Warn("execution ended as stale: no transition within staleTtl", "execution", ev.ID.String(), "function", ev.Function.Name(), "attempt", ev.Attempt, "sync", ev.Sync, "age", ev.E2E)
		}
	}
}
