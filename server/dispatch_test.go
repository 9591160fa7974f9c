package server

import (
	"testing"

	"simplane/core"
)

type namedDispatcher struct {
	name string
	took *string
}

func (d namedDispatcher) Dispatch(t core.Task) {
	*d.took = d.name
	t.Complete(core.Outcome{Status: core.Success, Output: []byte("1")})
}

func TestDispatcherRouter(t *testing.T) {
	for _, tc := range []struct {
		mode, url string
		provider  bool
		want      string
	}{
		{"LOCAL", "", true, "local"},
		{"LOCAL", "http://h", true, "local"},
		{"POOL", "http://h", true, "pool"},
		{"POOL", "", true, "pool"}, // which says that the endpoint is missing
		{"DEPLOYMENT", "http://h", true, "pool"},
		{"DEPLOYMENT", "", true, "provider"},
		{"DEPLOYMENT", "", false, ""},
	} {
		var took string
		r := &dispatchRouter{local: namedDispatcher{"local", &took}, pool: namedDispatcher{"pool", &took}}
		if tc.provider {
			r.provider = namedDispatcher{"provider", &took}
		}
		c, err := core.New(core.Config{}, newSystemClock(), randomIDs{}, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := core.SpecInput{Name: new("fn"), Image: new("i"), ExecutionMode: &tc.mode, MaxRetries: new(0)}
		if tc.url != "" {
			in.EndpointURL = &tc.url
		}
		spec, err := core.ResolveSpec(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Register(spec); err != nil {
			t.Fatal(err)
		}
		w := newWaiter()
		if _, err := c.Submit(&core.Request{Function: "fn", Sync: true, Input: []byte("1"), Waiter: w}); err != nil {
			t.Fatal(err)
		}
		snap := w.wait()
		if took != tc.want {
			t.Errorf("%+v went to %q", tc, took)
		}
		if tc.want == "" && (snap.Status != core.Error || snap.Err.Code != core.CodeNoProvider) {
			t.Errorf("%+v ended %v %v", tc, snap.Status, snap.Err)
		}
	}
}

func TestLocalHandlers(t *testing.T) {
	f := start(t)
	f.s.HandleLocal("panics", func(core.Task) ([]byte, error) { panic("boom") })
	f.register("panics", "LOCAL", `"maxRetries":0`)
	if a := f.invoke("panics", `1`).expect(200); a.str("status") != "error" || a.str("error", "code") != "LOCAL_PANIC" {
		t.Errorf("%s", a.body)
	}

	// The handler runs beside its caller: enqueueing does not wait for it.
	g := f.hold("slow")
	f.register("slow", "LOCAL")
	id := f.enqueue("slow", `1`).expect(202).str("executionId")
	g.arrival(t)
	if s := f.get("/v1/executions/" + id).str("status"); s != "running" {
		t.Errorf("status %s while the handler runs", s)
	}
	g.open()
	f.ended(id)
}
