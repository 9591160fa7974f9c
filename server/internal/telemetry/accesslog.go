package telemetry

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// AccessLog writes a line for a share of the requests (0 to 1), and for
// every one that failed with a status of 500 or more. With a share of 0 it
// costs nothing.
func AccessLog(share float64, log *slog.Logger, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	if share <= 0 {
		return next
	}
	return func(ctx *fasthttp.RequestCtx) {
		start := time.Now()
		next(ctx)
		status := ctx.Response.StatusCode()
		if status < fasthttp.StatusInternalServerError && rand.Float64() >= share {
			return
		}
		bytesOut := max(ctx.Response.Header.ContentLength(), -1) // -1 of an answer that is still to be made
		if !ctx.Response.IsBodyStream() {
			bytesOut = len(ctx.Response.Body())
		}
		log.Info("request", "method", string(ctx.Method()), "path", string(ctx.Path()), "status", status,
			"ms", float64(time.Since(start).Microseconds())/1000, "remote", ctx.RemoteAddr().String(),
			"bytesIn", len(ctx.Request.Body()), "bytesOut", bytesOut,
			"executionId", string(ctx.Response.Header.Peek(httpjson.HeaderExecutionID)))
	}
}
