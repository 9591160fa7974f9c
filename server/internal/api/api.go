// Package api has the HTTP handlers for functions and executions: routing,
// authorisation, decoding, the call of core, and encoding.
package api

import (
	"log/slog"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/admin"
	"simplane/server/internal/auth"
	"simplane/server/internal/deploy"
	"simplane/server/internal/fncall"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/sock"
	"simplane/server/internal/telemetry"
)

// Options are what an API needs.
type Options struct {
	Core *core.Core
	// Cores are all cores of this node, for lists over them; CoreOf is the one with
	// an execution, nil when none is.
	Cores     func() []Source
	CoreOf    func(core.ID) *core.Core
	Log       *slog.Logger
	Guard     *auth.Guard
	Audit     *admin.Audit
	Registrar *deploy.Registrar
	// Rollout says how the last change of a function's instances goes.
	Rollout func(*core.Spec) *funcspec.Rollout
	// Trouble says why a function's instances do not start; empty when all is well.
	Trouble func(*core.Spec) string
	// ProviderHealth is, by the name of each provider, nil or why it cannot start
	// instances.
	ProviderHealth func() map[string]error
	// ClusterHealth is nil, or why a node of a cluster does not serve all that it should.
	// nil without a cluster.
	ClusterHealth func() error
	Lists         *httpjson.Lists
	Tracing       *telemetry.Tracing // nil without an exporter
	// Dashboard serves the dashboard on the management address, and leaves
	// other requests to next.
	Dashboard func(next fasthttp.RequestHandler) fasthttp.RequestHandler
	// Profiles serves the runtime's profiles on the management address.
	Profiles fasthttp.RequestHandler
	// Run makes the call of a task that core has left to its caller, and
	// completes the task; the Stop breaks the call off.
	Run func(core.Task, *sock.Stop)
	// Pass makes an attempt of a raw call and completes its task.
	Pass func(core.Task, *fncall.Raw, *sock.Stop) core.Outcome
	// CheckEndpoint refuses hosts that POOL functions must not use.
	CheckEndpoint func(host string) error
	// Stored waits until the fact at the place is durable; the error is the answer
	// where that takes too long. nil without a journal.
	Stored func(core.LSN) error
	// Panicked is told of a panic in a handler, which the server survives.
	Panicked func()
	// Unready says why a node of a cluster serves nothing; "" = it does. nil without
	// a cluster.
	Unready func() string
	// Lost is closed when the core's partition is taken away: what has not ended is
	// not waited for. nil without a cluster.
	Lost <-chan struct{}
	// Given is closed when the core's partition is handed over: durable executions
	// that have not ended do so at the next owner. nil without a cluster.
	Given <-chan struct{}
	// Draining reports whether the server is shutting down.
	Draining func() bool

	// AsyncEnabled false answers :enqueue with 501.
	AsyncEnabled bool
	// CancelOnDisconnect has the queued call of a caller who has closed the
	// connection not run.
	CancelOnDisconnect bool
	// InternalOnMgmtOnly removes /v1/internal and /v1/admin from the public
	// address, ManageOnMgmtOnly the routes that manage functions,
	// MetricsOnMgmtOnly the metrics.
	InternalOnMgmtOnly, ManageOnMgmtOnly, MetricsOnMgmtOnly bool
	// AccessLogSample is the share of requests with an access log line, 0 to 1.
	AccessLogSample float64
}

// Source is a core and what waits until a fact of its journal is durable, which is
// nil without one.
type Source struct {
	Core   *core.Core
	Stored func(core.LSN) error
}

// API has the handlers of functions and executions, and the router to all
// handlers.
type API struct{ Options }

// New makes an API.
func New(o Options) *API { return &API{o} }
