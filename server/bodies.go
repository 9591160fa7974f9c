package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"simplane/server/internal/http1"
)

// newBodies makes the budget of bodies that are being read, with its metrics.
func newBodies(most int64, r prometheus.Registerer) *http1.Budget {
	b := http1.NewBudget(most)
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "simplane_reading_bytes", Help: "Buffers of request bodies that are being read, bounded by maxReadingBytes.",
		}, func() float64 { return float64(b.Held()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "simplane_bodies_refused_total", Help: "Request bodies refused with 503 BODIES_BUSY.",
		}, func() float64 { return float64(b.Refused()) }),
	)
	return b
}
