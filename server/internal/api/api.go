// Package api answers requests for functions and executions: it finds the
// route, lets the guard look at the caller, decodes, calls core and encodes.
package api

import (
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/auth"
	"simplane/server/internal/deploy"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/telemetry"
)

// Options are what an API needs.
type Options struct {
	Core      *core.Core
	Log       *slog.Logger
	Guard     *auth.Guard
	Audit     *admin.Audit
	Registrar *deploy.Registrar
	Tracing   *telemetry.Tracing // nil without an exporter
	// Dashboard answers what is its own on the management address, and leaves
	// the rest to next.
	Dashboard func(next fasthttp.RequestHandler) fasthttp.RequestHandler
	// Run makes the call of a task that core has left to its caller, and
	// completes the task; the Stop breaks the call off.
	Run func(core.Task, *dispatch.Stop)
	// CheckEndpoint refuses hosts that POOL functions must not be at.
	CheckEndpoint func(host string) error
	// Draining says that the server is about to stop.
	Draining func() bool

	// AsyncEnabled false answers :enqueue with 501.
	AsyncEnabled bool
	// InternalOnMgmtOnly takes /v1/internal and /v1/admin off the public
	// address, ManageOnMgmtOnly what manages functions.
	InternalOnMgmtOnly, ManageOnMgmtOnly bool
	// AccessLogSample is the share of requests with an access log line, 0 to 1.
	AccessLogSample float64
	// MaxBodyBytes bounds a request's body.
	MaxBodyBytes int
	// WriteTimeout bounds how long the peer may take to read an answer.
	WriteTimeout time.Duration
}

// API has the handlers of functions and executions, and the way to all handlers.
type API struct{ Options }

// New makes an API.
func New(o Options) *API { return &API{o} }
