package loadgen

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/bench/latency"
	"simplane/bench/machine"
)

// Progress is the state of a running measurement.
type Progress struct {
	Elapsed, Total time.Duration // warm-up included
	Warming        bool
	Interval
}

// maxIntervals bounds the time series.
const maxIntervals = 600

// Run sends the load and returns what it measured. It reports an error only
// when the load could not be produced at all; failing requests are part of
// the result. Cancelling ctx ends the run early with Interrupted set.
// progress, when not nil, is called about once a second.
func Run(ctx context.Context, o Options, progress func(Progress)) (*Result, Histograms, error) {
	if err := o.Validate(); err != nil {
		return nil, Histograms{}, err
	}
	o = o.staged()
	clients, err := newClients(o)
	if err != nil {
		return nil, Histograms{}, err
	}
	defer func() {
		for _, c := range clients {
			c.CloseIdleConnections()
		}
	}()
	r := &run{opts: &o, rec: newRecorder(&o), start: time.Now(), end: o.Warmup + o.Duration}
	var workers sync.WaitGroup
	var queue chan job
	if o.Rate > 0 {
		queue = make(chan job, o.backlog())
	}
	nonce := rand.Uint64()
	for id := range o.Connections {
		s := newShooter(id, nonce, &o, clients)
		workers.Go(func() {
			if o.Rate > 0 {
				r.serveQueue(ctx, s, queue)
			} else {
				// Stream 0 is the open loop's.
				r.loop(ctx, s, NewPicker(o.Targets, o.Seed, uint64(id)+1)) // #nosec G115 -- below MaxConnections
			}
			s.release()
		})
	}
	watcher := r.watch(ctx, progress)
	var paceErr error
	whole := true
	if o.Rate > 0 {
		whole, paceErr = r.pace(ctx, queue)
		close(queue)
	}
	workers.Wait()
	series, usage := watcher()
	res, h := r.rec.result(&o, whole && ctx.Err() == nil)
	res.Series, res.Usage, res.Interrupted = series, usage, ctx.Err() != nil
	res.Findings, res.ClientLimited = findings(res, &o, r.rec.waited.Load())
	return res, h, paceErr
}

type run struct {
	busy  atomic.Int64 // connections with a request of the open loop
	opts  *Options
	rec   *recorder
	start time.Time
	end   time.Duration
}

// pace feeds the open loop's queue and reports whether the schedule ran to
// its end.
func (r *run) pace(ctx context.Context, queue chan<- job) (whole bool, err error) {
	s, err := r.opts.schedule()
	if err != nil {
		return false, err
	}
	whole = true
	picker := NewPicker(r.opts.Targets, r.opts.Seed, 0)
	err = pace(ctx, s, r.opts.highest(), r.start, r.end, func(j job) bool {
		j.pick = picker.Next()
		j.full = r.busy.Load()+int64(len(queue)) >= int64(r.opts.Connections)
		select {
		case queue <- j:
		default:
			r.skip(j)
			whole = !r.opts.StopOnUnsent
		}
		return whole
	})
	return whole, err
}

// skip counts a request that was due but will not be sent.
func (r *run) skip(j job) {
	if j.intended >= r.opts.Warmup {
		r.rec.unsent.Add(1)
	}
}

// serveQueue is one connection of an open loop.
func (r *run) serveQueue(ctx context.Context, s *shooter, queue <-chan job) {
	giveUp := r.end + r.opts.Timeout
	for j := range queue {
		switch {
		case ctx.Err() != nil: // cancelled by the user, not failed by the server
		case time.Since(r.start) > giveUp:
			r.skip(j)
		default:
			r.busy.Add(1)
			_ = r.send(s, j, true)
			r.busy.Add(-1)
		}
	}
}

// loop is one connection of a closed loop: the next request goes out when the
// last one is back.
func (r *run) loop(ctx context.Context, s *shooter, picker *Picker) {
	for ctx.Err() == nil {
		now := time.Since(r.start)
		if now >= r.end {
			return
		}
		if err := r.send(s, job{intended: now, released: now, pick: picker.Next()}, false); err != nil {
			// A server that is gone fails at once: do not spin on it.
			if !errors.Is(err, fasthttp.ErrTimeout) {
				time.Sleep(time.Millisecond)
			}
		}
	}
}

func (r *run) send(s *shooter, j job, open bool) error {
	sent := j.intended
	if open {
		sent = time.Since(r.start)
	}
	err := s.shoot(j.pick)
	done := time.Since(r.start)
	if j.intended >= r.opts.Warmup {
		s.judge(j.pick.Target, err, &r.rec.tally)
		r.rec.add(s.id, j.pick.Target, shot{job: j, sent: sent, done: done}, open)
	}
	return err
}

// watch records the time series and the usage in the background. The returned
// function stops it and hands over both.
func (r *run) watch(ctx context.Context, progress func(Progress)) func() ([]Interval, machine.Usage) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	var series []Interval
	mark, marked := machine.Now(), r.opts.Warmup == 0
	every := max(time.Second, r.opts.Duration/maxIntervals)
	if r.opts.Duration < 5*time.Second {
		every = r.opts.Duration / 5
	}
	scratch := latency.NewHistogram()
	var lastAt time.Duration
	var lastFailed int64
	tick := func(now time.Duration) {
		scratch.Reset()
		r.rec.interval.Drain(scratch)
		failed := r.rec.tally.failed.Load()
		at := now - r.opts.Warmup
		iv := Interval{
			AtSeconds: at.Seconds(), Failed: failed - lastFailed,
			P50Ms: latency.Percentile(scratch, 50), P95Ms: latency.Percentile(scratch, 95), P99Ms: latency.Percentile(scratch, 99), MaxMs: latency.Percentile(scratch, 100),
		}
		if d := at - lastAt; d > 0 {
			iv.Rate = float64(scratch.Count()) / d.Seconds()
		}
		lastAt, lastFailed = at, failed
		if len(series) < 2*maxIntervals {
			series = append(series, iv)
		}
		if progress != nil {
			progress(Progress{Elapsed: now, Total: r.end, Interval: iv})
		}
	}
	go func() {
		defer close(stopped)
		for next := r.opts.Warmup; ; next += every {
			for {
				left := next - time.Since(r.start)
				if left <= 0 {
					break
				}
				select {
				case <-stop:
					return
				case <-time.After(min(left, time.Second)):
				}
				if progress != nil && !marked {
					progress(Progress{Elapsed: time.Since(r.start), Total: r.end, Warming: true})
				}
			}
			if next == r.opts.Warmup {
				mark, marked = machine.Now(), true
				continue
			}
			tick(time.Since(r.start))
		}
	}()
	return func() ([]Interval, machine.Usage) {
		close(stop)
		<-stopped
		// The rest after the last whole interval, unless it is very short.
		if now := time.Since(r.start); now-r.opts.Warmup-lastAt > every/4 {
			tick(now)
		}
		return series, machine.Since(mark)
	}
}

func (s *shooter) release() {
	for _, r := range s.reqs {
		fasthttp.ReleaseRequest(r)
	}
	fasthttp.ReleaseResponse(s.resp)
}
