package server

import "github.com/valyala/fasthttp"

func (s *Server) handleHealth(ctx *fasthttp.RequestCtx) {
	writeJSON(ctx, fasthttp.StatusOK, map[string]string{"status": "UP"})
}

// handleReadiness is 503 while draining, so that load balancers stop sending.
func (s *Server) handleReadiness(ctx *fasthttp.RequestCtx) {
	if s.draining.Load() {
		writeJSON(ctx, fasthttp.StatusServiceUnavailable, map[string]string{"status": "OUT_OF_SERVICE"})
		return
	}
	s.handleHealth(ctx)
}
