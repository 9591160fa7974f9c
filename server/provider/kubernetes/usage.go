package kubernetes

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"simplane/server/provider"
)

// usage is what the container of a function uses in one pod.
type usage struct {
	resources corev1.ResourceList
	from, to  time.Time // of the measurement, by the clock of the node
}

// usageOf leaves out the containers that a cluster puts beside a function's:
// what the function requests is for its own.
func usageOf(m *v1beta1.PodMetrics) (u usage, ok bool) {
	for _, c := range m.Containers {
		if c.Name == containerName {
			return usage{c.Usage, m.Timestamp.Add(-m.Window.Duration), m.Timestamp.Time}, true
		}
	}
	return usage{}, false
}

// staleAfter is the age from which a figure says nothing of the present. It is
// also how long a ready pod may go without one: metrics-server knows a pod only
// after its second look, and looks every 15 s, or every minute on some clusters.
const staleAfter = 90 * time.Second

// figure is a pod's use of a resource; false when it is not known. ready is
// since when the pod is. What it took to start says nothing of its work, so cpu
// counts from a measurement on that began after that.
func (u usage) figure(metric string, ready, now time.Time) (value float64, ok bool) {
	q, ok := u.resources[corev1.ResourceName(metric)]
	if !ok || now.Sub(u.to) > staleAfter || metric == "cpu" && u.from.Before(ready) {
		return 0, false
	}
	return max(0, q.AsApproximateFloat64()), true
}

// mean is that of a metric over the ready instances, of which some have no
// figure: those that are new, mostly. They count as Kubernetes' autoscaler
// counts them, against a change: with 0 when the others are above the target,
// at the target when they are below, and they never turn one into the other.
// false when none has a figure.
func mean(known []float64, ready int, target float64) (value float64, ok bool) {
	if len(known) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, v := range known {
		sum += v
	}
	missing := float64(max(0, ready-len(known)))
	if sum > target*float64(len(known)) {
		return max(target, sum/(float64(len(known))+missing)), true
	}
	return (sum + target*missing) / (float64(len(known)) + missing), true
}

// measured says that the function is scaled by what its pods use, and that it
// works: it has ready instances and was called lately, or is looked at for the
// first time.
func (f *function) measured(now time.Time) (scaled, works bool) {
	f.mu.Lock()
	ready := len(f.members)
	scaled = len(f.dep.Measured()) > 0
	if !scaled || ready == 0 {
		f.blind = ""
	}
	f.mu.Unlock()
	if !scaled {
		return false, false
	}
	lately := f.activity.Lately(f.pool, now)
	return true, ready > 0 && lately
}

// tell reports the means over the function's ready instances.
func (f *function) tell(pods map[string]usage, now time.Time, report func(string, provider.Metric, float64)) {
	f.mu.Lock()
	metrics := f.dep.Measured()
	cores, bytes := f.dep.Units()
	ready := make([]string, 0, len(f.members))
	for id := range f.members {
		ready = append(ready, id)
	}
	f.mu.Unlock()
	if len(ready) == 0 {
		return
	}
	known := make([][]float64, len(metrics))
	without := 0 // that should have a figure by now
	for _, pod := range ready {
		since, complete := f.p.watch.readySince(pod), true
		for i, m := range metrics {
			unit := cores
			if m.Type == "memory" {
				unit = bytes
			}
			v, ok := pods[pod].figure(m.Type, since, now)
			if ok {
				known[i] = append(known[i], v/unit)
			}
			complete = complete && ok
		}
		if !complete && now.Sub(since) > staleAfter {
			without++
		}
	}
	problem := ""
	if without > 0 {
		problem = fmt.Sprintf("the resource metrics API has no figures of the last %v for %d of %d ready pods", staleAfter, without, len(ready))
	}
	f.noteFigures(problem)
	for i, m := range metrics {
		target, err := strconv.ParseFloat(m.Target, 64)
		if err != nil {
			continue // an amount, as only an autoscaler of the cluster takes
		}
		if v, ok := mean(known[i], len(ready), target); ok {
			report(f.name, m, v)
		}
	}
}

// noteFigures keeps what is wrong with the figures of the function's pods,
// empty for nothing, and logs a change once.
func (f *function) noteFigures(problem string) {
	f.mu.Lock()
	before := f.blind
	f.blind = problem
	if before != problem {
		f.p.hub.Publish(f.statusLocked())
	}
	f.mu.Unlock()
	switch {
	case before == "" && problem != "":
		f.log.Warn("cpu and memory are not known of all pods; the function is scaled by those that are", "error", problem)
	case before != "" && problem == "":
		f.log.Info("cpu and memory are known of all pods again")
	}
}
