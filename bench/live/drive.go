package live

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"simplane/bench/nap"
	"simplane/server/client"
	"simplane/sim/draws"
)

const (
	// lead is the time between the end of the preparations and the scenario's 0.
	lead = 100 * time.Millisecond
	// longestNap bounds the time until an interrupted run ends.
	longestNap = 20 * time.Millisecond
	// maxOpen bounds the calls that wait for an answer at one time.
	maxOpen = 8192
)

// drive makes each call at its time, however the earlier ones go, and returns when
// all are over.
func (r *run) drive(ctx context.Context) error {
	timer, err := nap.New()
	if err != nil {
		return err
	}
	defer timer.Close()
	calling, stop := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer stop()
	var n atomic.Int64
	r.began = time.Now().Add(lead)
	r.backends.begin(r.began)
	for i := range r.calls {
		c := &r.calls[i]
		for wait := time.Until(r.began.Add(c.at)); wait > 0; wait = time.Until(r.began.Add(c.at)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := timer.Sleep(min(wait, longestNap)); err != nil {
				return err
			}
			r.opt.Progress(fmt.Sprintf("%s: %v of %v in real time, %d of %d calls made", r.sc.Name,
				max(time.Since(r.began), 0).Round(time.Second), r.sc.Duration, i, len(r.calls)))
		}
		if n.Load() >= maxOpen {
			return fmt.Errorf("%d calls wait for an answer at %v; this client makes no more at a time: use less load, smaller queues or shorter timeouts", maxOpen, c.at)
		}
		n.Add(1)
		open.Go(func() {
			defer n.Add(-1)
			r.call(calling, i)
		})
	}
	open.Wait()
	return ctx.Err()
}

// traceOf names a call to the backend that gets it.
const tracePrefix = "live-"

func (r *run) call(ctx context.Context, i int) {
	c := &r.calls[i]
	s := client.Submission{
		Input: c.body(), Timeout: time.Duration(c.load.TimeoutMillis) * time.Millisecond, TraceID: tracePrefix + strconv.Itoa(i),
	}
	if c.key >= 0 {
		s.IdempotencyKey = draws.KeyName(c.key)
	}
	submit := r.server.api.Enqueue
	if c.load.Mode == "invoke" {
		submit = r.server.api.Invoke
	}
	staying := ctx
	if c.load.Leaves.After > 0 {
		var cancel context.CancelFunc
		staying, cancel = context.WithTimeout(ctx, c.load.Leaves.After)
		defer cancel()
	}
	c.sent = time.Since(r.began)
	a, err := submit(staying, c.function, s)
	c.answered = time.Since(r.began)
	c.id = a.Value.ExecutionID
	var refusal *client.Error
	switch {
	case err == nil:
	case errors.As(err, &refusal) && !strings.HasPrefix(refusal.Code, "HTTP_"):
		c.refused = refusal.Code
	case staying.Err() != nil && ctx.Err() == nil:
		c.left = true
	default:
		c.lost = err
	}
}

// callOf is the number of the call that a trace id names.
func callOf(trace string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(trace, tracePrefix))
	return n, err == nil && strings.HasPrefix(trace, tracePrefix)
}
