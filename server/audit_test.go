package server

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/auth"
)

func hashOf(token string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(token))) }

// auditLines are the lines of the log about changes, or about refusals.
func (f *fixture) auditLines(message string) (lines []string) {
	for line := range strings.Lines(f.log.String()) {
		if strings.Contains(line, " msg="+message+" ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

const (
	auditChange  = "audit"
	auditRefused = `"audit: refused"`
)

// Every route that changes something leaves one line with who it was; what
// only reads leaves none. The table is the routes' own.
func TestAuditCoversEveryChange(t *testing.T) {
	f := start(t, func(c *Config) {
		c.InvokeToken, c.ManageToken, c.InternalToken = "i", "ci="+hashOf("m"), "ops="+hashOf("x")+",plain-x"
	})
	f.do("POST", "/v1/functions", `{"name":"none","image":"i","executionMode":"LOCAL"}`, "Authorization", "Bearer m").expect(201)
	callers := []struct {
		token, who string
		opens      auth.Scope
	}{{"m", "token:ci", auth.ScopeManage}, {"x", "token:ops", auth.ScopeInternal}, {"plain-x", "token:internalToken#2", auth.ScopeInternal}}
	for _, rt := range f.s.routes {
		for _, by := range callers {
			if rt.Scope > by.opens {
				continue
			}
			before := len(f.auditLines(auditChange))
			a := f.do(rt.Method, fill(rt.Path), `{}`, "Authorization", "Bearer "+by.token)
			lines := f.auditLines(auditChange)[before:]
			changes := rt.Scope >= auth.ScopeManage && rt.Method != "GET" && !rt.ChangesNothing
			if changes != (len(lines) == 1) || !changes && len(lines) > 0 {
				t.Errorf("%s %s: audit lines %q", rt.Method, rt.Path, lines)
				continue
			}
			if changes && !regexp.MustCompile(` who=`+by.who+` remote=127\.0\.0\.1:\d+ method=`+rt.Method+` path=`+regexp.QuoteMeta(fill(rt.Path))+` status=`+strconv.Itoa(a.status)+`\b`).MatchString(lines[0]) {
				t.Errorf("%s %s by %s: %s", rt.Method, rt.Path, by.who, lines[0])
			}
		}
	}
	f.hidesSecrets("plain-x", hashOf("m")[7:], hashOf("x")[7:])
}

func (f *fixture) hidesSecrets(secrets ...string) {
	f.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(f.log.String(), secret) {
			f.t.Errorf("%q is in the log", secret)
		}
	}
}

// What a path does not tell is told beside it.
func TestAuditTellsWhat(t *testing.T) {
	f := start(t)
	g := f.hold("slow")
	f.register("fn", "LOCAL")
	f.register("slow", "LOCAL")
	id := f.enqueue("slow", `1`).expect(202).str("executionId")
	g.arrival(t)
	f.complete(id, `{"status":"error"}`).expect(204)
	f.do("PATCH", runtimeConfigPath, `{"expectedRevision":1,"rateMaxPerSecond":5}`).expect(200)
	f.post("/v1/functions/fn/dead-letters:redrive", `{"all":true}`).expect(200)
	f.do("DELETE", "/v1/functions/fn/dead-letters", "").expect(204)
	f.do("DELETE", "/v1/functions/fn", "").expect(204)
	log := strings.Join(f.auditLines(auditChange), "\n")
	for _, want := range []string{
		"path=/v1/functions status=201 function=fn mode=LOCAL", ":complete status=204 as=error", "runtime-config status=200 revision=2",
		"dead-letters:redrive status=200 redriven=0 failed=0", "dead-letters status=204 purged=0", "method=DELETE path=/v1/functions/fn status=204",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no audit line has %q:\n%s", want, log)
		}
	}
	if n := strings.Count(log, "who=anonymous "); n != strings.Count(log, "\n")+1 {
		t.Errorf("%d lines are anonymous, want all:\n%s", n, log)
	}
}

// A function that completes its own execution is no operator.
func TestAuditLeavesOwnCompletionsOut(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken = "x" })
	g := f.hold("fn")
	f.register("fn", "LOCAL")
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	token := f.s.guard.CompletionToken(g.arrival(t).ID)
	f.do("POST", "/v1/internal/executions/"+id+":complete", `{"status":"success"}`, "X-Completion-Token", token).expect(204)
	if lines := f.auditLines(auditChange); len(lines) != 1 || !strings.Contains(lines[0], "function=fn") {
		t.Errorf("audit lines: %q", lines)
	}
}

