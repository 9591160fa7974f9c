package admin

import (
	"fmt"
	"math"
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
	Pausing              int   `json:"pausing"` // between two attempts
	// MetricsError is why cpu or memory, which scale the function, cannot be
	// measured.
	MetricsError string `json:"metricsError,omitempty"`
	// LimitsError is which limits and protections do not hold for its
	// processes. It is left out of the figures of all functions.
	LimitsError string `json:"limitsError,omitempty"`
}

func (a *Admin) statsOf(fn *core.Function) functionStats {
	st := functionStats{
		QueueDepth: fn.QueueDepth(), InFlight: fn.InFlight(),
		EffectiveConcurrency: fn.EffectiveConcurrency(), QueueSize: fn.QueueSize(),
		DeadLetters: a.Core.DeadLetterCount(fn.Name()), Pausing: fn.Pausing(),
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
	st := a.statsOf(fn)
	st.LimitsError = a.LimitsError(fn)
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, st)
}

// Stats shows the figures of the store and of the functions, sorted by name:
// of all, or of as many as the limit and MaxListBytes allow.
func (a *Admin) Stats(ctx *fasthttp.RequestCtx) {
	limit, fault := httpjson.LimitArg(ctx, "limit", math.MaxInt, httpjson.MaxListed)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	a.Lists.Write(ctx, func() func(*httpjson.Parts) bool {
		return a.stats(a.Core.FunctionsAfter(string(ctx.QueryArgs().Peek("cursor"))), limit)
	})
}

func (a *Admin) stats(functions []*core.Function, limit int) func(*httpjson.Parts) bool {
	left, last := functions, ""
	separator := `{"functions":{`
	return func(p *httpjson.Parts) bool {
		if len(left) == 0 || len(functions)-len(left) >= limit || p.Size() >= httpjson.MaxListBytes {
			if separator != "," {
				p.B = append(p.B, separator...)
			}
			p.B = append(p.B, `},`...)
			p.B = httpjson.AppendCut(p.B, len(left) > 0, last)
			g := a.Core.Gauges()
			lag := int64(0)
			if a.Lag != nil {
				lag = a.Lag()
			}
			p.B = fmt.Appendf(p.B, `,"functionCount":%d,"storedExecutions":%d,"storedKeys":%d,"payloadBytes":%d,"syncQueueDepth":%d,"uptimeSeconds":%d,"durable":%t,"journalLagFacts":%d}`,
				len(a.Core.Functions()), g.StoredExecutions, g.StoredKeys, g.PayloadBytes, g.SyncQueueDepth, int64(time.Since(a.began)/time.Second), a.Lag != nil, lag)
			return false
		}
		fn := left[0]
		left, last = left[1:], fn.Name()
		p.B, separator = append(p.B, separator...), ","
		p.B = append(httpjson.AppendString(p.B, fn.Name()), ':')
		p.JSON(a.statsOf(fn))
		return true
	}
}
