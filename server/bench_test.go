package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/valyala/fasthttp"
)

// BenchmarkInvokeHandler measures what the control plane adds to one :invoke
// of a LOCAL echo function: everything between fasthttp's parser and writer.
func BenchmarkInvokeHandler(b *testing.B) { benchmarkInvoke(b) }

// BenchmarkInvokeHandlerTracing is the same with an exporter, whose collector
// takes everything at once: of requests that are not sampled, and that are.
func BenchmarkInvokeHandlerTracing(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer sink.Close()
	for name, ratio := range map[string]float64{"unsampled": 0, "sampled": 1} {
		b.Run(name, func(b *testing.B) {
			benchmarkInvoke(b, func(cfg *Config) { cfg.OTLPEndpoint, cfg.TraceSampleRatio = sink.URL, ratio })
		})
	}
}

func benchmarkInvoke(b *testing.B, change ...func(*Config)) {
	cfg := DefaultConfig()
	cfg.Addr, cfg.MgmtAddr, cfg.Core.RateMaxPerSecond = "127.0.0.1:0", "127.0.0.1:0", 0
	cfg.Core.MaxExecutions = 100_000_000
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	h := s.api.Handler
	register := &fasthttp.RequestCtx{}
	register.Request.Header.SetMethod("POST")
	register.Request.SetRequestURI("/v1/functions")
	register.Request.SetBodyString(`{"name":"echo","image":"x","executionMode":"LOCAL","concurrency":1000,"queueSize":1000}`)
	if h(register); register.Response.StatusCode() != 201 {
		b.Fatal(register.Response.String())
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/v1/functions/echo:invoke")
		ctx.Request.SetBodyString(`{"input":{"message":"hello","n":42}}`)
		for pb.Next() {
			ctx.Response.Reset()
			ctx.ResetUserValues()
			if h(&ctx); ctx.Response.StatusCode() != 200 {
				b.Error(ctx.Response.String())
				return
			}
		}
	})
}
