package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

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

// ExpectContinue refuses a body that is announced to be too large before it
// is sent.
func (a *API) ExpectContinue(ctx *fasthttp.RequestCtx) int {
	if ctx.Request.Header.ContentLength() <= a.MaxBodyBytes {
		a.renewWriteDeadline(ctx)
		return fasthttp.StatusContinue
	}
	a.RefuseUnread(ctx, fasthttp.ErrBodyTooLarge)
	return fasthttp.StatusRequestEntityTooLarge
}

// RefuseUnread answers a request that could not be read; fasthttp closes the
// connection after it.
func (a *API) RefuseUnread(ctx *fasthttp.RequestCtx, err error) {
	var tooSmall *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.As(err, &tooSmall):
		httpjson.WriteError(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, httpjson.CodeHeadersTooLarge, "the request's headers are larger than maxHeaderBytes")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		httpjson.WriteError(ctx, fasthttp.StatusRequestEntityTooLarge, httpjson.CodeBodyTooLarge, "the request's body is larger than maxBodyBytes")
	case errors.As(err, &netErr) && netErr.Timeout():
		httpjson.WriteError(ctx, fasthttp.StatusRequestTimeout, httpjson.CodeRequestTimeout, "the request did not arrive within readTimeout")
	default:
		httpjson.WriteError(ctx, fasthttp.StatusBadRequest, httpjson.CodeBadRequest, "not a valid HTTP/1.1 request: "+httpjson.Clip([]byte(err.Error()), 200))
	}
	a.renewWriteDeadline(ctx)
	conn := ctx.Conn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*sock.Conn); ok {
		c.LingerOnClose()
	}
}

// renewWriteDeadline is for what fasthttp writes before a request's answer: it
// leaves the deadline of the connection's last answer in force there.
func (a *API) renewWriteDeadline(ctx *fasthttp.RequestCtx) {
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(a.WriteTimeout)) // without it writing fails, too
}
