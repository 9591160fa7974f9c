package server

import (
	"strings"
	"testing"

	"simplane/server/internal/auth"
)

// Every route of a protected scope asks for its token on both addresses;
// public ones never do.
func TestBearerTokenOnEveryRoute(t *testing.T) {
	f := start(t, func(c *Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "i-token", "m-token", "x-token" })
	tokens := map[auth.Scope]string{auth.ScopeInvoke: "i-token", auth.ScopeManage: "m-token", auth.ScopeInternal: "x-token"}
	for _, rt := range f.s.routes {
		path := strings.NewReplacer("{name}", "none", "{id}", "7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11").Replace(rt.Path)
		for _, base := range []string{f.api, f.mgmt} {
			call := func(headers ...string) *answer {
				a, err := f.try(base, rt.Method, path, "", headers...)
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			if rt.Scope == auth.ScopePublic {
				call().expect(200)
				continue
			}
			for _, headers := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", "Bearer "}, {"Authorization", tokens[rt.Scope]}, {"Authorization", "Basic " + tokens[rt.Scope]}} {
				a := call(headers...).refused(401, "UNAUTHORIZED")
				if a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: WWW-Authenticate %q", a.what, a.header.Get("WWW-Authenticate"))
				}
			}
			for s := auth.ScopeInvoke; s <= auth.ScopeInternal; s++ {
				a := call("Authorization", "Bearer "+tokens[s])
				if refused := a.status == 401; refused != (s < rt.Scope) {
					t.Errorf("%s with a token of scope %s: %d", a.what, s, a.status)
				}
			}
		}
	}
}

func TestWrongTokenChangesNothing(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken, c.Core.SchedulerOff = "x", true })
	f.register("fn", "LOCAL") // other scopes are open without tokens of their own
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	f.post("/v1/internal/functions/fn:drain-once", "").refused(401, "UNAUTHORIZED")
	f.complete(id, `{"status":"success"}`).refused(401, "UNAUTHORIZED")
	f.do("PATCH", "/v1/admin/runtime-config", `{"expectedRevision":0,"rateMaxPerSecond":1}`).refused(401, "UNAUTHORIZED")
	if s := f.get("/v1/executions/" + id).str("status"); s != "queued" {
		t.Errorf("the execution is %s", s)
	}
	f.post("/v1/internal/functions/fn:drain-once", "", "Authorization", "Bearer x").expect(200)
}

func TestInternalRoutesOnTheManagementAddressOnly(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalOnMgmtOnly = true })
	f.register("fn", "LOCAL")
	for _, rt := range f.s.routes {
		if rt.Scope != auth.ScopeInternal {
			continue
		}
		path := strings.NewReplacer("{name}", "fn", "{id}", "7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11").Replace(rt.Path)
		a, err := f.try(f.api, rt.Method, path, "{}")
		if err != nil {
			t.Fatal(err)
		}
		if a.status != 404 && a.status != 405 {
			t.Errorf("%s on the API address: %d %s", a.what, a.status, a.body)
		}
		if a, err = f.try(f.mgmt, rt.Method, path, "{}"); err != nil || a.status == 405 || a.status == 404 && !strings.Contains(string(a.body), "execution") && !strings.Contains(string(a.body), "NO_CLUSTER") {
			t.Errorf("%s on the management address: %+v %v", path, a, err)
		}
	}
	f.get("/actuator/health").expect(200)
	f.get("/actuator/prometheus").expect(200)
}

func TestFunctionMayCompleteItsOwnExecutionOnly(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken, c.Core.SchedulerOff = "x", true })
	f.register("fn", "LOCAL")
	mine := f.enqueue("fn", `1`).expect(202).str("executionId")
	other := f.enqueue("fn", `1`).expect(202).str("executionId")
	snap := func(id string) string { return f.get("/v1/executions/" + id).str("status") }
	task := f.s.guard.CompletionToken(mustID(t, mine))
	post := func(id string, token string) *answer {
		return f.post("/v1/internal/executions/"+id+":complete", `{"status":"success"}`, "X-Completion-Token", token)
	}
	post(other, task).refused(401, "UNAUTHORIZED")
	post(mine, "").refused(401, "UNAUTHORIZED")
	post(mine, task[:len(task)-1]).refused(401, "UNAUTHORIZED")
	if snap(mine) != "queued" || snap(other) != "queued" {
		t.Error("a wrong token completed an execution")
	}
	post(mine, task).expect(204)
	if snap(mine) != "success" {
		t.Error("the right token did not")
	}
	f.post("/v1/internal/functions/fn:drain-once", "", "Authorization", "Bearer x").expect(200)
}
