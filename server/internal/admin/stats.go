package admin

import (
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/telemetry"
)

// functionStats is one function's figures since it was registered.
type functionStats struct {
	QueueDepth           int   `json:"queueDepth"`
	InFlight             int   `json:"inFlight"`
	EffectiveConcurrency int   `json:"effectiveConcurrency"`
	QueueSize            int   `json:"queueSize"`
	Enqueued             int64 `json:"enqueued"`
	Dispatched           int64 `json:"dispatched"`
	Success              int64 `json:"success"`
	Error                int64 `json:"error"`
	Timeout              int64 `json:"timeout"`
	Retries              int64 `json:"retries"`
	ColdStarts           int64 `json:"coldStarts"`
	Rejected             int64 `json:"rejected"`
	DeadLetters          int   `json:"deadLetters"`
	// MetricsError is why cpu or memory, which scale the function, cannot be
	// measured.
	MetricsError string `json:"metricsError,omitempty"`
}

func (a *Admin) statsOf(fn *core.Function) functionStats {
	st := functionStats{
		QueueDepth: fn.QueueDepth(), InFlight: fn.InFlight(),
		EffectiveConcurrency: fn.EffectiveConcurrency(), QueueSize: fn.QueueSize(),
		DeadLetters: fn.DeadLetterCount(),
	}
	n := telemetry.CountsOf(fn)
	st.Enqueued, st.Dispatched, st.Success, st.Error = n.Enqueued, n.Dispatched, n.Success, n.Error
	st.Timeout, st.Retries, st.ColdStarts, st.Rejected = n.Timeout, n.Retries, n.ColdStarts, n.Rejected
	st.MetricsError = a.MetricsError(fn)
	return st
}

// FunctionStats shows the figures of one function.
func (a *Admin) FunctionStats(ctx *fasthttp.RequestCtx, name string) {
	fn := a.Core.Function(name)
	if fn == nil {
		httpjson.WriteError(ctx, fasthttp.StatusNotFound, core.ErrNotFound.Code, core.ErrNotFound.Message)
		return
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, a.statsOf(fn))
}

// Stats shows the figures of all functions and of the store.
func (a *Admin) Stats(ctx *fasthttp.RequestCtx) {
	functions := map[string]functionStats{}
	for _, fn := range a.Core.Functions() {
		functions[fn.Name()] = a.statsOf(fn)
	}
	g := a.Core.Gauges()
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]any{
		"functions": functions, "storedExecutions": g.StoredExecutions, "storedKeys": g.StoredKeys,
		"payloadBytes": g.PayloadBytes, "syncQueueDepth": g.SyncQueueDepth,
		"uptimeSeconds": int64(time.Since(a.began) / time.Second),
	})
}
