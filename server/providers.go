package server

import (
	"fmt"

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
func (s *Server) newProvider() (provider.Provider, error) {
	if s.cfg.ClusterProvider != nil {
		if source, ok := s.cfg.ClusterProvider.(provider.MetricSource); ok {
			source.ReportTo(s.reportMetric)
		}
		return s.cfg.ClusterProvider, nil
	}
	if s.cfg.Provider != ProviderProcess {
		return nil, nil
	}
	as, err := s.cfg.functionUser()
	if err != nil {
		return nil, fmt.Errorf("functionUser: %w", err)
	}
	group := s.cfg.CgroupRoot
	if group == "none" {
		group = ""
	}
	return process.New(process.Options{
		Logger: s.log, StartTimeout: s.cfg.FunctionStartTimeout,
		CgroupRoot: group, MaxProcesses: s.cfg.FunctionMaxProcesses, User: as,
		MaxFunctions: s.cfg.Core.MaxFunctions, MaxOutputBytes: s.cfg.MaxResponseBytes,
		ReportMetric: s.reportMetric,
	}), nil
}

// functionUser is who functions run as; nil for simplane's own user.
func (c *Config) functionUser() (*process.Identity, error) {
	if c.FunctionUser == "" || c.Provider != ProviderProcess {
		return nil, nil
	}
	as, err := process.LookUpUser(c.FunctionUser)
	return &as, err
}

// reportMetric reports a value that the provider has measured to core.
func (s *Server) reportMetric(function string, m provider.Metric, value float64) {
	if c := s.coreOf(function); c != nil {
		// An error says that the function is gone, or is another one by now.
		_ = c.ReportMetric(function, m.Type, m.Name, value)
	}
}
