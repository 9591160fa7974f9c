package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"simplane/core"
)

// storeSizes collects the sizes of the stores of all cores together.
type storeSizes struct{ cores func() []*core.Core }

var (
	storedDesc   = prometheus.NewDesc("simplane_stored_executions", "Executions kept, ended ones included.", nil, nil)
	keysDesc     = prometheus.NewDesc("simplane_stored_idempotency_keys", "Idempotency keys kept.", nil, nil)
	keyBytesDesc = prometheus.NewDesc("simplane_idempotency_key_bytes", "Bytes of the idempotency keys kept. They count against maxPayloadBytes, too.", nil, nil)
	answeredDesc = prometheus.NewDesc("simplane_payload_answered_bytes", "The part of simplane_payload_bytes that belongs to answered sync calls: it makes room before work is refused.", nil, nil)
	payloadDesc  = prometheus.NewDesc("simplane_payload_bytes", "Bytes kept of what callers and functions sent: inputs, metadata, keys, trace ids, outputs and error texts.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g storeSizes) Describe(ch chan<- *prometheus.Desc) {
	ch <- storedDesc
	ch <- keysDesc
	ch <- payloadDesc
	ch <- keyBytesDesc
	ch <- answeredDesc
}

// Collect implements prometheus.Collector.
func (g storeSizes) Collect(ch chan<- prometheus.Metric) {
	var sizes core.Gauges
	answered := int64(0)
	for _, c := range g.cores() {
		of := c.Gauges()
		sizes.StoredExecutions += of.StoredExecutions
		sizes.StoredKeys += of.StoredKeys
		sizes.PayloadBytes += of.PayloadBytes
		sizes.KeyBytes += of.KeyBytes
		answered += c.AnsweredBytes()
	}
	ch <- prometheus.MustNewConstMetric(storedDesc, prometheus.GaugeValue, float64(sizes.StoredExecutions))
	ch <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(sizes.StoredKeys))
	ch <- prometheus.MustNewConstMetric(payloadDesc, prometheus.GaugeValue, float64(sizes.PayloadBytes))
	ch <- prometheus.MustNewConstMetric(keyBytesDesc, prometheus.GaugeValue, float64(sizes.KeyBytes))
	ch <- prometheus.MustNewConstMetric(answeredDesc, prometheus.GaugeValue, float64(answered))
}
