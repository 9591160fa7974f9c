package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"simplane/server/harness/specs"
)

func TestValidationNamesEveryViolation(t *testing.T) {
	f := start(t)
	for i, tc := range specs.Cases {
		body := strings.ReplaceAll(tc.Body, "NAME", fmt.Sprintf("f%d", i))
		a := f.post("/v1/functions", body)
		if tc.Want == "" {
			a.expect(201)
			continue
		}
		a.refused(400, "VALIDATION_ERROR")
		if got := a.str("message"); got != "Request validation failed" {
			t.Errorf("%s: message %q", body, got)
		}
		details := strings.Split(a.details(), "\n")
		want := strings.Split(tc.Want, "\n")
		if len(details) != len(want) {
			t.Errorf("%s: details %q, want %q", body, details, want)
		}
		for _, w := range want {
			if !slices.ContainsFunc(details, func(d string) bool { return strings.HasPrefix(d, w) }) {
				t.Errorf("%s: no detail %q in %q", body, w, details)
			}
		}
	}
}

// A name in another case is a member that is not known.
func TestMembersHaveExactNames(t *testing.T) {
	f := start(t)
	f.post("/v1/functions", `{"name":"a","NAME":"b","executionMode":"LOCAL","Concurrency":7,"queueSize":9,"QUEUESIZE":"x","retryBackoff":{"initialMs":5,"INITIALMS":6}}`).expect(201)
	got := f.get("/v1/functions/a").expect(200)
	if got.num("concurrency") != 4 || got.num("queueSize") != 9 || got.num("retryBackoff", "initialMs") != 5 {
		t.Errorf("registered %s", got.body)
	}
	f.get("/v1/functions/b").refused(404, "NOT_FOUND")
	f.post("/v1/functions", `{"NAME":"c","executionMode":"LOCAL"}`).refused(400, "VALIDATION_ERROR")
	f.post("/v1/functions/a:rollback", `{"Generation":1}`).refused(400, "VALIDATION_ERROR")
	revision := f.get(runtimeConfigPath).expect(200)
	patched := f.do("PATCH", runtimeConfigPath, `{"expectedRevision":`+revision.raw("revision")+`,"rateMaxPerSecond":77,"RateMaxPerSecond":78}`).expect(200)
	if patched.raw("rateMaxPerSecond") != "77" {
		t.Errorf("patched to %s", patched.body)
	}
	id := f.post("/v1/functions/a:enqueue", `{"input":1}`).expect(202).str("executionId")
	f.post("/v1/internal/executions/"+id+":complete", `{"STATUS":"success"}`).refused(400, "VALIDATION_ERROR")
}

