package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"simplane/server/harness/node"
)

// stdioScript answers each line after it has found the file "go" beside it:
// so a test knows when a request is inside the function.
const stdioScript = `
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
for line in iter(sys.stdin.readline, ""):
    open(os.path.join(here, "entered"), "w").close()
    while not os.path.exists(os.path.join(here, "go")):
        time.sleep(0.005)
    print(json.dumps({"output": json.loads(line)["input"]}), flush=True)
`

const httpScript = `
import json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
here = os.path.dirname(os.path.abspath(__file__))
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open(os.path.join(here, "entered"), "w").close()
        while not os.path.exists(os.path.join(here, "go")):
            time.sleep(0.005)
        out = json.dumps(json.loads(body)["input"]).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(out))); self.end_headers()
        self.wfile.write(out)
    def log_message(self, *a): pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`

// held is a function process that keeps its requests until it is let go.
type held struct {
	f      *fixture
	script string
}

func hold(f *fixture, mode, script string, maxRetries int) *held {
	f.t.Helper()
	h := &held{f: f, script: filepath.Join(f.t.TempDir(), "function.py")}
	if err := os.WriteFile(h.script, []byte(script), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.register(fmt.Sprintf(`{"name":"held","image":"none","runtimeMode":%q,"commands":["python3",%q],"concurrency":1,"maxRetries":%d,"timeoutMillis":60000}`,
		mode, h.script, maxRetries))
	return h
}

func (h *held) file(name string) string { return filepath.Join(filepath.Dir(h.script), name) }

func (h *held) letGo() {
	h.f.t.Helper()
	if err := os.WriteFile(h.file("go"), nil, 0o600); err != nil {
		h.f.t.Fatal(err)
	}
}

// entered waits until a request is inside the function.
func (h *held) entered() {
	h.f.t.Helper()
	h.f.eventually("a request enters the function", func() bool {
		_, err := os.Stat(h.file("entered"))
		return err == nil
	})
}

// kill ends the function's processes with SIGKILL.
func (h *held) kill() {
	h.f.t.Helper()
	pids := node.Processes(h.script)
	if len(pids) == 0 {
		h.f.t.Fatal("no process of the function was found")
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			h.f.t.Fatalf("kill %d: %v", pid, err)
		}
	}
}

func TestFunctionKilledMidRequest(t *testing.T) {
	for _, mode := range []struct{ name, script string }{{"STDIO", stdioScript}, {"HTTP", httpScript}} {
		t.Run(mode.name+"/ends in error", func(t *testing.T) {
			t.Parallel()
			f := start(t, node.Options{})
			h := hold(f, mode.name, mode.script, 0)
			got := h.invokeAside(`"x"`)
			h.entered()
			h.kill()
			if r := <-got; r.Status != "error" || len(r.Error) == 0 {
				t.Errorf("the caller got %+v, want an error that says what happened", r)
			}
			h.letGo()
			f.succeeds("held", `"next"`) // a new process serves what comes next
		})
		t.Run(mode.name+"/is retried", func(t *testing.T) {
			t.Parallel()
			f := start(t, node.Options{})
			h := hold(f, mode.name, mode.script, 3)
			got := h.invokeAside(`"x"`)
			h.entered()
			h.letGo()
			h.kill() // its answer may have been quicker
			if r := <-got; r.Status != "success" || string(r.Output) != `"x"` {
				t.Errorf("the caller got %+v, want the retry's success", r)
			}
		})
	}
}

// invokeAside invokes without waiting.
func (h *held) invokeAside(input string) <-chan result {
	got := make(chan result, 1)
	go func() {
		r, err := h.f.tryInvoke("held", input)
		if err != nil {
			h.f.t.Errorf("invoke: %v", err)
		}
		got <- r
	}()
	return got
}

// The process that starts functions for simplane may be killed too.
func TestGuardKilled(t *testing.T) {
	t.Parallel()
	f := start(t, node.Options{})
	h := hold(f, "STDIO", stdioScript, 3)
	h.letGo()
	f.succeeds("held", `1`)
	children := node.Children(f.PID())
	if len(children) == 0 {
		t.Fatal("simplane has no child process")
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	f.eventually("functions run again", func() bool {
		f.alive()
		return f.invoke("held", `2`).Status == "success"
	})
}

// Nothing may outlive a simplane that was killed.
func TestNoFunctionOutlivesAKilledServer(t *testing.T) {
	t.Parallel()
	f := launch(t, node.Options{})
	h := hold(f, "HTTP", httpScript, 0)
	h.letGo()
	f.succeeds("held", `1`)
	if len(node.Processes(h.script)) == 0 {
		t.Fatal("no process of the function was found")
	}
	f.Kill()
	f.eventually("the function's processes are gone", func() bool { return len(node.Processes(h.script)) == 0 })
}
