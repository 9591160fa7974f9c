package peer

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/api"
	"simplane/server/internal/httpjson"
)

// memberTime bounds how long one member's part of a list is waited for.
const memberTime = 5 * time.Second

// answer is what one node has answered about its partitions.
type answer struct {
	status int
	about  Partitions
	body   []byte
	cursor string // of a list whose body has no room for it
}

// all has a request answered by all nodes and merges their answers. Every partition
// must be in one of them.
func (r *Router) all(route int, rt api.Route, last bool) api.Handler {
	merge := mergers[rt.Path]
	return func(ctx *fasthttp.RequestCtx, arg string) {
		if name := ctx.QueryArgs().Peek("function"); len(name) > 0 {
			r.one(route, &rt, ctx, arg, core.PartitionOf(string(name)), last)
			return
		}
		if last {
			api.ForMember(ctx)
			r.here(rt, ctx)
			return
		}
		began, moves := time.Now(), false
		for {
			changed := r.Owners.Changed()
			answers := r.ask(rt, ctx)
			var about Partitions
			for _, a := range answers {
				if a.status != fasthttp.StatusOK && a.status != 0 {
					ctx.SetStatusCode(a.status)
					ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
					ctx.SetBody(a.body)
					return
				}
				about.Or(a.about)
			}
			missing := cluster.Partitions - about.Len()
			moves = moves || r.moving(about)
			if missing > 0 && wait(changed, began.Add(r.hold(moves))) {
				continue
			}
			if missing > 0 && !merge.partial {
				ctx.Response.Header.Set("Retry-After", "1")
				httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, CodeNoOwner,
					fmt.Sprintf("%d of %d partitions are answered by no node now, and the list would not be whole; retry", missing, cluster.Partitions))
				return
			}
			if err := merge.merge(ctx, answers, missing); err != nil {
				httpjson.WriteError(ctx, fasthttp.StatusBadGateway, httpjson.CodeInternal, "a node's answer cannot be read: "+err.Error())
			}
			return
		}
	}
}

// moving says whether a partition that is not among these is being handed over.
func (r *Router) moving(about Partitions) bool {
	for p := range cluster.Partitions {
		if id := core.Partition(p); !about.Has(id) && r.Owners.Moving(id) {
			return true
		}
	}
	return false
}

// here answers by this node's partitions alone, and says which those are.
func (r *Router) here(rt api.Route, ctx *fasthttp.RequestCtx) {
	about := r.Owners.Open()
	rt.Handle(ctx, "")
	about.And(r.Owners.Open())
	ctx.Response.Header.Set(HeaderPartitions, about.String())
}

// ask asks all nodes, this one included, at once.
func (r *Router) ask(rt api.Route, ctx *fasthttp.RequestCtx) []answer {
	others := r.Owners.Others()
	answers := make([]answer, len(others)+1)
	var asked sync.WaitGroup
	for i, addr := range others {
		head := headOf(ctx)
		head.SetMethod(fasthttp.MethodGet)
		asked.Go(func() {
			var resp fasthttp.Response
			if err := r.Client.Do(addr, head, nil, &resp, memberTime); err != nil {
				r.Log.Debug("a member did not answer for its part of a list", "member", addr, "error", err)
				return
			}
			answers[i+1] = answerOf(&resp)
		})
	}
	var own fasthttp.RequestCtx
	ctx.Request.CopyTo(&own.Request)
	api.ForMember(&own)
	r.here(rt, &own)
	answers[0] = answerOf(&own.Response)
	asked.Wait()
	return answers
}

func answerOf(resp *fasthttp.Response) answer {
	return answer{
		status: resp.StatusCode(), about: parsePartitions(resp.Header.Peek(HeaderPartitions)),
		cursor: strings.Clone(string(resp.Header.Peek(httpjson.HeaderNextCursor))), body: resp.Body(),
	}
}
