package httpjson

import (
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"
)

// MaxListed is the most entries of a list that one request can ask for.
const MaxListed = 1000

// LimitArg reads a number from 1 to most from the query, def when it is not
// given.
func LimitArg(ctx *fasthttp.RequestCtx, name string, def, most int) (int, *Error) {
	raw := ctx.QueryArgs().Peek(name)
	if len(raw) == 0 {
		return def, nil
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 1 || n > most {
		return 0, ValidationFailed(fmt.Sprintf("%s: must be a whole number from 1 to %d, not %q", name, most, Clip(raw, 40)))
	}
	return n, nil
}

// AppendCut appends, as members of an object, whether a list goes on, and the
// cursor to go on with.
func AppendCut(b []byte, cut bool, cursor string) []byte {
	b = append(b, `"truncated":`...)
	b = strconv.AppendBool(b, cut)
	if cut {
		b = append(b, `,"nextCursor":`...)
		b = AppendString(b, cursor)
	}
	return b
}
