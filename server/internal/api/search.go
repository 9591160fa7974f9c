package api

import (
	"slices"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// Search lists the newest executions that match the query. Outputs are left
// out unless they are asked for.
func (a *API) Search(ctx *fasthttp.RequestCtx) {
	q, fault := searchArgs(ctx)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	outputs, fault := includeArg(ctx, "output")
	if fault != nil {
		fault.Write(ctx)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	a.Lists.Write(ctx, func() func(*httpjson.Parts) bool {
		var cores []*core.Core
		for _, of := range a.Cores() {
			cores = append(cores, of.Core)
		}
		page := core.SearchAll(cores, q)
		nobody := len(page.Executions) == 0 && !page.More && q.After == (core.Position{})
		if nobody && q.Function != "" && !slices.ContainsFunc(cores, func(c *core.Core) bool { return c.Function(q.Function) != nil }) {
			a.writeRejection(ctx, core.ErrNotFound)
			return nil
		}
		return a.executions(page, outputs, forMember(ctx))
	})
}

func searchArgs(ctx *fasthttp.RequestCtx) (q *core.Search, fault *httpjson.Error) {
	args := ctx.QueryArgs()
	q = &core.Search{Function: string(args.Peek("function")), Code: string(args.Peek("code")), Key: string(args.Peek("key"))}
	if q.Limit, fault = httpjson.LimitArg(ctx, "limit", 100, httpjson.MaxListed); fault != nil {
		return nil, fault
	}
	if q.Statuses, fault = statusesArg(ctx); fault != nil {
		return nil, fault
	}
	if q.Since, fault = millisArg(ctx, "since"); fault != nil {
		return nil, fault
	}
	if q.Before, fault = millisArg(ctx, "before"); fault != nil {
		return nil, fault
	}
	if q.After, fault = positionArg(ctx); fault != nil {
		return nil, fault
	}
	return q, nil
}

// executions writes a page. An answer that waits for its reader holds no
// output: each is looked up when its turn comes. With cursors each execution has
// its own, for another node that merges the pages of several.
func (a *API) executions(page core.Page, outputs, cursors bool) func(*httpjson.Parts) bool {
	left, last := page.Executions, core.Position{}
	sizes := make([]int, len(left))
	for i, f := range left {
		sizes[i] = len(f.Output)
		f.Output = nil
	}
	separator := `{"executions":[`
	return func(p *httpjson.Parts) bool {
		if len(left) == 0 || p.Size() >= httpjson.MaxListBytes {
			if separator != "," {
				p.B = append(p.B, separator...)
			}
			p.B = append(p.B, `],`...)
			cut, next := page.More, page.Next
			if len(left) > 0 {
				cut, next = true, last
			}
			p.B = append(httpjson.AppendCut(p.B, cut, positionCursor(next)), '}')
			return false
		}
		p.B, separator = append(p.B, separator...), ","
		f, size := left[0], sizes[len(sizes)-len(left)]
		left[0], left, last = nil, left[1:], f.Position
		a.listed(p, f.Snapshot, size, outputs)
		if cursors {
			p.B = httpjson.AppendString(append(p.B[:len(p.B)-1], `,"cursor":`...), positionCursor(f.Position))
			p.B = append(p.B, '}')
		}
		return true
	}
}

// listed writes one execution of a list; size is that of its output.
func (a *API) listed(p *httpjson.Parts, s core.Snapshot, size int, output bool) {
	if output && size > 0 {
		kept := false
		if c := a.CoreOf(s.ID); c != nil {
			var now core.Snapshot
			if now, kept = c.Execution(s.ID); kept {
				s = now
			}
		}
		s.CleanedUp = s.CleanedUp || !kept
	}
	out := s.Output
	s.Output = nil
	p.B = appendExecution(p.B, s)
	switch {
	case out != nil:
		p.B = append(p.B[:len(p.B)-1], `,"output":`...)
		p.Value(out)
		p.B = append(p.B, '}')
	case size > 0 && !output:
		p.B = append(appendSize(p.B[:len(p.B)-1], "outputBytes", size), '}')
	}
}
