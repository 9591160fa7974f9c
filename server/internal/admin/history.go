package admin

import (
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/history"
	"simplane/server/internal/httpjson"
)

// pastAnswer is the last hour, or the end of it, and what was done meanwhile.
type pastAnswer struct {
	history.Series
	Marks []history.Mark `json:"marks"`
}

// History shows the last hour of all functions of this node together.
func (a *Admin) History(ctx *fasthttp.RequestCtx) { a.past(ctx, "") }

// FunctionHistory shows the last hour of one function.
func (a *Admin) FunctionHistory(ctx *fasthttp.RequestCtx, name string) { a.past(ctx, name) }

// maxSince is the largest number that any reader of JSON knows exactly.
const maxSince = 1<<53 - 1

func (a *Admin) past(ctx *fasthttp.RequestCtx, name string) {
	since := int64(0)
	if raw := ctx.QueryArgs().Peek("since"); len(raw) > 0 {
		var err error
		if since, err = strconv.ParseInt(string(raw), 10, 64); err != nil || since < 0 || since > maxSince {
			httpjson.ValidationFailed(fmt.Sprintf("since: must be a time in milliseconds since 1970, not %q", httpjson.Clip(raw, 40))).Write(ctx)
			return
		}
	}
	if name != "" && a.Core.Function(name) == nil {
		httpjson.WriteError(ctx, fasthttp.StatusNotFound, core.ErrNotFound.Code, core.ErrNotFound.Message)
		return
	}
	series, _ := a.Past.Of(name, since)
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, pastAnswer{series, a.Marks.Of(name, since)})
}

// instances is the answer about the instances of a function.
type instances struct {
	Function  string     `json:"function"`
	Provider  string     `json:"provider,omitempty"` // "" = nothing starts instances of it
	Desired   int        `json:"desired"`
	Ready     int        `json:"ready"`
	Starting  int        `json:"starting"`
	Waiting   int        `json:"waiting"` // invocations that wait for an instance
	Restarts  int64      `json:"restarts"`
	LastError string     `json:"lastError,omitempty"`
	Instances []instance `json:"instances"` // that are ready, the oldest first
}

type instance struct {
	ID       string `json:"id"`
	Address  string `json:"address,omitempty"`
	InFlight int    `json:"inFlight"`
	Ejected  bool   `json:"ejected"` // left out after repeated failures
}

// FunctionInstances shows the instances of a function.
func (a *Admin) FunctionInstances(ctx *fasthttp.RequestCtx, name string) {
	fn := a.Core.Function(name)
	if fn == nil {
		httpjson.WriteError(ctx, fasthttp.StatusNotFound, core.ErrNotFound.Code, core.ErrNotFound.Message)
		return
	}
	all := instances{Function: name, Instances: []instance{}}
	if status, endpoints, known := a.Instances(name); known {
		all.Provider = a.ProviderOf(fn.Spec())
		all.Desired, all.Ready, all.Starting, all.Waiting = status.Desired, status.Ready, status.Starting, status.Waiting
		all.Restarts, all.LastError = status.Restarts, status.LastError
		for _, e := range endpoints {
			all.Instances = append(all.Instances, instance{e.ID, e.Address, e.InFlight, e.Ejected})
		}
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, all)
}
