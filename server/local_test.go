package server

import (
	"strings"
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

// A large input is kept in the memory it was read into: what comes later on the
// same connection, and is refused or joins, changes no earlier execution.
func TestLargeInputsAreKeptApart(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	large := func(c string, size int) string { return `"` + strings.Repeat(c, size) + `"` }
	kept := map[string]string{}
	for i, size := range []int{5_000, 70_000, 1_000_000} {
		for j, c := range []string{"a", "b", "c"} {
			in := large(c, size)
			a := f.invoke("echo", in).expect(200)
			if a.raw("output") != in {
				t.Fatalf("%d bytes of output for %d of input", len(a.raw("output")), len(in))
			}
			kept[a.str("executionId")] = in
			key := strings.Repeat("k", i+1)
			id := f.enqueue("echo", large("k", size), "Idempotency-Key", key).expect(202).str("executionId")
			kept[id] = large("k", size)
			if again := f.enqueue("echo", large("k", size), "Idempotency-Key", key).expect(202).str("executionId"); again != id {
				t.Errorf("joined %s, not %s", again, id)
			}
			f.enqueue("echo", large("x", size+j), "Idempotency-Key", key).expect(422)
			f.invoke("nobody", large("y", size)).expect(404)
			f.ended(id)
		}
	}
	for id, in := range kept {
		if got := f.get("/v1/executions/" + id).expect(200).raw("output"); got != in {
			t.Errorf("an output of %d bytes is now %.20s… of %d", len(in), got, len(got))
		}
	}
}
