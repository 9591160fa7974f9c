package peer

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/api"
	"simplane/server/internal/httpjson"
)

// Error codes of requests that no owner has answered.
const (
	// CodeNoOwner: nobody could be asked. It was not carried out.
	CodeNoOwner = api.CodeNoOwner
	// CodeOwnerLost: the owner ended, or lost the partition, before it had answered.
	// It may have been carried out.
	CodeOwnerLost = "OWNER_LOST"
	// CodeNotOwner is what a member answers another one that takes it for the owner.
	CodeNotOwner = "NOT_OWNER"
)

// State is what has become of a partition that was answered here.
type State uint8

// States.
const (
	Open   State = iota
	Parted       // it was handed over, and all that was told is with the next owner
	Lost         // it was taken away, and what was going on is not known to the next owner
)

// Local answers requests for a partition of this node.
type Local interface {
	// Answer calls the handler of a route, by its place among them.
	Answer(route int, ctx *fasthttp.RequestCtx, arg string)
	State() State
}

// Owners says who answers which partition.
type Owners interface {
	// Local is what answers the partition here; nil when nothing does.
	Local(core.Partition) Local
	// Owner is the address of the member that owns the partition; "" when none is
	// known, or when it is this one.
	Owner(core.Partition) string
	// Mine says that this node owns the partition, whether or not it is open.
	Mine(core.Partition) bool
	// Closed says that this node has the partition and keeps it closed: what the engine
	// keeps of it is not as it must be, and to wait would not help.
	Closed(core.Partition) bool
	// Moving says that the partition is being handed over: the next owner is about to
	// answer.
	Moving(core.Partition) bool
	// Self is the address of this node.
	Self() string
	// Others are the addresses of all other members, Open the partitions that are
	// answered here.
	Others() []string
	Open() Partitions
	// Changed is closed when anything of this changes.
	Changed() <-chan struct{}
}

// RouterOptions are what a Router needs.
type RouterOptions struct {
	Client *Client
	Owners Owners
	Log    *slog.Logger
	// Longest bounds how long an answer of another member is waited for: longer than
	// any call of a function.
	Longest time.Duration
	// Hold is how long a request waits for an owner, MoveHold that while the partition is
	// being handed over.
	Hold, MoveHold time.Duration
	// Refuse answers a request whose body could not be read.
	Refuse func(*fasthttp.RequestCtx, error)
	// Observe is told of each request that was passed on, and what came of it.
	Observe func(outcome string)
}

// Router has each request answered by the node that it is for.
type Router struct{ RouterOptions }

// NewRouter makes a Router.
func NewRouter(o RouterOptions) *Router { return &Router{o} }

// Routes are the same routes, each answered where it belongs. On the port for other
// members nothing is passed on: last is true there.
func (r *Router) Routes(routes []api.Route, last bool) []api.Route {
	out := make([]api.Route, len(routes))
	for i, rt := range routes {
		out[i] = rt
		switch rt.At {
		case api.AtAnyNode:
		case api.AtAllNodes:
			out[i].Handle = r.all(i, rt, last)
		default:
			out[i].Refuses = nil // whoever owns it knows
			out[i].Handle = func(ctx *fasthttp.RequestCtx, arg string) {
				r.one(i, &rt, ctx, arg, partitionOf(rt.At, ctx, arg), last)
			}
		}
	}
	return out
}

// partitionOf is the one that a request is about. What is not to be found is looked
// for in some partition, which answers as any would.
func partitionOf(at api.Place, ctx *fasthttp.RequestCtx, arg string) core.Partition {
	switch at {
	case api.AtFunction:
		return core.PartitionOf(arg)
	case api.AtNewFunction:
		var spec struct {
			Name string `json:"name"`
		}
		_ = httpjson.Unmarshal(ctx.PostBody(), &spec)
		return core.PartitionOf(spec.Name)
	case api.AtExecution:
		if id, err := core.ParseID(arg); err == nil {
			return core.Partition(id[15])
		}
	}
	return ConfigPartition
}

// ConfigPartition is the partition whose owner has the runtime configuration.
const ConfigPartition core.Partition = 0

