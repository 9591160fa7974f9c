package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"simplane/server/harness/node"
)

// Patience of the checks at the end. They poll; nothing waits this long when
// all is well.
const (
	settleWithin = time.Minute
	forgetWithin = 2 * time.Minute
	// The runtime collects at rest every two minutes; what that frees is given
	// back soon after.
	restWithin = 4 * time.Minute
)

// until polls cond and reports whether it came true.
func until(limit time.Duration, cond func() bool) bool {
	for deadline := time.Now().Add(limit); !cond(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// serverCounts is what the server says about one function.
type serverCounts struct {
	QueueDepth, InFlight              int
	Enqueued, Success, Error, Timeout int
}

// reconcile holds the client's account against the server's two.
func reconcile(c *client, l *ledger, fns []*function) {
	for _, id := range l.unfinished() {
		l.violate("id %s was accepted and never ended", id)
	}
	var stats struct {
		Functions map[string]serverCounts
	}
	idle := func() bool {
		r, err := c.must("GET", c.mgmt+"/v1/admin/stats", nil, http.StatusOK)
		if err != nil || r.into(&stats) != nil {
			return false
		}
		for _, f := range stats.Functions {
			if f.QueueDepth+f.InFlight > 0 || f.Enqueued != f.Success+f.Error+f.Timeout {
				return false
			}
		}
		return true
	}
	if !until(settleWithin, idle) {
		l.violate("work is left, or accepted is not success + error + timeout, with no load: %+v", stats.Functions)
	}
	metrics, err := c.scrape()
	if err != nil {
		l.violate("no metrics: %v", err)
	}
	for _, f := range fns {
		s := stats.Functions[f.name]
		if f.exact {
			mine := *l.of(f)
			// A caller who hung up never hears that its execution waited too long
			// and gave its key back: the server alone knows of those.
			unheard := int(metrics[fmt.Sprintf(`sync_queue_rejected_total{function=%q,reason="queue_wait"}`, f.name)]) - l.queueWaits(f)
			mine.Accepted, mine.Error = mine.Accepted+unheard, mine.Error+unheard
			l.unheard(unheard)
			theirs := counts{Accepted: s.Enqueued, Success: s.Success, Error: s.Error, Timeout: s.Timeout}
			if l.cancelled(f, mine, theirs) < 0 {
				l.violate("%s: the client counted %+v, /v1/admin/stats says %+v", f.name, mine, theirs)
			}
		}
		if m := (counts{
			Accepted: int(metrics.of("function_enqueue_total", f.name)), Success: int(metrics.of("function_success_total", f.name)),
			Error: int(metrics.of("function_error_total", f.name)), Timeout: int(metrics.of("function_timeout_total", f.name)),
		}); m != (counts{Accepted: s.Enqueued, Success: s.Success, Error: s.Error, Timeout: s.Timeout}) {
			l.violate("%s: Prometheus says %+v, /v1/admin/stats %+v", f.name, m, s)
		}
	}
}

// forgotten waits until nothing of the load is left: past the TTLs the stores
// must be empty to the byte, goroutines and files back where they were, and,
// after a soak that means anything (steady), most of the memory given back.
func forgotten(c *client, l *ledger, before reading, long bool) (after reading) {
	var left struct{ StoredExecutions, StoredKeys, PayloadBytes int64 }
	if !until(forgetWithin, func() bool {
		r, err := c.must("GET", c.mgmt+"/v1/admin/stats", nil, http.StatusOK)
		return err == nil && r.into(&left) == nil && left.StoredExecutions == 0 && left.StoredKeys == 0 && left.PayloadBytes == 0
	}) {
		l.violate("past every TTL the stores are not empty: %+v", left)
	}
	const (
		spare       = 15       // the runtime's own, and what a probe needs
		spareMemory = 96 << 20 // bytes: metrics, buffers and tables that stay, measured as 60 to 82 MiB after 70 s and after 10 min
	)
	if !until(restWithin, func() bool {
		c.http.CloseIdleConnections()
		var err error
		after, err = c.reading(time.Now())
		return err == nil && after.Goroutines <= before.Goroutines+spare && after.Files <= before.Files+spare && (!long || after.Memory <= before.Memory+spareMemory)
	}) {
		l.violate("idle again, %.0f goroutines, %.0f files and %.0f MiB are in use; before the load %.0f, %.0f and %.0f MiB",
			after.Goroutines, after.Files, after.Memory/(1<<20), before.Goroutines, before.Files, before.Memory/(1<<20))
	}
	return after
}

// farewell stops the node: it must go with success and leave no process.
func farewell(n *node.Node, l *ledger, script string) {
	if err := n.Stop(); err != nil {
		l.violate("the server did not stop cleanly: %v", err)
	}
	if !until(settleWithin, func() bool { return len(node.Processes(script)) == 0 }) {
		l.violate("function processes outlived the server: %v", node.Processes(script))
	}
}

// ready waits until every function answers, its processes running.
func ready(ctx context.Context, c *client, fns []*function, script string) bool {
	return until(settleWithin, func() bool {
		for _, f := range fns {
			r, err := c.do(ctx, "GET", c.mgmt+"/v1/functions/"+f.name, nil)
			if err != nil || r.status != http.StatusOK {
				return false
			}
		}
		return len(node.Processes(script)) >= 4
	})
}