func TestAuditNamesClientCertificates(t *testing.T) {
	ours := newAuthority(t, "ours")
	certFile, keyFile := ours.issue(time.Hour)
	f := start(t, func(c *Config) {
		c.TLSCert, c.TLSKey, c.TLSClientCA, c.ManageToken = certFile, keyFile, ours.file, "ci="+hashOf("m")
	})
	c := ours.client(ours, time.Hour, nil)
	for _, tc := range []struct{ method, path, token, want string }{
		{"POST", "/v1/functions", "m", `msg=audit who="token:ci cert:peer" remote=127`},
		{"PATCH", runtimeConfigPath, "", `msg=audit who=cert:peer remote=127`},
		{"PATCH", runtimeConfigPath, "nobody's", `msg=audit who=cert:peer remote=127`},
		{"DELETE", "/v1/functions/fn", "nobody's", `msg="audit: refused" who=cert:peer remote=127`},
	} {
		before := len(f.log.String())
		req, _ := http.NewRequest(tc.method, "https://"+f.s.Addr()+tc.path, strings.NewReader("{}"))
		req.Header.Set("Authorization", "Bearer "+tc.token)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if log := f.log.String()[before:]; !strings.Contains(log, tc.want) {
			t.Errorf("%s %s with token %q: no %s in %s", tc.method, tc.path, tc.token, tc.want, log)
		}
	}
}

func TestAuditTellsRefusals(t *testing.T) {
	f := start(t, func(c *Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "caller="+hashOf("i"), "m", "x" })
	for _, tc := range []struct {
		method, path, token, site string
		want                      string // "" for no line
	}{
		{"POST", "/v1/functions", "", "", "who=anonymous remote=127.0.0.1:* method=POST path=/v1/functions status=401 scope=manage"},
		{"GET", "/v1/admin/stats", "guess", "", "who=anonymous remote=127.0.0.1:* method=GET path=/v1/admin/stats status=401 scope=internal"},
		{"DELETE", "/v1/functions/fn", "i", "", "who=token:caller remote=127.0.0.1:* method=DELETE path=/v1/functions/fn status=401 scope=manage"},
		{"POST", "/v1/functions", "m", "cross-site", "who=token:manageToken#1 remote=127.0.0.1:* method=POST path=/v1/functions status=403 scope=manage"},
		{"GET", "/v1/functions", "m", "", ""},
		{"POST", "/v1/functions/none:invoke", "i", "", ""}, // 404 is no refusal
		{"GET", "/actuator/health", "guess", "", ""},
	} {
		before := len(f.auditLines(auditRefused))
		headers := []string{"Authorization", "Bearer " + tc.token}
		if tc.site != "" {
			headers = append(headers, "Sec-Fetch-Site", tc.site)
		}
		f.do(tc.method, tc.path, `{"input":1}`, headers...)
		got := strings.Join(f.auditLines(auditRefused)[before:], "\n")
		pattern := strings.ReplaceAll(regexp.QuoteMeta(tc.want), `\*`, `\d+`) + "$"
		if tc.want == "" && got != "" || !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%s %s with %v: refusals logged %q, want %q", tc.method, tc.path, headers, got, tc.want)
		}
	}
	f.hidesSecrets("guess", hashOf("i")[7:])
}

