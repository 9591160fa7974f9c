package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestAccessLogSamples(t *testing.T) {
	for _, tc := range []struct {
		share          float64
		status         int
		fewest, utmost int // lines for 1000 requests
	}{
		{0, 200, 0, 0}, {0, 500, 0, 0}, {1, 200, 1000, 1000}, {0.25, 200, 150, 350}, {0.0001, 503, 1000, 1000},
	} {
		var out bytes.Buffer
		h := AccessLog(tc.share, slog.New(slog.NewTextHandler(&out, nil)), func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(tc.status) })
		for range 1000 {
			var ctx fasthttp.RequestCtx
			ctx.Init(&fasthttp.Request{}, nil, nil)
			h(&ctx)
		}
		if n := strings.Count(out.String(), "\n"); n < tc.fewest || n > tc.utmost {
			t.Errorf("share %v, status %d: %d lines, want %d to %d", tc.share, tc.status, n, tc.fewest, tc.utmost)
		}
	}
}
