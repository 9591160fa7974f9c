package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// sampler asks the cluster's resource metrics API, at an interval, what the
// pods use of the functions that simplane scales by cpu or memory. One list is
// for all of them, and it is left out while none of them works.
type sampler struct {
	p      *Provider
	pods   metricsv1beta1.PodMetricsInterface // nil: nothing is measured
	report func(function string, metric provider.Metric, value float64)
	loop   sync.WaitGroup

	asked   bool                    // the API has been asked; used by the loop only
	trouble atomic.Pointer[trouble] // nil while the API answers
}

// trouble is why the API has no figures.
type trouble struct {
	reason, text string
	since        time.Time
}

// ReportTo implements provider.MetricSource.
func (p *Provider) ReportTo(report func(function string, metric provider.Metric, value float64)) {
	if p.sampler.pods == nil {
		return
	}
	p.sampler.report = report
	p.sampler.loop.Go(func() { p.sampler.run(p.ctx) })
}

func (s *sampler) run(ctx context.Context) {
	tick := time.NewTicker(s.p.opt.SampleInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sample(ctx, time.Now())
		}
	}
}

// sample measures, once, every function that is due.
func (s *sampler) sample(ctx context.Context, now time.Time) {
	var measured, due []*function
	for _, f := range s.p.all() {
		scaled, works := f.measured(now)
		if scaled {
			measured = append(measured, f)
		}
		if works {
			due = append(due, f)
		}
	}
	// With nothing due it is still worth knowing whether the API is there: who
	// registers a function wants to be told.
	if len(measured) == 0 || len(due) == 0 && s.asked && s.trouble.Load() == nil {
		return
	}
	s.asked = true
	pods, err := s.list(ctx)
	if ctx.Err() != nil {
		return
	}
	if s.note(err, now) {
		for _, f := range measured {
			if s.p.function(f.name) == f {
				f.publish()
			}
		}
	}
	if err != nil {
		return // a figure not told never lowers a number of replicas
	}
	for _, f := range due {
		if s.p.function(f.name) == f { // else it was deleted meanwhile
			f.tell(pods, now, s.report)
		}
	}
}

// list returns what the functions' pods use, by pod.
func (s *sampler) list(ctx context.Context) (map[string]usage, error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.p.opt.CallTimeout, maxListTime))
	defer cancel()
	list, err := s.pods.List(ctx, metav1.ListOptions{LabelSelector: labelManagedBy + "=" + fieldManager})
	if err != nil {
		return nil, err
	}
	pods := make(map[string]usage, len(list.Items))
	for i := range list.Items {
		if u, ok := usageOf(&list.Items[i]); ok {
			pods[list.Items[i].Name] = u
		}
	}
	return pods, nil
}

// maxListTime bounds the wait for the figures: later ones are as good as none.
const maxListTime = 10 * time.Second

// note keeps why the API has no figures, nil for that it has, and logs a change
// once. It says whether there was one.
func (s *sampler) note(err error, now time.Time) (changed bool) {
	before := s.trouble.Load()
	if err == nil {
		if before != nil {
			s.trouble.Store(nil)
			s.p.log.Info("the cpu and memory of functions are measured again", "after", now.Sub(before.since).Round(time.Millisecond))
		}
		return before != nil
	}
	after := &trouble{since: now}
	after.reason, after.text = unmeasured(err, s.p.opt.Namespace)
	if before != nil {
		after.since = before.since
		if before.reason == after.reason {
			return false
		}
	}
	s.trouble.Store(after)
	s.p.log.Warn("the cpu and memory of functions cannot be measured; they are not scaled by them; trying again", "error", after.text)
	return true
}

// unmeasured puts an error of the metrics API in words that say what to do.
// Errors of one reason are one piece of trouble.
func unmeasured(err error, namespace string) (reason, text string) {
	switch {
	case apierrors.IsNotFound(err):
		return "none", "the cluster has no resource metrics API (metrics.k8s.io): install metrics-server"
	case apierrors.IsForbidden(err):
		return "forbidden", fmt.Sprintf("simplane may not list pods.metrics.k8s.io in namespace %s: add that to its Role, see docs/kubernetes.md", namespace)
	}
	return "failing", "the resource metrics API (metrics.k8s.io) does not answer: " + fncall.Snippet([]byte(err.Error()))
}

// all are the functions there are.
func (p *Provider) all() []*function {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Collect(maps.Values(p.functions))
}
