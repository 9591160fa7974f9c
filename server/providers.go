package server

import (
	"simplane/server/provider"
	"simplane/server/provider/process"
)

// Providers of DEPLOYMENT functions.
const (
	ProviderProcess    = "process"
	ProviderKubernetes = "kubernetes"
	ProviderNone       = "none"
)

// newProvider makes the configured provider; nil for none.
func (s *Server) newProvider() provider.Provider {
	if s.cfg.ClusterProvider != nil {
		if source, ok := s.cfg.ClusterProvider.(provider.MetricSource); ok {
			source.ReportTo(s.reportMetric)
		}
		return s.cfg.ClusterProvider
	}
	if s.cfg.Provider != ProviderProcess {
		return nil
	}
	return process.New(process.Options{
		Logger: s.log, StartTimeout: s.cfg.FunctionStartTimeout, CgroupRoot: s.cfg.CgroupRoot,
		MaxFunctions: s.cfg.Core.MaxFunctions, MaxOutputBytes: s.cfg.MaxResponseBytes,
		ReportMetric: s.reportMetric,
	})
}

// reportMetric reports a value that the provider has measured to core.
func (s *Server) reportMetric(function string, m provider.Metric, value float64) {
	// An error says that the function is gone, or is another one by now.
	_ = s.core.ReportMetric(function, m.Type, m.Name, value)
}
