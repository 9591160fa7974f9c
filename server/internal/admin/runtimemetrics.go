package admin

import "github.com/prometheus/client_golang/prometheus"

// RuntimeMetrics say which revision of the runtime configuration is in force,
// and how often it was changed since the start.
func (a *Admin) RuntimeMetrics() []prometheus.Collector {
	revision := func() float64 {
		a.runtime.mu.Lock()
		defer a.runtime.mu.Unlock()
		return float64(a.runtime.Revision)
	}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "controlplane_runtime_config_revision", Help: "Revision of the runtime configuration in force."}, revision),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "controlplane_runtime_config_updates_total", Help: "Changes of the runtime configuration."},
			func() float64 { return revision() - 1 }), // it begins at 1
	}
}
