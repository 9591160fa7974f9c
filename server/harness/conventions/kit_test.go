// Package conventions proves that programs written for other platforms run as
// they are: served by net/http, Python's http.server, Flask and Node, and shaped
// after the conventions that those platforms have.
package conventions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simplane/bench/child"
	"simplane/server/harness/node"
)

// hangGuard ends a wait for something that never comes.
const hangGuard = time.Minute

var binary string

// The test binary is one of the programs, too: see watchdog.
func TestMain(m *testing.M) {
	if os.Getenv("SIMPLANE_TEST_ROLE") == "watchdog" {
		watchdog()
		return
	}
	os.Exit(node.RunTests(m, node.Build, &binary))
}

// program is a function that exists already.
type program struct {
	name    string
	needs   string // a command, and for Python a module, without which it is skipped
	command []string
	env     map[string]string
	spec    string // members of a spec that make it work
}

func programs(t *testing.T) []program {
	file := func(name string) string {
		path, err := filepath.Abs(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	return []program{
		{name: "sdk", needs: "python3", command: []string{"python3", file("sdk.py")}, spec: `"invokePath":"/invoke"`},
		{name: "framework", needs: "python3 flask", command: []string{"python3", file("framework.py")}, spec: `"bodyMode":"raw","healthCheck":{"type":"tcp"}`},
		{name: "events", needs: "node", command: []string{"node", file("events.js")}, spec: `"bodyMode":"raw","healthCheck":{"type":"tcp"}`},
		{name: "watchdog", command: []string{os.Args[0]}, env: map[string]string{"SIMPLANE_TEST_ROLE": "watchdog"},
			spec: `"bodyMode":"raw","healthCheck":{"path":"/_/health"}`},
	}
}

// skipWithout skips a test, and says so, where the program cannot run.
func (p *program) skipWithout(t *testing.T) {
	t.Helper()
	command, module, _ := strings.Cut(p.needs, " ")
	if command == "" {
		return
	}
	if _, err := exec.LookPath(command); err != nil {
		t.Skipf("NOT TESTED: the convention of %s needs %s, which is not installed", p.name, command)
	}
	if module != "" && exec.Command(command, "-c", "import "+module).Run() != nil {
		t.Skipf("NOT TESTED: the convention of %s needs the module %s of %s, which is not installed", p.name, module, command)
	}
}

type fixture struct {
	t *testing.T
	*node.Node
	client *http.Client
}

func start(t *testing.T, args ...string) *fixture {
	t.Helper()
	n, err := node.Start(node.Options{Binary: binary, Args: append([]string{"--rate-max-per-second", "0"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, Node: n, client: &http.Client{Timeout: hangGuard, Transport: &http.Transport{DisableCompression: true}}}
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		if err := f.Stop(); err != nil || strings.Contains(f.Log(), "DATA RACE") {
			t.Errorf("stopping: %v; log:\n%s", err, f.Log())
		}
	})
	return f
}

func (f *fixture) call(method, path, body string, headers ...string) node.Answer {
	f.t.Helper()
	a, err := node.Call(f.client, method, f.API+path, strings.NewReader(body), headers...)
	if err != nil {
		f.t.Fatalf("%s %s: %v; log:\n%s", method, path, err, f.Log())
	}
	return a
}

// register registers a program as mode says, DEPLOYMENT or POOL: then it is
// started here.
func (f *fixture) register(p program, mode string) {
	f.t.Helper()
	members := map[string]any{"name": p.name, "executionMode": mode, "maxRetries": 0}
	if mode == "POOL" {
		members["endpointUrl"] = "http://" + p.start(f.t)
	} else {
		members["commands"], members["env"] = p.command, p.env
	}
	text, _ := json.Marshal(members)
	spec := strings.TrimSuffix(string(text), "}") + "," + p.spec + "}"
	if a := f.call("POST", "/v1/functions", spec); a.Status != http.StatusCreated {
		f.t.Fatalf("register %s: status %d: %s", spec, a.Status, a.Body)
	}
}

// start runs the program until the test ends, and returns its address. A port that is
// free when it is asked for may be another's when the program opens it: one that ends
// then is begun again, with another port.
func (p *program) start(t *testing.T) string {
	t.Helper()
	for try := 1; ; try++ {
		addr, err := p.listens(t)
		if err == nil {
			if p.name == "sdk" {
				waitUntilHealthy(t, "http://"+addr+"/health") // nobody asks a POOL function
			}
			return addr
		}
		if try == 5 {
			t.Fatalf("%s does not listen: %v", p.name, err)
		}
		t.Logf("%s: %v; once more", p.name, err)
	}
}

// listens runs the program at a port, and waits until it listens.
func (p *program) listens(t *testing.T) (addr string, err error) {
	t.Helper()
	free, err := node.FreeAddresses("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	addr = free[0]
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Env = append(os.Environ(), "PORT="+port)
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	ended, err := child.Tie(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	listened := false
	t.Cleanup(func() {
		select {
		case <-ended:
			if listened {
				t.Errorf("%s ended before the test: %v", p.name, cmd.ProcessState)
			}
		default:
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said: %s", p.name, said.Bytes())
		}
	})
	for deadline := time.Now().Add(hangGuard); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			listened = true
			return addr, nil
		}
		select {
		case <-ended:
			return "", fmt.Errorf("it ended: %v: %s", cmd.ProcessState, said.Bytes())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return "", err
		}
	}
}

// waitUntilHealthy waits until a program answers with 200, as the one does that is not
// ready at once.
func waitUntilHealthy(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(hangGuard); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not healthy: %v", url, err)
		}
	}
}

// result is an invocation's answer.
type result struct {
	ExecutionID    string          `json:"executionId"`
	Status         string          `json:"status"`
	Output         json.RawMessage `json:"output"`
	Error          json.RawMessage `json:"error"`
	ColdStart      bool            `json:"coldStart"`
	InitDurationMs int             `json:"initDurationMs"`
}

func (f *fixture) invoke(name, body string, headers ...string) (r result) {
	f.t.Helper()
	a := f.call("POST", "/v1/functions/"+name+":invoke", body, headers...)
	if err := json.Unmarshal(a.Body, &r); err != nil || a.Status != http.StatusOK {
		f.t.Fatalf("invoke %s: status %d: %s", name, a.Status, a.Body)
	}
	return r
}

// outputs invokes and compares the output.
func (f *fixture) outputs(name, body, want string, headers ...string) result {
	f.t.Helper()
	r := f.invoke(name, body, headers...)
	if r.Status != "success" || string(r.Output) != want {
		f.t.Errorf("%s: %s %s %s, want %s", name, r.Status, r.Output, r.Error, want)
	}
	return r
}

// execution is how an execution is shown.
func (f *fixture) execution(id string) (r result) {
	f.t.Helper()
	a := f.call("GET", "/v1/executions/"+id, "")
	if err := json.Unmarshal(a.Body, &r); err != nil {
		f.t.Fatalf("execution %s: %s", id, a.Body)
	}
	return r
}

func eachMode(t *testing.T, name string, test func(t *testing.T, f *fixture, mode string)) {
	for _, p := range programs(t) {
		if p.name != name {
			continue
		}
		for _, mode := range []string{"DEPLOYMENT", "POOL"} {
			t.Run(fmt.Sprint(name, " ", mode), func(t *testing.T) {
				p.skipWithout(t)
				f := start(t)
				f.register(p, mode)
				test(t, f, mode)
			})
		}
	}
}
