package api

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// includeArg reports whether the query asks for a field that is left out
// otherwise.
func includeArg(ctx *fasthttp.RequestCtx, field string) (bool, *httpjson.Error) {
	switch raw := ctx.QueryArgs().Peek("include"); string(raw) {
	case "":
		return false, nil
	case field:
		return true, nil
	default:
		return false, httpjson.ValidationFailed(fmt.Sprintf("include: must be %s, not %q", field, httpjson.Clip(raw, 40)))
	}
}

var errCursor = httpjson.ValidationFailed("cursor: must be the nextCursor of an earlier answer, as it was")

// positionCursor is a position among executions as a cursor.
func positionCursor(p core.Position) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(p.Created)), p.ID[:]...))
}

// positionArg reads a cursor made by positionCursor; the zero position when
// there is none.
func positionArg(ctx *fasthttp.RequestCtx) (p core.Position, fault *httpjson.Error) {
	text := ctx.QueryArgs().Peek("cursor")
	if len(text) == 0 {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(raw) != 8+len(p.ID) {
		return p, errCursor
	}
	p.Created = int64(binary.BigEndian.Uint64(raw))
	copy(p.ID[:], raw[8:])
	return p, nil
}

// statusesArg reads a list of statuses with commas between.
func statusesArg(ctx *fasthttp.RequestCtx) (set core.Statuses, fault *httpjson.Error) {
	text := string(ctx.QueryArgs().Peek("status"))
	if text == "" {
		return 0, nil
	}
	for name := range strings.SplitSeq(text, ",") {
		status, known := core.ParseStatus(name)
		if !known {
			return 0, httpjson.ValidationFailed(fmt.Sprintf("status: must be queued, running, success, error or timeout, or some of them with commas between, not %q", httpjson.Clip([]byte(name), 40)))
		}
		set = set.With(status)
	}
	return set, nil
}

// millisArg reads a time in milliseconds since the Unix epoch; 0 when there is
// none.
func millisArg(ctx *fasthttp.RequestCtx, name string) (int64, *httpjson.Error) {
	text := ctx.QueryArgs().Peek(name)
	if len(text) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, httpjson.ValidationFailed(name + ": must be milliseconds since the Unix epoch")
	}
	return n, nil
}
