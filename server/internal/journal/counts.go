package journal

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Counts are the journal's metrics.
type Counts struct {
	commits, facts, bytes, releases prometheus.Counter
	batch, latency                  prometheus.Histogram
}

func newCounts() Counts {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return Counts{
		commits:  counter("simplane_journal_commits_total", "Batches of facts committed to the data directory."),
		facts:    counter("simplane_journal_facts_total", "Facts committed."),
		bytes:    counter("simplane_journal_fact_bytes_total", "Bytes of the facts committed."),
		releases: counter("simplane_journal_releases_total", "Facts that are not needed any more and were removed."),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "simplane_journal_batch_facts",
			Help: "Facts per commit.", Buckets: prometheus.ExponentialBuckets(1, 4, 8)}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "simplane_journal_commit_seconds",
			Help: "Time of a commit, its sync included.", Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12)}),
	}
}

func (c *Counts) committed(b *Batch, took time.Duration) {
	c.commits.Inc()
	c.facts.Add(float64(b.Len()))
	c.bytes.Add(float64(b.Bytes()))
	c.releases.Add(float64(len(b.Removed())))
	if b.Len() > 0 {
		c.batch.Observe(float64(b.Len()))
		c.latency.Observe(took.Seconds())
	}
}

// Metrics are for a registry.
func (j *Journal) Metrics() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	c := &j.counts
	return []prometheus.Collector{
		c.commits, c.facts, c.bytes, c.releases, c.batch, c.latency,
		gauge("simplane_journal_lag_facts", "Facts that are not durable yet.", func() float64 { return float64(j.Lag()) }),
		gauge("simplane_journal_disk_bytes", "What the journal takes on its disk.", func() float64 { return float64(j.room.used.Load()) }),
		gauge("simplane_journal_disk_free_bytes", "What is free on its disk.", func() float64 { return float64(j.room.free.Load()) }),
		gauge("simplane_journal_full", "1 while new durable work is refused for want of room.", func() float64 {
			if j.Room() {
				return 0
			}
			return 1
		}),
	}
}

// Lag is the number of facts that are not durable yet.
func (j *Journal) Lag() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(j.next-1) - int64(j.durable.Load())
}

// State is how the journal does.
type State struct {
	LagFacts  int64 `json:"lagFacts"` // not durable yet
	DiskBytes int64 `json:"diskBytes"`
	FreeBytes int64 `json:"freeBytes"` // of its disk
	Full      bool  `json:"full"`      // new durable work is refused for want of room
}

// State reads how the journal does.
func (j *Journal) State() State {
	return State{j.Lag(), int64(j.room.used.Load()), int64(j.room.free.Load()), !j.Room()}
}
