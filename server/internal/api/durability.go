package api

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// headerDurability is how one request asks for another durability than its
// function's spec does. Of sync invocations nothing is kept, whatever it says.
const headerDurability = "X-Durability"

func durabilityOf(value []byte, req *core.Request) *httpjson.Error {
	switch d := httpjson.UnsafeString(value); d {
	case "":
	case string(core.DurabilityMemory):
		req.Durability = core.DurabilityMemory
	case string(core.DurabilityDisk):
		req.Durability = core.DurabilityDisk
	default:
		return httpjson.ValidationFailed(fmt.Sprintf("%s: must be memory or disk, not %q", headerDurability, httpjson.Clip(value, 40)))
	}
	return nil
}

// stored waits until the fact at the place is durable, and refuses the request
// if that takes too long; 0 is no fact.
func (a *API) stored(ctx *fasthttp.RequestCtx, at core.LSN) bool {
	return a.storedBy(ctx, a.Stored, at)
}

func (a *API) storedBy(ctx *fasthttp.RequestCtx, stored func(core.LSN) error, at core.LSN) bool {
	if at == 0 || stored == nil {
		return true
	}
	if err := stored(at); err != nil {
		a.refused(ctx, err)
		return false
	}
	return true
}

// settled waits until what was read of functions before is durable, that one is
// not there included, and refuses the request if that takes too long.
func (a *API) settled(ctx *fasthttp.RequestCtx) bool { return a.stored(ctx, a.Core.SettingsAt()) }
