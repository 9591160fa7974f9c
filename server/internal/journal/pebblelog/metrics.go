package pebblelog

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Collectors are the metrics of Pebble that say how its files do.
func (l *Log) Collectors() []prometheus.Collector {
	gauge := func(name, help string, value func(*pebble.Metrics) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "simplane_pebble_" + name, Help: help}, func() float64 { return value(l.Metrics()) })
	}
	counter := func(name, help string, value func(*pebble.Metrics) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "simplane_pebble_" + name, Help: help}, func() float64 { return value(l.Metrics()) })
	}
	return []prometheus.Collector{
		counter("compactions_total", "Compactions of the journal's files.", func(m *pebble.Metrics) float64 { return float64(m.Compact.Count) }),
		gauge("compaction_debt_bytes", "What is still to be compacted.", func(m *pebble.Metrics) float64 { return float64(m.Compact.EstimatedDebt) }),
		counter("flushes_total", "Memtables written to files.", func(m *pebble.Metrics) float64 { return float64(m.Flush.Count) }),
		gauge("memtable_bytes", "Memory of the memtables.", func(m *pebble.Metrics) float64 { return float64(m.MemTable.Size) }),
		gauge("cache_bytes", "Memory of the block cache.", func(m *pebble.Metrics) float64 { return float64(m.BlockCache.Size) }),
		gauge("wal_bytes", "Live data in the write-ahead log.", func(m *pebble.Metrics) float64 { return float64(m.WAL.Size) }),
		counter("wal_written_bytes_total", "Bytes written to the write-ahead log.", func(m *pebble.Metrics) float64 { return float64(m.WAL.BytesWritten) }),
		gauge("files", "Table files.", func(m *pebble.Metrics) float64 { return float64(m.Total().TablesCount) }),
		gauge("read_amplification", "Levels that a read looks into.", func(m *pebble.Metrics) float64 { return float64(m.ReadAmp()) }),
	}
}
