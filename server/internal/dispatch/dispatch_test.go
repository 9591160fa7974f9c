package dispatch

import (
	"log/slog"
	"testing"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/provider"
)

// tookIt is a provider that says that it was asked.
type tookIt struct {
	provider.Provider
}

func (tookIt) Go(_ string, _ provider.Invocation, done func(provider.Result)) {
	done(provider.Failure("PROVIDER", ""))
}

func TestDispatcherRouter(t *testing.T) {
	anywhere, err := NewEgress("")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		mode, url string
		provider  bool
		want      string
	}{
		{"LOCAL", "", true, "local"},
		{"LOCAL", "http://h", true, "local"},
		{"POOL", "http://h", true, "pool"},
		{"POOL", "", true, provider.CodeNoEndpoint},
		{"DEPLOYMENT", "http://h", true, "pool"},
		{"DEPLOYMENT", "", true, "PROVIDER"},
		{"DEPLOYMENT", "", false, provider.CodeNoProvider},
	} {
		took := ""
		o := Options{Log: slog.New(slog.DiscardHandler), Egress: anywhere, Hooks: Hooks{
			Complete: func(_ core.Task, o core.Outcome) {
				if took = o.Code; o.Status == core.Success {
					took = "local"
				}
			},
		}}
		if tc.provider {
			o.Provider = tookIt{}
		}
		spec := &core.Spec{Name: "fn", Data: &funcspec.Runtime{ExecutionMode: tc.mode, EndpointURL: tc.url}}
		d := New(o)
		if _, pool := d.transport(spec).(*poolDispatcher); pool && tc.url != "" {
			took = "pool" // dials; its own tests see what comes of that
		} else {
			d.Run(core.Task{Spec: spec, Input: []byte("1")}, nil)
		}
		if took != tc.want {
			t.Errorf("%+v ended in %q", tc, took)
		}
	}
}
