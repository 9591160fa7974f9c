package admin

import (
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// system is what a server is made of beside its functions.
type system struct {
	Version       string           `json:"version"`
	UptimeSeconds int64            `json:"uptimeSeconds"`
	Journal       any              `json:"journal"` // null without a data directory
	Providers     []providerHealth `json:"providers"`
	Flight        any              `json:"flightRecorder"`
	Cluster       any              `json:"cluster"` // null without one
}

type providerHealth struct {
	Name   string `json:"name"`
	Status string `json:"status"` // UP or DOWN
	Error  string `json:"error,omitempty"`
}

// System shows how this server does: its journal, providers, flight recorder and
// cluster.
func (a *Admin) System(ctx *fasthttp.RequestCtx) {
	s := system{Version: a.Version, UptimeSeconds: int64(time.Since(a.began) / time.Second), Providers: []providerHealth{}, Flight: a.Flight.State()}
	if a.Journal != nil {
		s.Journal = a.Journal()
	}
	if a.Cluster != nil {
		s.Cluster = a.Cluster()
	}
	health := a.ProviderHealth()
	for _, name := range a.Providers {
		p := providerHealth{Name: name, Status: "UP"}
		if err := health[name]; err != nil {
			p.Status, p.Error = "DOWN", err.Error()
		}
		s.Providers = append(s.Providers, p)
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, s)
}