func TestFunctionControllerLifecycle(t *testing.T) {
	f := start(t)
	if got := string(f.get("/v1/functions").expect(200).body); got != "[]" {
		t.Errorf("no functions: %s, want []", got)
	}
	f.get("/v1/functions/a").refused(404, "NOT_FOUND")
	f.do("DELETE", "/v1/functions/a", "").refused(404, "NOT_FOUND")

	created := f.post("/v1/functions", `{"name":"a","image":"img","executionMode":"LOCAL"}`).expect(201)
	f.post("/v1/functions", `{"name":"a","image":"other","executionMode":"LOCAL"}`).refused(409, "ALREADY_EXISTS")
	if read := f.get("/v1/functions/a").expect(200); string(read.body) != string(created.body) {
		t.Errorf("read %s, registered %s", read.body, created.body)
	}

	for _, name := range []string{"c", "B", "b.1", "a-2"} {
		f.register(name, "LOCAL")
	}
	var list []struct{ Name string }
	if err := json.Unmarshal(f.get("/v1/functions").expect(200).body, &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, fn := range list {
		names = append(names, fn.Name)
	}
	if want := []string{"B", "a", "a-2", "b.1", "c"}; !slices.Equal(names, want) {
		t.Errorf("list %v, want %v", names, want)
	}

	f.do("DELETE", "/v1/functions/a", "").expect(204)
	f.get("/v1/functions/a").refused(404, "NOT_FOUND")
	f.register("a", "LOCAL") // the name is free again
}

func TestRegisteredSpecIsEchoedWithDefaults(t *testing.T) {
	f := start(t)
	a := f.post("/v1/functions", `{"name":"a","image":"img","executionMode":"LOCAL"}`).expect(201)
	// An empty list is [] and not null, so that clients can iterate over it.
	const want = `{"name":"a","image":"img","executionMode":"LOCAL","runtimeMode":"HTTP","concurrency":4,"queueSize":100,` +
		`"maxRetries":3,"timeoutMillis":30000,"retryBackoff":{"initialMs":100,"maxMs":10000,"multiplier":2,"jitter":0.2},"commands":[],"invokePath":"/","bodyMode":"envelope","healthCheck":{"type":"http","path":"/health"},"env":{},"imagePullSecrets":[],"rateMaxPerSecond":0,"generation":1}`
	if string(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}

	// The default mode, and every field there and back.
	full := `{"name":"full","image":"i","executionMode":"DEPLOYMENT","runtimeMode":"STDIO","concurrency":2,"queueSize":3,"maxRetries":0,` +
		`"timeoutMillis":5,"retryBackoff":{"initialMs":5,"maxMs":50,"multiplier":1.5,"jitter":0},"endpointUrl":"http://h:1/p","commands":[],"workingDirectory":"/tmp","invokePath":"/p","bodyMode":"raw","healthCheck":{"type":"tcp"},"env":{"K":"v"},` +
		`"resources":{"cpu":"500m","memory":"64Mi"},"imagePullSecrets":["s"],"scalingConfig":{"strategy":"HPA","minReplicas":0,"maxReplicas":7,` +
		`"metrics":[{"type":"prometheus","target":1.5,"name":"q"}],"concurrencyControl":{"mode":"ADAPTIVE_PER_POD","targetInFlightPerPod":3,` +
		`"minTargetInFlightPerPod":1,"maxTargetInFlightPerPod":9,"upscaleCooldownMs":1,"downscaleCooldownMs":2,"highLoadThreshold":0.9,"lowLoadThreshold":0.1}},` +
		`"rateMaxPerSecond":11}`
	if got := f.post("/v1/functions", full).expect(201); string(got.body) != strings.TrimSuffix(full, "}")+`,"generation":1}` {
		t.Errorf("got  %s\nwant %s", got.body, full)
	}
	aliased := f.post("/v1/functions", `{"name":"aliased","image":"i","url":"http://h:1","timeoutMs":77}`).expect(201)
	if aliased.str("endpointUrl") != "http://h:1" || aliased.num("timeoutMillis") != 77 || aliased.str("executionMode") != "DEPLOYMENT" {
		t.Errorf("aliases url, timeoutMs and the default mode: %s", aliased.body)
	}
	if has := strings.Contains(string(aliased.body), `"url"`) || strings.Contains(string(aliased.body), `"timeoutMs"`); has {
		t.Errorf("aliases are echoed: %s", aliased.body)
	}
}

func TestDeploymentWithoutAProvider(t *testing.T) {
	f := start(t)
	a := f.post("/v1/functions", `{"name":"d","image":"img"}`).refused(422, "NO_PROVIDER")
	if !strings.Contains(a.str("message"), "endpointUrl") {
		t.Errorf("the message does not say what to do: %s", a.body)
	}
	f.get("/v1/functions/d").refused(404, "NOT_FOUND")
}

func TestDeleteEndsQueuedWork(t *testing.T) {
	f := start(t)
	g := f.hold("a")
	f.register("a", "LOCAL", `"concurrency":1`)
	running := f.enqueue("a", `1`).expect(202).str("executionId")
	g.arrival(t)
	queued := f.enqueue("a", `2`).expect(202).str("executionId")
	caller := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/a:invoke", `{"input":3}`)
		caller <- a
	}()
	f.eventually("the sync caller is queued", func() bool { return f.s.only.core.Function("a").QueueDepth() == 2 })

	f.do("DELETE", "/v1/functions/a", "").expect(204)
	if got := f.get("/v1/executions/" + queued).expect(200); got.str("status") != "error" || got.str("error", "code") != "FUNCTION_DELETED" {
		t.Errorf("queued: %s", got.body)
	}
	if a := receive(t, "the sync caller's answer", caller); a == nil || a.status != 200 || a.str("error", "code") != "FUNCTION_DELETED" {
		t.Errorf("sync caller: %+v", a)
	}
	g.open()
	if got := f.ended(running); got.str("status") != "success" {
		t.Errorf("running: %s", got.body)
	}
}

func TestReplicas(t *testing.T) {
	f := start(t)
	f.do("PUT", "/v1/functions/none/replicas", `{"replicas":1}`).refused(404, "NOT_FOUND")
	f.register("local", "LOCAL")
	f.register("dep", "DEPLOYMENT", `"endpointUrl":"http://127.0.0.1:1"`)
	f.do("PUT", "/v1/functions/local/replicas", `{"replicas":1}`).refused(400, "VALIDATION_ERROR")
	for _, body := range []string{`{}`, `{"replicas":-1}`, `{"replicas":"1"}`, `{"replicas":1.5}`, `{"replicas":null}`, `{"replicas":1000000}`} {
		a := f.do("PUT", "/v1/functions/dep/replicas", body).refused(400, "VALIDATION_ERROR")
		if !strings.HasPrefix(a.details(), "replicas: ") {
			t.Errorf("%s: details %q", body, a.details())
		}
	}
	f.do("PUT", "/v1/functions/dep/replicas", `{"replicas":`).refused(400, "MALFORMED_JSON")
	f.do("PUT", "/v1/functions/dep/replicas", `{"replicas":2}`).refused(503, "NO_PROVIDER")
}

func TestFunctionLimit(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.MaxFunctions = 1 })
	f.register("a", "LOCAL")
	f.post("/v1/functions", `{"name":"b","image":"i","executionMode":"LOCAL"}`).refused(503, "FUNCTION_LIMIT")
	f.do("DELETE", "/v1/functions/a", "").expect(204)
	f.register("b", "LOCAL")
}
