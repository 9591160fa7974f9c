//go:build !race

package server

import (
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
		return testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			if h(&ctx); ctx.Response.StatusCode() != 200 {
				t.Fatal(ctx.Response.String())
			}
		})
	}
	c := newCollector(t)
	rarely := func(cfg *Config) { cfg.TraceSampleRatio = 0 }
	for _, parent := range []string{"", callerDecline} {
		if off, on := cost(parent), cost(parent, c.exporting, rarely); on > off {
			t.Errorf("traceparent %q: %v allocations with tracing, %v without", parent, on, off)
		}
	}
}
