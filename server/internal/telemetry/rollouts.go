package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"simplane/core"
)

// rollouts collects the changes of functions' instances that are not done. A
// function without one has no series.
type rollouts struct {
	cores func() []*core.Core
	state func(*core.Function) string
}

var rolloutDesc = prometheus.NewDesc("function_rollout",
	"1 while the last change of a function's instances is not done: state progressing, or failed when no new one got ready and the old ones stay.", []string{"function", "state"}, nil)

// WatchRollouts adds the states of the rollouts of all cores' functions; state is
// empty for a function without one. It is called once, before the first scrape.
func (m *Metrics) WatchRollouts(cores func() []*core.Core, state func(*core.Function) string) {
	m.Registry.MustRegister(rollouts{cores, state})
}

// Describe implements prometheus.Collector.
func (r rollouts) Describe(ch chan<- *prometheus.Desc) { ch <- rolloutDesc }

// Collect implements prometheus.Collector.
func (r rollouts) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.cores() {
		for _, fn := range c.Functions() {
			if state := r.state(fn); state != "" {
				ch <- prometheus.MustNewConstMetric(rolloutDesc, prometheus.GaugeValue, 1, fn.Name(), state)
			}
		}
	}
}
