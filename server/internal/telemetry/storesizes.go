package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"simplane/core"
)

// storeSizes collects the sizes of core's stores.
type storeSizes struct{ core *core.Core }

var (
	storedDesc  = prometheus.NewDesc("simplane_stored_executions", "Executions kept, ended ones included.", nil, nil)
	keysDesc    = prometheus.NewDesc("simplane_stored_idempotency_keys", "Idempotency keys kept.", nil, nil)
	payloadDesc = prometheus.NewDesc("simplane_payload_bytes", "Bytes kept of what callers and functions sent: inputs, metadata, keys, trace ids, outputs and error texts.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g storeSizes) Describe(ch chan<- *prometheus.Desc) {
	ch <- storedDesc
	ch <- keysDesc
	ch <- payloadDesc
}

// Collect implements prometheus.Collector.
func (g storeSizes) Collect(ch chan<- prometheus.Metric) {
	sizes := g.core.Gauges()
	ch <- prometheus.MustNewConstMetric(storedDesc, prometheus.GaugeValue, float64(sizes.StoredExecutions))
	ch <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(sizes.StoredKeys))
	ch <- prometheus.MustNewConstMetric(payloadDesc, prometheus.GaugeValue, float64(sizes.PayloadBytes))
}
