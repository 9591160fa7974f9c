package server

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"simplane/core"
	"simplane/server/internal/auth"
	"simplane/server/internal/httpjson"
)

// fill makes a path of a route's pattern.
func fill(pattern string) string {
	return strings.NewReplacer("{name}", "none", "{id}", "00000000-0000-4000-8000-000000000000").Replace(pattern)
}

// Every route, on both ports, with every token: the table is the routes' own,
// so a new route is covered when it is added.
func TestEveryRouteAsksForItsScopeOnBothPorts(t *testing.T) {
	f := start(t, func(c *Config) {
		c.InvokeToken = "i"
		c.ManageToken = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("m")))
		c.InternalToken = "x"
	})
	tokens := []struct {
		token string
		opens auth.Scope
	}{{"", auth.ScopePublic}, {"wrong", auth.ScopePublic}, {"i", auth.ScopeInvoke}, {"m", auth.ScopeManage}, {"x", auth.ScopeInternal}}
	for _, base := range []string{f.api, f.mgmt} {
		for _, rt := range f.s.routes {
			for _, tok := range tokens {
				a, err := f.try(base, rt.Method, fill(rt.Path), `{}`, "Authorization", "Bearer "+tok.token)
				if err != nil {
					t.Fatal(err)
				}
				if refused := a.status == 401; refused != (rt.Scope > tok.opens) {
					t.Errorf("%s %s with token %q: status %d, but its scope is %s", rt.Method, rt.Path, tok.token, a.status, rt.Scope)
				}
				if a.status == 401 && (a.str("error") != httpjson.CodeUnauthorized || a.header.Get("WWW-Authenticate") != "Bearer") {
					t.Errorf("%s %s: 401 without its code or challenge: %s", rt.Method, rt.Path, a.body)
				}
			}
		}
	}
	if metrics := string(f.get("/actuator/prometheus").body); !strings.Contains(metrics, `simplane_unauthorized_total{scope="invoke"} `) ||
		strings.Contains(metrics, `simplane_unauthorized_total{scope="internal"} 0`) {
		t.Error("refusals are not counted by scope")
	}
}

// What is bound to the management port is not there on the other one, token or
// not: it is 404 like any unknown path, so that nothing is given away.
func TestRoutesBoundToTheManagementPort(t *testing.T) {
	for _, mode := range []struct{ internal, manage, metrics bool }{{internal: true}, {manage: true}, {metrics: true}, {true, true, true}} {
		f := start(t, func(c *Config) {
			c.InternalOnMgmtOnly, c.ManageOnMgmtOnly, c.MetricsOnMgmtOnly = mode.internal, mode.manage, mode.metrics
			c.InternalToken = "x"
		})
		f.onMgmt("POST", "/v1/functions", `{"name":"f","image":"i","executionMode":"LOCAL"}`, "Authorization", "Bearer x").expect(201)
		for _, rt := range f.s.routes {
			hidden := mode.internal && rt.Scope == auth.ScopeInternal || mode.manage && rt.Scope == auth.ScopeManage || mode.metrics && rt.Path == "/actuator/prometheus"
			a := f.do(rt.Method, fill(rt.Path), `{}`, "Authorization", "Bearer x")
			if unknown := a.status == 404 && strings.Contains(string(a.body), "no such path") || a.status == 405; hidden != unknown {
				t.Errorf("%+v: %s %s on the API port: status %d: %s", mode, rt.Method, rt.Path, a.status, a.body)
			}
			if m := f.onMgmt(rt.Method, fill(rt.Path), `{}`, "Authorization", "Bearer x"); strings.Contains(string(m.body), "no such path") {
				t.Errorf("%+v: %s %s is missing on the management port", mode, rt.Method, rt.Path)
			}
		}
		f.invoke("f", `1`).expect(200) // functions' users are not affected
	}
}

// A completion token opens the completion of its own execution and nothing else.
func TestCompletionTokenOverHTTP(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken = "x" })
	g := f.hold("f")
	f.register("f", "LOCAL")
	first, second := f.enqueue("f", `1`).expect(202).str("executionId"), f.enqueue("f", `2`).expect(202).str("executionId")
	token := f.s.guard.CompletionToken(g.arrival(t).ID)
	mine, other := first, second
	if f.s.guard.CompletionToken(g.arrival(t).ID) == token {
		t.Fatal("two executions share a token")
	}
	id := func(text string) string { return "/v1/internal/executions/" + text + ":complete" }
	if !f.ownsToken(mine, token) {
		mine, other = second, first // they came in the other order
	}
	body := `{"status":"success","output":"called back"}`
	f.do("POST", id(other), body, "X-Completion-Token", token).refused(401, httpjson.CodeUnauthorized)
	f.do("POST", id(mine), body).refused(401, httpjson.CodeUnauthorized)
	f.do("POST", id(mine), body, "X-Completion-Token", strings.Repeat("0", 64)).refused(401, httpjson.CodeUnauthorized)
	f.do("POST", "/v1/internal/functions/f:drain-once", "", "X-Completion-Token", token).refused(401, httpjson.CodeUnauthorized)
	f.do("GET", "/v1/admin/stats", "", "X-Completion-Token", token).refused(401, httpjson.CodeUnauthorized)
	f.do("POST", id(mine), body, "X-Completion-Token", token).expect(204)
	if got := f.ended(mine).str("output"); got != "called back" {
		t.Errorf("output %q", got)
	}
	if got := f.get("/v1/executions/" + other).str("status"); got != "running" {
		t.Errorf("the other execution is %s", got)
	}
	g.open()
}

func (f *fixture) ownsToken(id, token string) bool {
	f.t.Helper()
	parsed, err := core.ParseID(id)
	return err == nil && f.s.guard.CompletionToken(parsed) == token
}
