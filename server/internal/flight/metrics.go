package flight

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what cannot be read off the rings.
type counts struct {
	dumpsMade    atomic.Int64
	basesDropped atomic.Int64
}

// Collectors are the metrics, for a registry.
func (r *Recorder) Collectors() []prometheus.Collector {
	counter := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	list := []prometheus.Collector{
		counter("simplane_flight_recorder_steps_total", "Steps recorded.", func() float64 { total, _ := r.totals(); return float64(total) }),
		counter("simplane_flight_recorder_dropped_steps_total", "Steps that newer ones have overwritten in the rings.",
			func() float64 { _, dropped := r.totals(); return float64(dropped) }),
		counter("simplane_flight_recorder_dropped_bases_total", "States of functions dropped for want of room: steps after them are listed, not replayed.",
			func() float64 { return float64(r.counts.basesDropped.Load()) }),
		counter("simplane_flight_recorder_dumps_total", "Dumps made.", func() float64 { return float64(r.counts.dumpsMade.Load()) }),
		gauge("simplane_flight_recorder_bytes", "What the rings, and the states of functions beside them, take.",
			func() float64 { return float64(r.o.Bytes + r.baseBytes.Load()) }),
	}
	if f := r.files; f != nil {
		list = append(list,
			counter("simplane_recording_steps_total", "Steps written into files.", func() float64 { return float64(f.steps.Load()) }),
			counter("simplane_recording_bytes_total", "Bytes written into files of recordings.", func() float64 { return float64(f.bytes.Load()) }),
			gauge("simplane_recording_stopped", "1 when recording into files has ended before the process: the disk was too slow, full or broken.", func() float64 {
				if f.why.Load() != nil {
					return 1
				}
				return 0
			}))
	}
	return list
}

// totals are the steps recorded and, of those, overwritten.
func (r *Recorder) totals() (total, dropped uint64) {
	for i := range r.rings {
		g := &r.rings[i]
		g.mu.Lock()
		total += g.total
		dropped += g.dropped()
		g.mu.Unlock()
	}
	return total, dropped
}
