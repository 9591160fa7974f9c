package loadgen

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"simplane/bench/latency"
)

// waitNoticed is the connection wait above which an arrival that found every
// connection busy counts as one that had to wait.
const waitNoticed = time.Millisecond

// recorder collects the measurements of all connections.
type recorder struct {
	targets  []*latency.Sharded // latency per target
	service  *latency.Sharded
	slip     *latency.Sharded
	wait     *latency.Sharded
	interval *latency.Sharded // since the last tick
	tally    tally
	unsent   atomic.Int64
	waited   atomic.Int64       // arrivals that waited for a connection, longer than waitNoticed
	stages   []*latency.Sharded // latency per stage, by the time when requests were due
	ends     []time.Duration    // of the stages
	lastDone atomic.Int64       // ns from the start of the run
}

func newRecorder(o *Options) *recorder {
	n := min(o.Connections, 2*runtime.GOMAXPROCS(0))
	r := &recorder{
		service: latency.NewSharded(n), slip: latency.NewSharded(n),
		wait: latency.NewSharded(n), interval: latency.NewSharded(n),
	}
	for _, s := range o.Stages {
		r.stages = append(r.stages, latency.NewSharded(n))
		end := s.Duration
		if i := len(r.ends); i > 0 {
			end += r.ends[i-1]
		}
		r.ends = append(r.ends, end)
	}
	for range o.Targets {
		r.targets = append(r.targets, latency.NewSharded(n))
	}
	return r
}

// shot is one measured request, in times from the start of the run.
type shot struct {
	job
	sent, done time.Duration
}

func (r *recorder) add(worker int, target int32, s shot, open bool) {
	lat := int64(s.done - s.intended)
	r.targets[target].Record(worker, lat)
	r.interval.Record(worker, lat)
	r.service.Record(worker, int64(s.done-s.sent))
	for i, end := range r.ends {
		if s.intended < end {
			r.stages[i].Record(worker, lat)
			break
		}
	}
	if open {
		r.slip.Record(worker, int64(s.released-s.intended))
		r.wait.Record(worker, int64(s.sent-s.released))
		if s.full && s.sent-s.released > waitNoticed {
			r.waited.Add(1)
		}
	}
	for done := int64(s.done); ; {
		last := r.lastDone.Load()
		if done <= last || r.lastDone.CompareAndSwap(last, done) {
			return
		}
	}
}

// latency merges all targets.
func (r *recorder) latency() *latency.Histogram {
	h := latency.NewHistogram()
	for _, t := range r.targets {
		h.Merge(t.Merged())
	}
	return h
}

// result summarises the run; whole says that the schedule ran to its end.
func (r *recorder) result(o *Options, whole bool) (*Result, Histograms) {
	h := Histograms{Latency: r.latency(), Service: r.service.Merged()}
	res := &Result{
		Mode: "closed", Connections: o.Connections, Seed: o.Seed, WarmupSeconds: o.Warmup.Seconds(),
		OK: r.tally.ok.Load(), Failed: r.tally.failed.Load(), Unsent: r.unsent.Load(),
		Latency:  latency.Summarize(h.Latency, o.FullHistograms),
		Service:  latency.Summarize(h.Service, o.FullHistograms),
		Slip:     latency.Summarize(r.slip.Merged(), false),
		Wait:     latency.Summarize(r.wait.Merged(), false),
		Statuses: r.tally.statuses(),
	}
	if o.Rate > 0 {
		res.Mode, res.Arrival, res.RateAsked = "open", string(o.arrival()), o.Rate
	}
	for _, f := range r.tally.failures {
		res.Failures = append(res.Failures, *f)
	}
	slices.SortFunc(res.Failures, func(a, b Failure) int { return int(b.Count - a.Count) })
	for i, t := range o.Targets {
		res.Targets = append(res.Targets, TargetResult{
			Name: t.Name, Method: t.Method, URL: t.URL, Weight: t.Weight,
			Latency: latency.Summarize(r.targets[i].Merged(), false),
		})
	}
	for i, s := range o.Stages {
		h := r.stages[i].Merged()
		res.Stages = append(res.Stages, StageResult{
			Stage: s.String(), Throughput: float64(h.Count()) / s.Duration.Seconds(), Latency: latency.Summarize(h, false),
		})
	}
	elapsed := time.Duration(r.lastDone.Load()) - o.Warmup
	if o.Rate > 0 && whole {
		// The measured time is the schedule's length, even when the last
		// answer came a little before its end.
		elapsed = max(elapsed, o.Duration)
	}
	if res.ElapsedSeconds = elapsed.Seconds(); elapsed > 0 {
		res.Throughput = float64(res.OK) / res.ElapsedSeconds
	}
	return res, h
}

// Histograms are a run's raw recordings in nanoseconds, for export.
type Histograms struct{ Latency, Service *latency.Histogram }
