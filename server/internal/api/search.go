package api

import (
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

const maxListed = 1000

// limitArg reads ?limit=, 100 when not given.
func limitArg(ctx *fasthttp.RequestCtx, name string, def, most int) (int, *httpjson.Error) {
	raw := ctx.QueryArgs().Peek(name)
	if len(raw) == 0 {
		return def, nil
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 1 || n > most {
		return 0, httpjson.ValidationFailed(fmt.Sprintf("%s: must be a whole number from 1 to %d, not %q", name, most, httpjson.Clip(raw, 40)))
	}
	return n, nil
}

// Search lists the newest executions, filtered by function, status and
// creation time.
func (a *API) Search(ctx *fasthttp.RequestCtx) {
	limit, fault := limitArg(ctx, "limit", 100, maxListed)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	args := ctx.QueryArgs()
	var keep []func(*core.Snapshot) bool
	if text := string(args.Peek("status")); text != "" {
		status, known := core.ParseStatus(text)
		if !known {
			httpjson.ValidationFailed(fmt.Sprintf("status: must be queued, running, success, error or timeout, not %q", httpjson.Clip([]byte(text), 40))).Write(ctx)
			return
		}
		keep = append(keep, func(x *core.Snapshot) bool { return x.Status == status })
	}
	if text := args.Peek("before"); len(text) > 0 {
		before, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			httpjson.ValidationFailed("before: must be milliseconds since the Unix epoch").Write(ctx)
			return
		}
		keep = append(keep, func(x *core.Snapshot) bool { return x.CreatedAtMillis < before })
	}
	found, truncated, err := a.Core.Recent(string(args.Peek("function")), limit, func(x *core.Snapshot) bool {
		for _, k := range keep {
			if !k(x) {
				return false
			}
		}
		return true
	})
	if err != nil {
		a.refused(ctx, err)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	httpjson.WriteBody(ctx, func(b []byte) []byte {
		b = append(b, `{"executions":[`...)
		for i, x := range found {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendExecution(b, x)
		}
		b = append(b, `],"truncated":`...)
		return append(strconv.AppendBool(b, truncated), '}')
	})
}