func TestRuntimeConfigHistory(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken = "ops=" + hashOf("x"); c.Core.RateMaxPerSecond = 1000 })
	call := func(method, path, body string) *answer { return f.do(method, path, body, "Authorization", "Bearer x") }
	history := func() *answer { return call("GET", runtimeConfigPath+"/history", "").expect(200) }
	if a := history(); string(a.body) != `{"changes":[],"revision":1}` {
		t.Errorf("at first: %s", a.body)
	}
	call("PATCH", runtimeConfigPath, `{"expectedRevision":1,"rateMaxPerSecond":7,"syncQueueEnabled":true,"syncQueueMaxEstimatedWait":"PT0.5S","syncQueueMaxQueueWait":"PT0.5S"}`).expect(200)
	call("PATCH", runtimeConfigPath, `{"expectedRevision":1,"rateMaxPerSecond":8}`).expect(409)
	call("PATCH", runtimeConfigPath, `{"expectedRevision":2,"rateMaxPerSecond":-1}`).expect(422)
	cfg := f.s.cfg
	cfg.Core.RateMaxPerSecond = 9
	f.s.Reload(cfg)
	f.s.Reload(cfg) // changes nothing: no revision
	a := history()
	changes, _ := a.value("changes").([]any)
	if len(changes) != 2 || a.num("revision") != 3 {
		t.Fatalf("history: %s", a.body)
	}
	for i, want := range []string{
		`{"atMillis":0,"changes":[{"from":7,"key":"rateMaxPerSecond","to":9},{"from":true,"key":"syncQueueEnabled","to":false},{"from":"PT0.5S","key":"syncQueueMaxEstimatedWait","to":"PT2S"},{"from":"PT0.5S","key":"syncQueueMaxQueueWait","to":"PT2S"}],"revision":3,"who":"signal:SIGHUP"}`,
		`{"atMillis":0,"changes":[{"from":1000,"key":"rateMaxPerSecond","to":7},{"from":false,"key":"syncQueueEnabled","to":true},{"from":"PT2S","key":"syncQueueMaxEstimatedWait","to":"PT0.5S"},{"from":"PT2S","key":"syncQueueMaxQueueWait","to":"PT0.5S"}],"remote":"REMOTE","revision":2,"who":"token:ops"}`,
	} {
		c := changes[i].(map[string]any)
		if at := fmt.Sprint(c["atMillis"]); len(at) != 13 {
			t.Errorf("at %s", at)
		}
		c["atMillis"] = 0
		if remote, ok := c["remote"].(string); ok && strings.HasPrefix(remote, "127.0.0.1:") {
			c["remote"] = "REMOTE"
		}
		if got := mustText(t, c); got != want {
			t.Errorf("change %d:\n%s\nwant\n%s", i, got, want)
		}
	}
	for _, want := range []string{
		`msg="runtime configuration changed" revision=2 who=token:ops remote=127.0.0.1:`, `changes="rateMaxPerSecond: 1000 -> 7, syncQueueEnabled: false -> true, syncQueueMaxEstimatedWait: PT2S -> PT0.5S, syncQueueMaxQueueWait: PT2S -> PT0.5S"`,
		`msg="runtime configuration changed" revision=3 who=signal:SIGHUP remote="" changes="rateMaxPerSecond: 7 -> 9`, `nothing of it changed" who=signal:SIGHUP revision=3`,
	} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, f.log)
		}
	}

	// The list is bounded: the oldest go.
	const kept = 50
	for r := 3; r < 3+2*kept; r++ {
		call("PATCH", runtimeConfigPath, fmt.Sprintf(`{"expectedRevision":%d,"rateMaxPerSecond":%d}`, r, r)).expect(200)
	}
	changes, _ = history().value("changes").([]any)
	newest, oldest := changes[0].(map[string]any)["revision"], changes[len(changes)-1].(map[string]any)["revision"]
	if len(changes) != kept || fmt.Sprint(newest) != "103" || fmt.Sprint(oldest) != "54" {
		t.Errorf("%d changes, from revision %v to %v", len(changes), oldest, newest)
	}
}

func mustText(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
