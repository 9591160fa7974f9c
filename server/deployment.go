package server

import (
	"github.com/valyala/fasthttp"

	"simplane/core"
)

// runnable says why a function could never run here; empty when it can.
func (s *Server) runnable(spec *core.Spec) string {
	if spec.ExecutionMode == core.ModeDeployment && spec.EndpointURL == "" {
		return "no provider is configured for DEPLOYMENT functions: set endpointUrl, or use executionMode POOL or LOCAL"
	}
	return ""
}

func (s *Server) setReplicas(fn *core.Function, n int) *apiError {
	return &apiError{status: fasthttp.StatusServiceUnavailable, code: core.CodeNoProvider, message: "no provider is configured that could scale this function"}
}
