package replica

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"simplane/core/cluster"
)

// counts are a node's metrics.
type counts struct {
	batches, frames, bytes, repeats, fenced prometheus.Counter
	refusals, abandoned                     prometheus.Counter
	opened, given, lost, openErrors         prometheus.Counter
	latency, openTime                       prometheus.Histogram
}

func newCounts() counts {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return counts{
		batches:    counter("simplane_cluster_commits_total", "Batches of facts that the cluster's engine has stored."),
		frames:     counter("simplane_cluster_frames_total", "Frames in them, one for each partition and batch."),
		bytes:      counter("simplane_cluster_frame_bytes_total", "Bytes of those frames."),
		repeats:    counter("simplane_cluster_commit_repeats_total", "Commits made again because their outcome was not known."),
		refusals:   counter("simplane_cluster_commit_refusals_total", "Commits that the engine refused for want of room, and that are tried again."),
		abandoned:  counter("simplane_cluster_commits_abandoned_total", "Commits given up because they can never succeed or their outcome stays unknown; the partitions in them were opened anew."),
		fenced:     counter("simplane_cluster_fenced_total", "Commits refused because another node owns a partition."),
		opened:     counter("simplane_cluster_partitions_opened_total", "Partitions that this node has taken."),
		given:      counter("simplane_cluster_partitions_given_total", "Partitions that this node has handed over."),
		lost:       counter("simplane_cluster_partitions_lost_total", "Partitions that this node has stopped serving without a hand-over."),
		openErrors: counter("simplane_cluster_open_errors_total", "Partitions that could not be opened, or were closed, because of what the engine keeps of them."),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "simplane_cluster_commit_seconds",
			Help: "Time of a commit by the cluster's engine.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13)}),
		openTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "simplane_cluster_open_seconds",
			Help: "Time from a claim to the first answer, reading the partition included.", Buckets: prometheus.ExponentialBuckets(0.001, 3, 10)}),
	}
}

// committed counts a batch, and returns its size in bytes.
func (c *counts) committed(b *cluster.Batch, took time.Duration) (size int) {
	c.batches.Inc()
	c.frames.Add(float64(len(b.Frames)))
	for i := range b.Frames {
		size += len(b.Frames[i].Data)
	}
	c.bytes.Add(float64(size))
	c.latency.Observe(took.Seconds())
	return size
}

// Collectors are for a registry.
func (n *Node) Collectors() []prometheus.Collector {
	c := &n.counts
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		c.batches, c.frames, c.bytes, c.repeats, c.refusals, c.abandoned, c.fenced, c.opened, c.given, c.lost, c.openErrors, c.latency, c.openTime,
		gauge("simplane_cluster_members", "Members of the cluster that are alive, as this node knows.", func() float64 {
			alive := 0
			for _, m := range n.View().Members {
				if m.Alive {
					alive++
				}
			}
			return float64(alive)
		}),
		gauge("simplane_cluster_partitions_open", "Partitions that this node serves.", func() float64 {
			open := 0
			for p := range n.parts {
				if n.parts[p].Load() != nil {
					open++
				}
			}
			return float64(open)
		}),
		gauge("simplane_cluster_partitions_unowned", "Partitions that no member is known to own.", func() float64 {
			none := 0
			for _, o := range n.View().Owners {
				if o.Name == "" {
					none++
				}
			}
			return float64(none)
		}),
		gauge("simplane_cluster_partitions_closed", "Partitions that this node has and keeps closed, because what the engine keeps of them is lost or cannot be read.", func() float64 {
			closed := 0
			for _, yes := range n.View().Closed {
				if yes {
					closed++
				}
			}
			return float64(closed)
		}),
		gauge("simplane_cluster_leased", "1 while this node may serve: it has reached the cluster's engine in time.", func() float64 {
			if n.Leased() {
				return 1
			}
			return 0
		}),
		gauge("simplane_cluster_engine_bytes", "What the cluster's engine keeps of the work, on each of its servers.", func() float64 { return float64(n.room.used.Load()) }),
		gauge("simplane_cluster_engine_bytes_limit", "What it may keep before new durable work is refused; 0 = not known.", func() float64 { return float64(n.room.most.Load()) }),
		gauge("simplane_cluster_engine_full", "1 while new durable work is refused for want of room.", func() float64 {
			if n.room.enough() {
				return 0
			}
			return 1
		}),
		gauge("simplane_cluster_lag_facts", "Facts of this node that are not durable yet.", func() float64 {
			lag := int64(0)
			for _, h := range n.all() {
				lag += h.log.Lag()
			}
			return float64(lag)
		}),
	}
}

// Lag is the number of facts of this node that are not durable yet.
func (n *Node) Lag() (facts int64) {
	for _, h := range n.all() {
		facts += h.log.Lag()
	}
	return facts
}
