package server

import (
	"testing"

	"simplane/core"
)

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
