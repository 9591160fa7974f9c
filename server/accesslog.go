package server

import (
	"math/rand/v2"
	"time"

	"github.com/valyala/fasthttp"
)

// accessLogged writes a line for a share of the requests (0 to 1), and for
// every one that failed on our side. Without a share it costs nothing.
func (s *Server) accessLogged(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	share := s.cfg.AccessLogSample
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
		s.log.Info("request", "method", string(ctx.Method()), "path", string(ctx.Path()), "status", status,
			"ms", float64(time.Since(start).Microseconds())/1000, "remote", ctx.RemoteAddr().String(),
			"bytesIn", len(ctx.Request.Body()), "bytesOut", len(ctx.Response.Body()),
			"executionId", string(ctx.Response.Header.Peek(headerExecutionID)))
	}
}
