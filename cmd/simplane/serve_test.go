package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The whole way over real sockets: client, simplane, and a function in a
// process of its own.
func TestServeWithARealFunctionProcess(t *testing.T) {
	fn, s := startFunction(t), serve(t)
	for _, tc := range []struct {
		path, more           string
		status, code, output string
		attempts             float64
		coldStart            bool
	}{
		{path: "/slow", status: "success", output: "slow", attempts: 1},
		{path: "/text", status: "success", output: "plain words", attempts: 1},
		{path: "/cold", status: "success", output: "map[]", attempts: 1, coldStart: true},
		{path: "/fail", more: `,"maxRetries":2`, status: "error", code: "POOL_ERROR", attempts: 3},
		{path: "/drop", more: `,"maxRetries":1`, status: "error", code: "POOL_ERROR", attempts: 2},
		{path: "/huge", more: `,"maxRetries":0`, status: "error", code: "POOL_ERROR", attempts: 1},
		{path: "/html", status: "success", output: "<p>an error page</p>", attempts: 1}, // text/* is a string
		{path: "/broken", more: `,"maxRetries":0`, status: "error", code: "POOL_ERROR", attempts: 1},
		{path: "/not-there", more: `,"maxRetries":0`, status: "error", code: "POOL_ERROR", attempts: 1},
		{path: "/hang", more: `,"timeoutMillis":100`, status: "timeout", attempts: 1},
	} {
		name := "fn" + strings.ReplaceAll(tc.path, "/", "-")
		s.register(name, fn.url+tc.path, tc.more)
		status, sync := s.call("POST", "/v1/functions/"+name+":invoke", `{"input":{"n":1}}`)
		if status != 200 {
			t.Errorf("%s: %d %v", tc.path, status, sync)
		}
		status, async := s.call("POST", "/v1/functions/"+name+":enqueue", `{"input":{"n":1}}`)
		if status != 202 || async["status"] != "queued" {
			t.Errorf("%s: %d %v", tc.path, status, async)
		}
		for _, id := range []any{sync["executionId"], async["executionId"]} {
			var e map[string]any
			s.eventually(tc.path+" ends", func() bool {
				_, e = s.call("GET", fmt.Sprint("/v1/executions/", id), "")
				return e["status"] != "queued" && e["status"] != "running"
			})
			code := ""
			if failure, ok := e["error"].(map[string]any); ok {
				code, _ = failure["code"].(string)
			}
			output := ""
			if e["output"] != nil {
				output = fmt.Sprint(e["output"])
			}
			if e["status"] != tc.status || code != tc.code || output != tc.output || e["attempt"] != tc.attempts || e["coldStart"] != tc.coldStart {
				t.Errorf("%s: %v", tc.path, e)
			}
			if tc.coldStart && e["initDurationMs"] != 37.0 {
				t.Errorf("%s: initDurationMs %v", tc.path, e["initDurationMs"])
			}
		}
	}

	s.register("echo", fn.url+"/echo", "")
	_, body := s.call("POST", "/v1/functions/echo:invoke", `{"input":[1,2]}`, "X-Trace-Id", "t", "Idempotency-Key", "k")
	if want := fmt.Sprintf("map[id:%v input:[1 2] key:k trace:t]", body["executionId"]); fmt.Sprint(body["output"]) != want {
		t.Errorf("got %v, want %s", body["output"], want)
	}

	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != 0 {
		t.Errorf("exit code %d; stderr: %s", code, s.stderr)
	}
}