// one has a request answered by the owner of p.
func (r *Router) one(route int, rt *api.Route, ctx *fasthttp.RequestCtx, arg string, p core.Partition, last bool) {
	asked, began := time.Now(), time.Time{}
	moves := false       // the partition is being handed over, or was since it was asked for
	var onward *streamed // of a request whose handler reads the body itself
	for {
		changed := r.Owners.Changed()
		local, addr := r.Owners.Local(p), r.Owners.Owner(p)
		if local != nil && onward != nil && onward.held != nil {
			// Its handler would read what was read: it has to come as another request.
			local, addr = nil, r.Owners.Self()
		}
		if addr != "" && local == nil && !last && rt.PassesOn && onward == nil {
			var err error
			if onward, err = newStreamed(ctx, r.Client, r.Longest); err != nil {
				r.Refuse(ctx, err)
				return
			}
		}
		if local != nil {
			local.Answer(route, ctx, arg)
			if !gaveUp(ctx, local.State()) {
				return
			}
		} else if r.Owners.Closed(p) {
			closed(ctx, p)
			return
		} else if last && !r.Owners.Mine(p) && !(r.Owners.Moving(p) && time.Since(asked) < r.hold(true)) {
			// Who is about to give it up, or just has, answers when there is a next owner:
			// the sender may not know yet that it moves.
			httpjson.WriteError(ctx, fasthttp.StatusMisdirectedRequest, CodeNotOwner, "this node does not own the partition")
			return
		} else if addr != "" && !last {
			answered, not := r.pass(ctx, addr, onward)
			if answered {
				return
			}
			moves = moves || not // it was the owner, and has given it up
		}
		if began.IsZero() {
			began = time.Now()
		}
		moves = moves || r.Owners.Moving(p)
		if !wait(changed, began.Add(r.hold(moves))) {
			noOwner(ctx)
			return
		}
	}
}

// hold is how long a request waits in all.
func (r *Router) hold(moving bool) time.Duration {
	if moving {
		return max(r.Hold, r.MoveHold)
	}
	return r.Hold
}

// gaveUp says that an answer does not hold, because the partition was given up
// meanwhile: the request is for the next owner. If it may have been carried out, the
// caller is told so here.
func gaveUp(ctx *fasthttp.RequestCtx, s State) bool {
	switch s {
	case Lost:
		ctx.Response.Reset()
		ownerLost(ctx)
	case Parted:
		if ctx.Response.StatusCode() == fasthttp.StatusServiceUnavailable && !ctx.Response.IsBodyStream() &&
			(refusedWith(ctx, core.CodeDraining) || refusedWith(ctx, CodeNoOwner)) {
			ctx.Response.Reset()
			return true
		}
	}
	return false
}

func refusedWith(ctx *fasthttp.RequestCtx, code string) bool {
	return bytes.HasPrefix(ctx.Response.Body(), []byte(`{"error":"`+code+`"`))
}

// pass passes a request on and reports whether it is answered. If not, it was not
// carried out: the member was not reached, or says that it is not the owner (not). It may
// not know yet that it is, or this node not that it is no more.
func (r *Router) pass(ctx *fasthttp.RequestCtx, addr string, onward *streamed) (answered, not bool) {
	again := ctx.IsGet() || ctx.IsHead() // it changes nothing
	var err error
	if onward != nil {
		err, again = r.Client.Stream(onward, string(ctx.Method()), addr, r.Longest), false
	} else if err = r.Client.Forward(ctx, addr, r.Longest); err == nil && ctx.Response.StatusCode() == fasthttp.StatusMisdirectedRequest && refusedWith(ctx, CodeNotOwner) {
		ctx.Response.Reset()
		err = errNotOwner
	}
	switch {
	case err == nil:
		r.Observe("answered")
	case errors.Is(err, errNotOwner):
		r.Observe("not_owner")
		if onward != nil && onward.spent {
			noOwner(ctx)
			return true, false
		}
		return false, true
	case errors.Is(err, ErrUnreachable), again:
		r.Observe("unreachable")
		return false, false
	case errors.Is(err, ErrBroken):
		r.Observe("lost")
		r.Log.Debug("a request was passed on and not answered", "member", addr, "error", err)
		ownerLost(ctx) // unless an answer has begun, which ends without its end
	default:
		r.Observe("caller_left")
		r.Refuse(ctx, err)
	}
	return true, false
}

// pollTime is how often a member that could not be reached is tried again.
const pollTime = 50 * time.Millisecond

// wait waits for a change, or a moment; false when the time is over.
func wait(changed <-chan struct{}, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(min(left, pollTime))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
	return true
}

func noOwner(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set("Retry-After", "1")
	httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, CodeNoOwner, "no node of the cluster answers for this now; it was not carried out; retry")
}

func closed(ctx *fasthttp.RequestCtx, p core.Partition) {
	httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, CodeNoOwner,
		fmt.Sprintf("partition %d, which this is in, is closed: what the cluster's engine keeps of it is lost or cannot be read; it was not carried out; the node's log and simplane cluster status --partitions say what to do", p))
}

func ownerLost(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set("Retry-After", "1")
	httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, CodeOwnerLost, "the node that was asked was lost before it had answered: whether this was carried out is not known; repeat it with an idempotency key, or look it up")
}
