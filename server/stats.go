package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/valyala/fasthttp"

	"simplane/core"
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
	// MetricsError is why cpu or memory, which scale the function, are not known.
	MetricsError string `json:"metricsError,omitempty"`
}

func (s *Server) statsOf(fn *core.Function) functionStats {
	st := functionStats{
		QueueDepth: fn.QueueDepth(), InFlight: fn.InFlight(),
		EffectiveConcurrency: fn.EffectiveConcurrency(), QueueSize: fn.QueueSize(),
		DeadLetters: fn.DeadLetterCount(),
	}
	if f, ok := fn.Handle().(*functionMetrics); ok {
		st.Enqueued, st.Dispatched = count(f.enqueue), count(f.dispatch)
		st.Success, st.Error, st.Timeout = count(f.success), count(f.failure), count(f.timeout)
		st.Retries, st.ColdStarts, st.Rejected = count(f.retry), count(f.cold), f.refused.Load()
	}
	if s.provider != nil && fn.Autoscaled() {
		status, _ := s.provider.Status(fn.Name())
		st.MetricsError = status.MetricsError
	}
	return st
}

// count reads a counter back.
func count(c prometheus.Counter) int64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0
	}
	return int64(m.GetCounter().GetValue())
}

func (s *Server) handleFunctionStats(ctx *fasthttp.RequestCtx, name string) {
	fn := s.core.Function(name)
	if fn == nil {
		s.writeRejection(ctx, core.ErrNotFound)
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, s.statsOf(fn))
}

func (s *Server) handleStats(ctx *fasthttp.RequestCtx) {
	functions := map[string]functionStats{}
	for _, fn := range s.core.Functions() {
		functions[fn.Name()] = s.statsOf(fn)
	}
	g := s.core.Gauges()
	writeJSON(ctx, fasthttp.StatusOK, map[string]any{
		"functions": functions, "storedExecutions": g.StoredExecutions, "storedKeys": g.StoredKeys,
		"payloadBytes": g.PayloadBytes, "syncQueueDepth": g.SyncQueueDepth,
		"uptimeSeconds": int64(time.Since(s.clock.start) / time.Second),
	})
}
