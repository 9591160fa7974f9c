package provider

import "time"

// MetricSource is a Provider that measures the cpu and memory of its instances
// but is made before the receiver of its reports.
type MetricSource interface {
	// ReportTo begins to report the cpu and memory metrics to report that
	// functions with strategy INTERNAL list: the mean over the ready
	// instances, in the units of Deployment.Units. report must not block. At
	// most one call, before the first Provision.
	ReportTo(report func(function string, metric Metric, value float64))
}

// QuietAfter is how long after its last invocation a function is no longer
// measured: longer than the default grace after which an idle function's
// values are ignored, and as long as a value counts.
const QuietAfter = 60 * time.Second

// Activity records for a measuring provider when a function last worked. The
// zero value is ready; it is for one goroutine at a time.
type Activity struct {
	taken  int       // invocations, when last busy
	busyAt time.Time // zero until it is looked at
}

// Lately reports whether the function of pool works, or did within
// QuietAfter. The first call counts as work.
func (a *Activity) Lately(pool *Pool, now time.Time) bool {
	taken := pool.Taken()
	if inFlight, waiting := pool.Load(); inFlight+waiting > 0 || a.busyAt.IsZero() || taken != a.taken {
		a.taken, a.busyAt = taken, now
	}
	return now.Sub(a.busyAt) <= QuietAfter
}

// Measured are the metrics of a deployment that its provider measures: cpu
// and memory, when simplane scales it.
func (d Deployment) Measured() (m []Metric) {
	if d.ScalingStrategy != ScaleInternal {
		return nil
	}
	for _, metric := range d.Metrics {
		if metric.Type == "cpu" || metric.Type == "memory" {
			m = append(m, metric)
		}
	}
	return m
}

// Units are what 1 of a measured metric stands for, in cores and bytes: a
// percent of what an instance requests. Without a request cpu is in percent of
// one core, memory in MiB.
func (d Deployment) Units() (cores, bytes float64) {
	cores, bytes = 0.01, 1<<20
	if cpu, _ := ParseCPU(d.CPU); cpu > 0 { // validated when provisioned
		cores = cpu / 100
	}
	if memory, _ := ParseMemory(d.Memory); memory > 0 {
		bytes = float64(memory) / 100
	}
	return cores, bytes
}
