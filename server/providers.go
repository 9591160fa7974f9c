package server

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"simplane/server/funcspec"
	"simplane/server/internal/deploy"
	"simplane/server/provider"
	"simplane/server/provider/process"
	"simplane/server/provider/several"
)

// Providers of DEPLOYMENT functions.
const (
	ProviderProcess    = deploy.ProviderProcess
	ProviderContainer  = "container"
	ProviderKubernetes = "kubernetes"
	ProviderNone       = "none"
)

// Providers are the names of the providers that are switched on, the default one
// first.
func (c *Config) Providers() (names []string) {
	for name := range strings.SplitSeq(c.Provider, ",") {
		if name = strings.TrimSpace(name); name != ProviderNone {
			names = append(names, name)
		}
	}
	return names
}

// Provides reports whether a provider is switched on.
func (c *Config) Provides(name string) bool { return slices.Contains(c.Providers(), name) }

// providerProblem is what is wrong with the list of providers; empty if nothing is.
func (c *Config) providerProblem() string {
	names := strings.Split(c.Provider, ",")
	for i, name := range names {
		name = strings.TrimSpace(name)
		switch {
		case name == ProviderNone && len(names) == 1:
		case !slices.Contains(funcspec.Providers, name):
			return fmt.Sprintf("must be %s, several of them with commas and the default first, or none, not %q", strings.Join(funcspec.Providers, ", "), c.Provider)
		case slices.Contains(c.Providers()[:i], name):
			return fmt.Sprintf("names %s twice", name)
		}
	}
	return ""
}

// newProviders makes the configured providers that the caller of New has not made.
func (s *Server) newProviders() error {
	for _, name := range s.cfg.Providers() {
		p := s.cfg.Made[name]
		if name == ProviderProcess && p == nil {
			var err error
			if p, err = s.newProcessProvider(); err != nil {
				return err
			}
		}
		if p == nil {
			return fmt.Errorf("provider %s is not part of this program", name)
		}
		s.providers = append(s.providers, provider.Named{Name: name, Provider: p})
	}
	switch len(s.providers) {
	case 0:
		return nil
	case 1:
		s.provider = s.providers[0].Provider
	default:
		s.provider = several.New(s.log, s.providers...)
	}
	if source, ok := s.provider.(provider.MetricSource); ok {
		source.ReportTo(s.reportMetric)
	}
	return nil
}

func (s *Server) newProcessProvider() (provider.Provider, error) {
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
	if c.FunctionUser == "" || !c.Provides(ProviderProcess) {
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

// providerHealth is, by the name of each provider, nil or why it cannot start
// instances.
func (s *Server) providerHealth() map[string]error {
	all := make(map[string]error, len(s.providers))
	for _, n := range s.providers {
		all[n.Name] = nil
		if c, ok := n.Provider.(provider.Checked); ok {
			all[n.Name] = c.Health()
		}
	}
	return all
}

// providersRestored tells the providers that they know every function of before.
func (s *Server) providersRestored() {
	for _, n := range s.providers {
		if r, ok := n.Provider.(provider.Restorer); ok {
			r.Restored()
		}
	}
}

// fromFunction reports whether a connection is one of an instance that is in a
// network of its own.
func (s *Server) fromFunction(addr netip.Addr) bool {
	for _, n := range s.providers {
		if w, ok := n.Provider.(provider.Networked); ok && w.FromFunction(addr) {
			return true
		}
	}
	return false
}
