package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// step is one measurement: what so many callers that wait for their answers
// get done.
type step struct {
	Callers    int     `json:"callers"`
	JobsPerSec float64 `json:"jobsPerSecond"`
}

// More callers are tried until they bring less than this much more.
const worthwhile = 1.05

// mostCallers bounds the search.
const mostCallers = 512

// capacity finds the jobs a second that machine, server, functions and load
// can do together: closed loops of more and more callers, each for span, until
// more callers bring no more. Few callers alone would measure their own
// waiting: some jobs are slow on purpose.
func (g *load) capacity(ctx context.Context, span time.Duration, seed uint64) (best float64, steps []step, err error) {
	for callers := 16; callers <= mostCallers; callers *= 2 {
		rate, err := g.closed(ctx, callers, span, seed+uint64(callers))
		if err != nil {
			return 0, nil, err
		}
		steps = append(steps, step{callers, rate})
		if rate < best*worthwhile {
			return max(best, rate), steps, nil
		}
		best = rate
	}
	return best, steps, nil
}

// closed has callers send one job after the other for span and returns the
// jobs a second that were done. Refused ones are not, nor what only piles up
// in the queues or times out there.
func (g *load) closed(ctx context.Context, callers int, span time.Duration, seed uint64) (float64, error) {
	before, err := g.c.totals()
	if err != nil {
		return 0, err
	}
	measuring, done := context.WithTimeout(ctx, span)
	defer done()
	began := time.Now()
	var taken atomic.Int64
	for i := range callers {
		g.wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for measuring.Err() == nil {
				if g.one(rng) && measuring.Err() == nil {
					taken.Add(1)
				}
			}
		})
	}
	<-measuring.Done()
	after, err := g.c.totals()
	took := time.Since(began).Seconds()
	g.wg.Wait()
	if err == nil {
		err = g.c.idle(ctx) // the next measurement begins with empty queues
	}
	accepted, finished := after.accepted-before.accepted, after.finished-before.finished
	if err == nil && accepted == 0 {
		err = fmt.Errorf("no job was accepted in %v", span)
	}
	if err != nil {
		return 0, fmt.Errorf("measuring the capacity: %w", err)
	}
	return float64(taken.Load()) * min(float64(finished)/float64(accepted), 1) / took, nil
}

// totals are the server's counts over all functions.
type totals struct{ accepted, finished, unfinished int }

func (c *client) totals() (t totals, err error) {
	r, err := c.must("GET", c.mgmt+"/v1/admin/stats", nil, http.StatusOK)
	if err != nil {
		return t, err
	}
	var stats struct{ Functions map[string]serverCounts }
	err = r.into(&stats)
	for _, f := range stats.Functions {
		t.accepted += f.Enqueued
		t.finished += f.Success + f.Error
		t.unfinished += f.QueueDepth + f.InFlight
	}
	return t, err
}

// idle waits until nothing is queued or running.
func (c *client) idle(ctx context.Context) (err error) {
	var t totals
	if !until(settleWithin, func() bool {
		t, err = c.totals()
		return err != nil || ctx.Err() != nil || t.unfinished == 0
	}) {
		return fmt.Errorf("%d executions are still unfinished", t.unfinished)
	}
	return err
}

func printSteps(w io.Writer, steps []step) {
	for _, s := range steps {
		fmt.Fprintf(w, "  %4d callers: %.0f jobs/s\n", s.Callers, s.JobsPerSec)
	}
}
