package server

import (
	"strings"
	"testing"
)

func (f *fixture) complete(id, body string) *answer {
	f.t.Helper()
	return f.post("/v1/internal/executions/"+id+":complete", body)
}

func TestCompletionCallback(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.SchedulerOff = true })
	f.register("fn", "LOCAL", `"maxRetries":5`)
	for _, tc := range []struct{ body, status, output, code string }{
		{`{"status":"success","output":{"a": [1]}}`, "success", `{"a":[1]}`, ""},
		{`{"status":"SUCCESS"}`, "success", `null`, ""},
		{`{"status":"success","output":null,"error":{"code":"X"}}`, "success", `null`, ""},
		{`{"status":"error","error":{"code":"MY_CODE","message":"m"},"output":1}`, "error", "", "MY_CODE"},
		{`{"status":"error"}`, "error", "", "FUNCTION_ERROR"},
		{`{"status":"timeout","output":1}`, "timeout", "", ""},
		{`{"success":true,"output":{"a":1},"error":null}`, "success", `{"a":1}`, ""},
		{`{"success":true}`, "success", `null`, ""},
		{`{"success":false,"output":null,"error":{"code":"HANDLER_ERROR","message":"m"}}`, "error", "", "HANDLER_ERROR"},
		{`{"success":false}`, "error", "", "FUNCTION_ERROR"},
	} {
		id := f.enqueue("fn", `1`).expect(202).str("executionId")
		f.complete(id, tc.body).expect(204)
		e := f.get("/v1/executions/" + id).expect(200)
		if e.str("status") != tc.status || e.raw("output") != tc.output || e.str("error", "code") != tc.code || e.num("attempt") != 1 {
			t.Errorf("%s: %s", tc.body, e.body)
		}
		// A second completion changes nothing, whatever it says.
		f.complete(id, `{"status":"error","error":{"code":"LATE"}}`).expect(204)
		if again := f.get("/v1/executions/" + id); string(again.body) != string(e.body) {
			t.Errorf("%s: after a second completion %s", tc.body, again.body)
		}
	}
	if n := f.s.only.core.Function("fn").QueueDepth(); n != 0 {
		t.Errorf("%d completed executions are still queued", n)
	}
}

func TestCompletionWakesTheSyncCallerAndFreesTheSlot(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1`)
	caller := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":1}`)
		caller <- a
	}()
	task := g.arrival(t)
	next := f.enqueue("fn", `2`).expect(202).str("executionId")
	f.complete(task.ID.String(), `{"status":"success","output":"from outside","coldStart":true,"initDurationMs":12}`).expect(204)
	if a := receive(t, "the caller's answer", caller); a == nil || a.str("output") != "from outside" {
		t.Errorf("caller: %+v", a)
	}
	if e := f.get("/v1/executions/" + task.ID.String()); e.raw("coldStart") != "true" || e.num("initDurationMs") != 12 {
		t.Errorf("cold start: %s", e.body)
	}
	if got := g.arrival(t).ID.String(); got != next {
		t.Errorf("the slot went to %s", got)
	}
	g.open()
	f.ended(next)
	if e := f.get("/v1/executions/" + task.ID.String()); e.str("output") != "from outside" {
		t.Errorf("the dispatch's own late result won: %s", e.body)
	}
}

func TestCompletionRefusals(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.SchedulerOff = true })
	f.register("fn", "LOCAL")
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	for _, tc := range []struct{ body, code, detail string }{
		{``, "MALFORMED_JSON", ""},
		{`{`, "MALFORMED_JSON", ""},
		{`[]`, "MALFORMED_JSON", ""},
		{`{"status":"success"} x`, "MALFORMED_JSON", ""},
		{"{\"status\":\"success\",\"output\":\"\xff\"}", "MALFORMED_JSON", ""},
		{`{}`, "VALIDATION_ERROR", "status: "},
		{`{"status":"done"}`, "VALIDATION_ERROR", "status: "},
		{`{"status":"queued"}`, "VALIDATION_ERROR", "status: "},
		{`{"status":"running"}`, "VALIDATION_ERROR", "status: "},
		{`{"status":7}`, "VALIDATION_ERROR", "status: "},
		{`{"status":"error","error":"text"}`, "VALIDATION_ERROR", "error: "},
		{`{"status":"success","coldStart":"yes"}`, "VALIDATION_ERROR", "coldStart: "},
		{`{"status":"success","initDurationMs":1.5}`, "VALIDATION_ERROR", "initDurationMs: "},
	} {
		a := f.complete(id, tc.body).refused(400, tc.code)
		if !strings.HasPrefix(a.details(), tc.detail) {
			t.Errorf("%s: details %q", tc.body, a.details())
		}
	}
	if s := f.get("/v1/executions/" + id).str("status"); s != "queued" {
		t.Errorf("refused completions left the execution %s", s)
	}
	f.complete("7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11", `{"status":"success"}`).refused(404, "NOT_FOUND")
	f.complete("7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11", `{"status":"nonsense"}`).refused(404, "NOT_FOUND")
	f.complete("nonsense", `{"status":"success"}`).refused(404, "NOT_FOUND")

	// Absurd times stay within what a client can read.
	f.complete(id, `{"status":"success","coldStart":true,"initDurationMs":9223372036854775807}`).expect(204)
	if n := f.get("/v1/executions/" + id).num("initDurationMs"); n != 2147483647 {
		t.Errorf("initDurationMs %v", n)
	}
	if n := f.series(`function_init_duration_ms_sum{function="fn"}`); n != -1 { // no series: it never ran
		t.Errorf("function_init_duration_ms_sum is %v", n)
	}
}