func TestServeSIGTERMLetsWorkFinish(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		fn, s := startFunction(t), serve(t)
		s.register("gated", fn.url+"/gate", "")
		type result struct {
			status int
			body   map[string]any
			err    error
		}
		done := make(chan result, 1)
		go func() {
			status, body, err := s.try("POST", "/v1/functions/gated:invoke", `{"input":1}`)
			done <- result{status, body, err}
		}()
		s.eventually("the call is running", func() bool {
			_, st := s.call("GET", "/v1/functions/gated/stats", "")
			return st["inFlight"] == 1.0
		})
		s.signal(signal)
		s.eventually("readiness goes down", func() bool {
			status, _ := s.call("GET", "/actuator/health/readiness", "")
			return status == 503
		})
		if status, body := s.call("POST", "/v1/functions/gated:enqueue", `{"input":1}`); status != 503 || body["error"] != "DRAINING" {
			t.Errorf("new work: %d %v", status, body)
		}
		if status, _ := s.call("GET", "/actuator/health/liveness", ""); status != 200 {
			t.Errorf("liveness %d", status)
		}
		fn.call("POST", "/open", "")
		if r := <-done; r.err != nil || r.status != 200 || r.body["output"] != "through the gate" {
			t.Errorf("%+v", r)
		}
		if code := s.exit(); code != 0 {
			t.Errorf("exit code %d; stderr: %s", code, s.stderr)
		}
	}
}

func TestServeReportsWorkItLeaves(t *testing.T) {
	fn, s := startFunction(t), serve(t, "--shutdown-grace=100ms")
	s.register("hanging", fn.url+"/hang", `,"concurrency":1`)
	s.call("POST", "/v1/functions/hanging:enqueue", `{"input":1}`)
	s.call("POST", "/v1/functions/hanging:enqueue", `{"input":1}`)
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if last := lastLine(s.stderr.String()); last != "simplane: stopped with 1 executions queued and 1 running that had been accepted" {
		t.Errorf("the last line of stderr is %q", last)
	}
}

func TestServeSecondSignalEndsItAtOnce(t *testing.T) {
	fn, s := startFunction(t), serve(t, "--shutdown-grace=1h")
	s.register("hanging", fn.url+"/hang", "")
	s.call("POST", "/v1/functions/hanging:enqueue", `{"input":1}`)
	s.signal(syscall.SIGTERM)
	s.eventually("the shutdown begins", func() bool { return strings.Contains(s.stderr.String(), "shutting down") })
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != -1 {
		t.Errorf("exit code %d, want a death by signal", code)
	}
}

func TestServeAfterSIGKILL(t *testing.T) {
	fn, s := startFunction(t), serve(t)
	s.register("gated", fn.url+"/gate", "")
	s.call("POST", "/v1/functions/gated:enqueue", `{"input":1}`)
	api, mgmt := strings.TrimPrefix(s.api, "http://"), strings.TrimPrefix(s.mgmt, "http://")
	s.signal(syscall.SIGKILL)
	s.exit()

	// The same ports, at once; and the function is as it was.
	again := serve(t, "--addr="+api, "--mgmt-addr="+mgmt)
	if again.api != s.api {
		t.Errorf("listens at %s, not %s", again.api, s.api)
	}
	if status, _ := again.call("GET", "/v1/functions/gated", ""); status != 404 {
		t.Errorf("what was in memory is there again: %d", status)
	}
	again.register("echo", fn.url+"/echo", "")
	if status, body := again.call("POST", "/v1/functions/echo:invoke", `{"input":1}`); status != 200 || body["status"] != "success" {
		t.Errorf("%d %v", status, body)
	}
}

func TestServePortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, flag := range []string{"addr", "mgmt-addr"} {
		p := launch(t, "simplane", "serve", "--addr=127.0.0.1:0", "--mgmt-addr=127.0.0.1:0", "--"+flag+"="+taken.Addr().String())
		if code := p.exit(); code != 1 || p.ready != "" {
			t.Errorf("--%s: exit code %d, output %q", flag, code, p.ready)
		}
		want := fmt.Sprintf("simplane: %s %s: the port is taken; stop what listens there or choose another (port 0 picks a free one)", flag, taken.Addr())
		if got := lastLine(p.stderr.String()); got != want {
			t.Errorf("--%s: the last line of stderr is %q, want %q", flag, got, want)
		}
	}
}

func TestServeUsageErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unknown, wrong, syntax := file("unknown.yaml", "\naddres: x\n"), file("wrong.yaml", "ttl: 5s\nmaxFunctions: 0\n"), file("syntax.yaml", "a: [\n")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--config", unknown}, unknown + `:2: unknown key "addres"; did you mean "addr"?`},
		{[]string{"serve", "--config", wrong}, wrong + ":2: maxFunctions: must be greater than 0"},
		{[]string{"serve", "--config", syntax}, syntax + ":"},
		{[]string{"serve", "--config", filepath.Join(dir, "none.yaml")}, "none.yaml: no such file"},
		{[]string{"serve", "--no-such-flag"}, "unknown flag: --no-such-flag (see 'simplane serve --help')"},
		{[]string{"serve", "--ttl=soon"}, `invalid argument "soon" for "--ttl" flag`},
		{[]string{"serve", "extra"}, `unexpected argument "extra"`},
		{[]string{"nonsense"}, `unknown command "nonsense"`},
	} {
		p := launch(t, "simplane", tc.args...)
		if code := p.exit(); code != 2 {
			t.Errorf("%v: exit code %d, want 2", tc.args, code)
		}
		got := p.stderr.String()
		if !strings.HasPrefix(got, "simplane: ") || !strings.Contains(got, tc.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%v: stderr %q, want one line with %s", tc.args, got, tc.want)
		}
	}
}

func TestServeReloadsOnSIGHUP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "simplane.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("syncQueueMaxDepth: 7\n")
	s := serve(t, "--config", path)
	depth := func() any {
		_, rc := s.call("GET", "/v1/admin/runtime-config", "")
		return rc["syncQueueMaxDepth"]
	}
	if depth() != 7.0 {
		t.Errorf("depth %v before", depth())
	}
	write("syncQueueMaxDepth: 8\n")
	s.signal(syscall.SIGHUP)
	s.eventually("the new value is in force", func() bool { return depth() == 8.0 })
	_, history := s.call("GET", "/v1/admin/runtime-config/history", "")
	if got := fmt.Sprint(history["changes"]); !strings.Contains(got, "who:signal:SIGHUP") || !strings.Contains(got, "from:7 key:syncQueueMaxDepth to:8") {
		t.Errorf("history: %s", got)
	}
	s.signal(syscall.SIGHUP)
	s.eventually("the second reload is logged", func() bool { return strings.Contains(s.stderr.String(), "nothing of it changed") })
	if _, again := s.call("GET", "/v1/admin/runtime-config/history", ""); fmt.Sprint(again) != fmt.Sprint(history) {
		t.Errorf("a reload that changes nothing made a revision: %v", again)
	}
	write("syncQueueMaxDepth: 0\n")
	s.signal(syscall.SIGHUP)
	s.eventually("the broken file is reported", func() bool { return strings.Contains(s.stderr.String(), path+":1: syncQueueMaxDepth") })
	if depth() != 8.0 {
		t.Errorf("a broken file changed the depth to %v", depth())
	}
}

// The token is taken from the environment, out of sight of other users' ps.
func TestServeTokenFromTheEnvironment(t *testing.T) {
	t.Setenv("SIMPLANE_INTERNAL_TOKEN", "secret")
	s := serve(t)
	if status, _ := s.call("GET", "/v1/admin/stats", ""); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	if status, _ := s.call("GET", "/v1/admin/stats", "", "Authorization", "Bearer secret"); status != 200 {
		t.Errorf("with the token: %d", status)
	}
	if strings.Contains(s.stderr.String(), "secret") {
		t.Error("the token is in the log")
	}
}

func TestVersion(t *testing.T) {
	p := launch(t, "simplane", "version")
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"simplane ", " commit ", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH} {
		if !strings.Contains(p.ready, want) {
			t.Errorf("%q is not in %q", want, p.ready)
		}
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
