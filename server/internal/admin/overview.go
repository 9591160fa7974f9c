package admin

import (
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/overview"
)

// Overview shows a page of the functions of this node with what they do now, and figures
// over all of them. In a cluster it is this node's part.
func (a *Admin) Overview(ctx *fasthttp.RequestCtx) {
	q, fault := overview.Parse(ctx.QueryArgs())
	if fault != nil {
		fault.Write(ctx)
		return
	}
	offset := q.Offset
	if a.Cluster != nil {
		q, offset = q.Whole(), 0
	}
	p := overview.Page{Offset: offset, Server: a.serverFigures()}
	rows := make([]overview.Row, 0, 64)
	for _, c := range a.Cores() {
		for _, fn := range c.Functions() {
			p.Server.Queued += fn.QueueDepth()
			p.Server.InFlight += fn.InFlight()
			if q.Finds(fn.Name()) {
				rows = append(rows, a.rowOf(c, fn))
			}
		}
	}
	p.Matching = len(rows)
	q.Order(rows)
	p.Rows = q.Cut(rows)
	for i := range p.Rows { // what takes longer, for those that are shown
		a.complete(&p.Rows[i])
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, p)
}

func (a *Admin) serverFigures() (s overview.Server) {
	for _, c := range a.Cores() {
		g := c.Gauges()
		s.Functions += len(c.Functions())
		s.StoredExecutions += int64(g.StoredExecutions)
		s.PayloadBytes += g.PayloadBytes
		s.SyncQueueDepth += int64(g.SyncQueueDepth)
	}
	if s.Durable = a.Lag != nil; s.Durable {
		s.JournalLagFacts = a.Lag()
	}
	n := a.Past.Latest("")
	s.Accepted, s.OK, s.Failed, s.Rejected = n.Accepted, n.OK, n.Failed, n.Rejected
	s.UptimeSeconds, s.Cluster = int64(time.Since(a.began)/time.Second), a.Cluster != nil
	return s
}

func (a *Admin) rowOf(c *core.Core, fn *core.Function) overview.Row {
	spec := fn.Spec()
	rt := funcspec.Of(spec)
	n := a.Past.Latest(fn.Name())
	return overview.Row{
		Name: fn.Name(), Mode: rt.ExecutionMode, Runtime: rt.RuntimeMode, Generation: spec.Generation,
		Accepted: n.Accepted, OK: n.OK, Failed: n.Failed, Rejected: n.Rejected, P50: n.P50, P99: n.P99,
		Queued: fn.QueueDepth(), QueueSize: fn.QueueSize(), InFlight: fn.InFlight(), Slots: fn.EffectiveConcurrency(),
		DeadLetters: c.DeadLetterCount(fn.Name()), RateLimit: spec.RateMaxPerSecond, Ready: a.ready(fn),
	}
}

// ready is how many instances of a function take work.
func (a *Admin) ready(fn *core.Function) int {
	if fn.Autoscaled() {
		return fn.ReadyReplicas()
	}
	if status, _, known := a.Instances(fn.Name()); known {
		return status.Ready
	}
	return 0
}

func (a *Admin) complete(r *overview.Row) {
	if r.Recent = a.Past.Recent(r.Name); r.Recent == nil {
		r.Recent = []float32{}
	}
	for _, c := range a.Cores() {
		if fn := c.Function(r.Name); fn != nil {
			r.Rollout, r.Trouble = a.State(fn.Spec())
			if r.Trouble == "" {
				r.Trouble = a.MetricsError(fn)
			}
			return
		}
	}
}
