//go:build !race

package server

import (
	"math"
	"testing"

	"github.com/valyala/fasthttp"
)

// What is not sampled costs no memory.
func TestUnsampledRequestsAllocateNothingMore(t *testing.T) {
	cost := func(parent string, change ...func(*Config)) float64 {
		f := launch(t, change...)
		defer f.shutdown()
		f.register("fn", "LOCAL")
		h := f.s.api.Handler
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/v1/functions/fn:invoke")
		ctx.Request.SetBodyString(`{"input":1}`)
		if parent != "" {
			ctx.Request.Header.Set("Traceparent", parent)
		}
		// Other goroutines' allocations count too, and can only add.
		least := math.Inf(1)
		for range 10 {
			least = min(least, testing.AllocsPerRun(200, func() {
				ctx.Response.Reset()
				if h(&ctx); ctx.Response.StatusCode() != 200 {
					t.Fatal(ctx.Response.String())
				}
			}))
		}
		return least
	}
	c := newCollector(t)
	rarely := func(cfg *Config) { cfg.TraceSampleRatio = 0 }
	for _, parent := range []string{"", callerDecline} {
		if off, on := cost(parent), cost(parent, c.exporting, rarely); on > off {
			t.Errorf("traceparent %q: %v allocations with tracing, %v without", parent, on, off)
		}
	}
}
