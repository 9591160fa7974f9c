package provider

import "time"

// MetricSource is a Provider that measures the cpu and memory of its instances
// but is made before whom it is to tell.
type MetricSource interface {
	// ReportTo begins to tell report the cpu and memory metrics that functions
	// with strategy INTERNAL list: the mean over the ready instances, in the
	// units of Deployment.Units. report must not block. At most one call, before
	// the first Provision.
	ReportTo(report func(function string, metric Metric, value float64))
}

// QuietAfter is how long after its last invocation a function is no longer
// measured: longer than the grace after which an idle function's figures are
// ignored by default, and as long as a figure counts.
const QuietAfter = 60 * time.Second

// Measured are the metrics of a deployment that its provider tells the figures
// of: cpu and memory, when simplane scales it.
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
