package api

import (
	"errors"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/sock"
)

// RefusedConnection is the answer, as it goes over the wire, to whatever is
// asked on a connection over a limit.
func RefusedConnection(met sock.Limit) []byte {
	status, message := "503 Service Unavailable", "all connections (maxConnections) are in use; retry later"
	if met == sock.LimitPerSource {
		status, message = "429 Too Many Requests", "your address has all the connections it may have (maxConnectionsPerIp); close some, or retry later"
	}
	body := `{"error":"TOO_MANY_CONNECTIONS","message":"` + message + `"}`
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s", status, len(body), body)
}

// RefuseUnread answers a request that could not be read. The connection is
// closed after it.
func (a *API) RefuseUnread(ctx *fasthttp.RequestCtx, err error) {
	var netErr net.Error
	switch {
	case errors.Is(err, http1.ErrHeadTooLarge), errors.Is(err, http1.ErrTooManyHeaders):
		httpjson.WriteError(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, httpjson.CodeHeadersTooLarge, err.Error())
	case errors.Is(err, http1.ErrBodyTooLarge):
		httpjson.WriteError(ctx, fasthttp.StatusRequestEntityTooLarge, httpjson.CodeBodyTooLarge, err.Error())
	case errors.Is(err, http1.ErrBusy):
		ctx.Response.Header.Set("Retry-After", "1")
		httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, httpjson.CodeBodiesBusy, err.Error())
	case errors.Is(err, http1.ErrVersion):
		httpjson.WriteError(ctx, fasthttp.StatusHTTPVersionNotSupported, httpjson.CodeBadRequest, err.Error())
	case errors.As(err, &netErr) && netErr.Timeout():
		httpjson.WriteError(ctx, fasthttp.StatusRequestTimeout, httpjson.CodeRequestTimeout, "the request did not arrive within readTimeout")
	default:
		httpjson.WriteError(ctx, fasthttp.StatusBadRequest, httpjson.CodeBadRequest, "not a valid HTTP/1.1 request: "+httpjson.Clip([]byte(err.Error()), 200))
	}
}
