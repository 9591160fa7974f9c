package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary plays two more parts: the simplane program itself, and the
// process of a POOL function.
const roleVariable = "SIMPLANE_TEST_PART"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "simplane":
		_ = os.Unsetenv(roleVariable)
		syscall.Exit(execute()) // not os.Exit: the race detector's lingers for a second
	case "broken swarm":
		_ = os.Unsetenv(roleVariable)
		runScenario = runForEver
		syscall.Exit(execute())
	case "function":
		playFunction()
		return
	}
	os.Exit(m.Run())
}

// playFunction serves the behaviours below until its standard input closes.
func playFunction() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening %s\n", ln.Addr())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); syscall.Exit(0) }()
	gate := make(chan struct{})
	mux := http.NewServeMux()
	answer := func(path, contentType, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			fmt.Fprint(w, body)
		})
	}
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		var req struct{ Input, Metadata json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"input":%s,"id":%q,"trace":%q,"key":%q}`, req.Input, r.Header.Get("X-Execution-Id"), r.Header.Get("X-Trace-Id"), r.Header.Get("Idempotency-Key"))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `"slow"`)
	})
	mux.HandleFunc("/fail", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no luck", 500) })
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/drop", func(w http.ResponseWriter, r *http.Request) {
		c, b, _ := w.(http.Hijacker).Hijack()
		_, _ = b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"half\":")
		_ = b.Flush()
		_ = c.Close()
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `"`, strings.Repeat("x", 5<<20), `"`)
	})
	mux.HandleFunc("/cold", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cold-Start", "true")
		w.Header().Set("X-Init-Duration-Ms", "37")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
	})
	mux.HandleFunc("/gate", func(w http.ResponseWriter, r *http.Request) {
		<-gate
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `"through the gate"`)
	})
	mux.HandleFunc("/open", func(w http.ResponseWriter, r *http.Request) { close(gate) })
	answer("/text", "text/plain", "plain words")
	answer("/html", "text/html", "<p>an error page</p>")
	answer("/broken", "application/json", `{"a":`)
	_ = http.Serve(ln, mux)
}

// program is a running process of ours.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	ready          string // what the first line of its output said
	stderr         *syncBuffer
	exited         chan struct{}
	api, mgmt, url string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// launch starts the test binary in a part and waits for its first line.
func launch(t *testing.T, part string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0], args...), stderr: &syncBuffer{}, exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+part)
	p.cmd.Stderr = p.stderr
	stdin, err := p.cmd.StdinPipe() // held open: the function ends when it closes
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n')
		first <- strings.TrimSpace(line)
		_, _ = io.Copy(io.Discard, r)
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		stdin.Close()
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	select {
	case p.ready = <-first:
	case <-time.After(hangGuard):
		t.Fatalf("%s %q says nothing; stderr: %s", part, args, p.stderr)
	}
	return p
}

func startFunction(t *testing.T) *program {
	t.Helper()
	p := launch(t, "function")
	p.url = "http://" + strings.TrimPrefix(p.ready, "listening ")
	return p
}

var readyLine = regexp.MustCompile(`^simplane ready addr=(127\.0\.0\.1:\d+) mgmt-addr=(127\.0\.0\.1:\d+)$`)

func serve(t *testing.T, args ...string) *program {
	t.Helper()
	p := launch(t, "simplane", append([]string{"serve", "--addr=127.0.0.1:0", "--mgmt-addr=127.0.0.1:0", "--rate-max-per-second=0"}, args...)...)
	m := readyLine.FindStringSubmatch(p.ready)
	if m == nil {
		t.Fatalf("the ready line is %q; stderr: %s", p.ready, p.stderr)
	}
	p.api, p.mgmt = "http://"+m[1], "http://"+m[2]
	return p
}

// exit waits for the process to end and returns its exit code, -1 for a signal.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(hangGuard):
		p.t.Fatalf("it does not end; stderr: %s", p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// call sends a request and returns status and decoded body.
func (p *program) call(method, path, body string, headers ...string) (int, map[string]any) {
	p.t.Helper()
	status, decoded, err := p.try(method, path, body, headers...)
	if err != nil {
		p.t.Fatalf("%s %s: %v; stderr: %s", method, path, err, p.stderr)
	}
	return status, decoded
}

// try may be called from any goroutine.
func (p *program) try(method, path, body string, headers ...string) (int, map[string]any, error) {
	base := p.api
	if base == "" {
		base = p.url
	}
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Close = true // no connection outlives its server into the next test
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{Timeout: hangGuard}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var decoded map[string]any
	_ = json.Unmarshal(raw, &decoded)
	return resp.StatusCode, decoded, nil
}

func (p *program) register(name, url string, more string) {
	p.t.Helper()
	status, body := p.call("POST", "/v1/functions", fmt.Sprintf(`{"name":%q,"image":"none","executionMode":"POOL","endpointUrl":%q%s}`, name, url, more))
	if status != 201 {
		p.t.Fatalf("register %s: %d %v", name, status, body)
	}
}

func (p *program) eventually(what string, cond func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(hangGuard); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain: %s; stderr: %s", what, p.stderr)
		}
	}
}
