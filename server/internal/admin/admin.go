// Package admin is what operators use: the configuration that can be changed
// while the server runs with its history, statistics, the audit log and the
// dashboard.
package admin

import (
	"log/slog"
	"time"

	"simplane/core"
	"simplane/server/internal/auth"
	"simplane/server/internal/flight"
	"simplane/server/internal/history"
	"simplane/server/internal/httpjson"
	"simplane/server/provider"
)

// Options are what an Admin shows and changes.
type Options struct {
	Core *core.Core
	// Cores are all cores of this node, for figures over them.
	Cores func() []*core.Core
	Log   *slog.Logger
	Guard *auth.Guard // names the author of a change
	Lists *httpjson.Lists
	// NowMillis is core's wall clock in milliseconds since 1970.
	NowMillis func() int64
	// MetricsError is why cpu or memory, which scale a function, cannot be
	// measured; empty when they can.
	MetricsError func(*core.Function) string
	// LimitsError is which limits do not hold for a function's processes; empty
	// if all do.
	LimitsError func(*core.Function) string
	// Stored waits until the fact at the place is durable; the error is the answer
	// where that takes too long. nil without a journal.
	Stored func(core.LSN) error
	// FollowsStored says that a change of the runtime configuration does not come into
	// force by being made: when it is stored, Follow of another Admin puts it in force in
	// all cores of the node.
	FollowsStored bool
	// Lag is the number of facts that are not durable yet. nil without a journal.
	Lag func() int64
	// Cluster shows what this node knows of the cluster; nil without one.
	Cluster func() any
	// Past has what functions did in the last hour, Marks what was done to them.
	Past  *history.Keeper
	Marks *history.Marks
	// State is how the last change of a function's instances goes, and why they do not
	// start; both are empty when there is nothing to say. Instances are those of a
	// function; known is false where none are started. ProviderOf is what starts them.
	State      func(*core.Spec) (rollout, trouble string)
	Instances  func(name string) (status provider.Status, ready []provider.Endpoint, known bool)
	ProviderOf func(*core.Spec) string
	// Version is the program's. Providers are those that are switched on, and
	// ProviderHealth has nil for each, or why it cannot start instances. Journal is how
	// the journal does; nil without one.
	Version        string
	Providers      []string
	ProviderHealth func() map[string]error
	Journal        func() any
	// Flight has the latest steps; nil when nothing is recorded.
	Flight *flight.Recorder
}

// Admin has the handlers of the runtime configuration and the statistics.
type Admin struct {
	Options
	began   time.Time
	dumping *httpjson.Places
	runtime runtimeConfig
}

// New makes an Admin, at revision 1 of the configuration.
func New(o Options) *Admin {
	a := &Admin{Options: o, began: time.Now(), dumping: httpjson.NewPlaces(1, dumpsWaiting, dumpPatience)}
	if o.Core != nil {
		a.runtime.RateMaxPerSecond, a.runtime.SyncQueue = max(o.Core.RateMaxPerSecond(), 0), o.Core.SyncQueue()
	}
	a.runtime.next(o.NowMillis())
	return a
}
