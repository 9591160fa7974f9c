package admin

import (
	"fmt"
	"math"
	"slices"
	"strings"
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

func (a *Admin) statsOf(c *core.Core, fn *core.Function) functionStats {
	st := functionStats{
		QueueDepth: fn.QueueDepth(), InFlight: fn.InFlight(),
		EffectiveConcurrency: fn.EffectiveConcurrency(), QueueSize: fn.QueueSize(),
		DeadLetters: c.DeadLetterCount(fn.Name()), Pausing: fn.Pausing(),
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
	st := a.statsOf(a.Core, fn)
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
		cores := a.Cores()
		var functions []placedFunction
		for _, c := range cores {
			for _, fn := range c.FunctionsAfter(string(ctx.QueryArgs().Peek("cursor"))) {
				functions = append(functions, placedFunction{fn, c})
			}
		}
		if len(cores) > 1 {
			slices.SortFunc(functions, func(a, b placedFunction) int { return strings.Compare(a.Name(), b.Name()) })
		}
		return a.stats(cores, functions, limit)
	})
}

// placedFunction is a function and the core that it is in.
type placedFunction struct {
	*core.Function
	in *core.Core
}

func (a *Admin) stats(cores []*core.Core, functions []placedFunction, limit int) func(*httpjson.Parts) bool {
	left, last := functions, ""
	separator := `{"functions":{`
	return func(p *httpjson.Parts) bool {
		if len(left) == 0 || len(functions)-len(left) >= limit || p.Size() >= httpjson.MaxListBytes {
			if separator != "," {
				p.B = append(p.B, separator...)
			}
			p.B = append(p.B, `},`...)
			p.B = httpjson.AppendCut(p.B, len(left) > 0, last)
			var sum core.Gauges
			registered := 0
			for _, c := range cores {
				g := c.Gauges()
				registered += len(c.Functions())
				sum.StoredExecutions += g.StoredExecutions
				sum.StoredKeys += g.StoredKeys
				sum.PayloadBytes += g.PayloadBytes
				sum.SyncQueueDepth += g.SyncQueueDepth
			}
			lag := int64(0)
			if a.Lag != nil {
				lag = a.Lag()
			}
			p.B = fmt.Appendf(p.B, `,"functionCount":%d,"storedExecutions":%d,"storedKeys":%d,"payloadBytes":%d,"syncQueueDepth":%d,"uptimeSeconds":%d,"durable":%t,"journalLagFacts":%d}`,
				registered, sum.StoredExecutions, sum.StoredKeys, sum.PayloadBytes, sum.SyncQueueDepth, int64(time.Since(a.began)/time.Second), a.Lag != nil, lag)
			return false
		}
		fn := left[0]
		left, last = left[1:], fn.Name()
		p.B, separator = append(p.B, separator...), ","
		p.B = append(httpjson.AppendString(p.B, fn.Name()), ':')
		p.JSON(a.statsOf(fn.in, fn.Function))
		return true
	}
}
