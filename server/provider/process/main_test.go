package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"simplane/server/provider"
)

// The test binary is also the functions under test: with SIMPLANE_TEST_ROLE
// set it plays one of the roles below instead of running tests.
func TestMain(m *testing.M) {
	if role := os.Getenv("SIMPLANE_TEST_ROLE"); role != "" {
		play(role)
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

func play(role string) {
	switch role {
	case "http":
		serveHTTP(true)
	case "http-no-health":
		serveHTTP(false)
	case "http-counts":
		serveWhatCame()
	case "stdio":
		echoLines()
	case "http-reopens":
		reopen()
	case "owner":
		ownFunctions()
	case "deaf": // ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		echoLines()
		select {}
	default:
		fmt.Fprintln(os.Stderr, "unknown role", role)
		os.Exit(2)
	}
}

// serveWhatCame answers every request with the requests so far, and exits when it is
// asked at /refused.
func serveWhatCame() {
	var came []string
	var mu sync.Mutex
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, r.Method+" "+r.RequestURI)
		if r.URL.Path == "/refused" {
			fmt.Fprintln(os.Stderr, "asked at", r.RequestURI)
			syscall.Exit(1)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(came)
	}
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(handler))
}

// serveHTTP answers {"input":X} with X and what it was told in headers. Input
// strings of the form "do:…" ask for trouble.
func serveHTTP(health bool) {
	mux := http.NewServeMux()
	if health {
		begin := time.Now()
		slow, _ := time.ParseDuration(os.Getenv("SLOW_START"))
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
			if time.Since(begin) < slow {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	}
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Input    any               `json:"input"`
			Metadata map[string]string `json:"metadata"`
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch req.Input {
		case "do:exit":
			fmt.Fprintln(os.Stderr, "about to die")
			syscall.Exit(7)
		case "do:500":
			http.Error(w, "it went wrong", http.StatusInternalServerError)
			return
		case "do:garbage":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "<html>not json")
			return
		case "do:text":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			io.WriteString(w, `say "hi"`)
			return
		case "do:huge":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, "%q", strings.Repeat("x", 3<<20))
			return
		case "do:hang":
			<-r.Context().Done()
			return
		case "do:hangup":
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
			return
		case "do:gate":
			for _, err := os.Stat(os.Getenv("GATE")); err != nil; _, err = os.Stat(os.Getenv("GATE")) {
				time.Sleep(time.Millisecond)
			}
		case "do:version":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"version":%q,"pid":%d}`, os.Getenv("VERSION"), os.Getpid())
			return
		case "do:wait":
			time.Sleep(50 * time.Millisecond)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{
			"input": req.Input, "metadata": req.Metadata, "pid": os.Getpid(),
			"execution": r.Header.Get("X-Execution-Id"), "trace": r.Header.Get("X-Trace-Id"),
			"key": r.Header.Get("Idempotency-Key"),
		})
	})
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		syscall.Exit(0) // without the race detector's second of lingering
	}()
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t := os.Getenv(TokenEnv); len(t) < 26 || r.Header.Get(provider.TokenHeader) != t {
			http.Error(w, "not from simplane", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// reopen answers 1, writes its pid into the file PID, and keeps no connection;
// SIGUSR1 closes its listener, SIGUSR2 opens another.
func reopen() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	var l net.Listener
	for {
		if l == nil {
			var err error
			if l, err = net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT")); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Connection", "close")
				io.WriteString(w, "1")
			}))
			writePID(os.Getenv("PID"), os.Getpid())
		}
		for sig := range signals {
			if sig == syscall.SIGUSR1 {
				l.Close()
				continue
			}
			l = nil
			break
		}
	}
}

// echoLines answers each line's input, by itself or with trouble.
func echoLines() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var req struct {
			ExecutionID string          `json:"executionId"`
			Input       json.RawMessage `json:"input"`
			Metadata    json.RawMessage `json:"metadata"`
		}
		if err := json.Unmarshal(line, &req); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer := fmt.Sprintf(`{"output":%s}`, req.Input)
		switch string(req.Input) {
		case `"do:exit"`:
			fmt.Fprintln(os.Stderr, "about to die")
			syscall.Exit(7)
		case `"do:banner"`:
			answer = "WELCOME\n\n[1,2]\n{\"level\":\"info\"}\n\xff\n" + answer + "\nbye {\n> "
		case `"do:garbage"`:
			fmt.Println("DEBUG this is not an answer")
			select {}
		case `"do:twice"`:
			answer += "\n" + `{"output":"the second"}`
		case `"do:twice-named"`:
			answer = fmt.Sprintf(`{"executionId":%q,"output":1}`, req.ExecutionID)
			answer += "\n" + fmt.Sprintf(`{"executionId":%q,"output":2}`, req.ExecutionID)
		case `"do:error"`:
			answer = `{"error":{"code":"NO_FUNDS","message":"the account is empty"}}`
		case `"do:huge"`:
			answer = `{"output":"` + strings.Repeat("x", 3<<20) + `"}`
		case `"do:hang"`:
			select {}
		case `"do:pid"`:
			answer = fmt.Sprintf(`{"output":%d}`, os.Getpid())
		case `"do:version"`:
			answer = fmt.Sprintf(`{"output":{"version":%q,"pid":%d}}`, os.Getenv("VERSION"), os.Getpid())
		case `"do:gate"`:
			for _, err := os.Stat(os.Getenv("GATE")); err != nil; _, err = os.Stat(os.Getenv("GATE")) {
				time.Sleep(time.Millisecond)
			}
			answer = fmt.Sprintf(`{"output":%d}`, os.Getpid())
		case `"do:burn"`:
			for _, err := os.Stat(os.Getenv("GATE")); err != nil; _, err = os.Stat(os.Getenv("GATE")) {
			}
		case `"do:silence"`:
			os.Stdout.Close()
			select {}
		}
		fmt.Println(answer)
	}
}

// self is the command of a role.
func self(t testing.TB, role string) provider.Deployment {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return provider.Deployment{
		Name: role, Commands: []string{exe}, Env: map[string]string{"SIMPLANE_TEST_ROLE": role}, Replicas: 1,
		RuntimeMode: provider.HTTP,
	}
}

// start makes a provider that is closed, and checked for leftovers, at the end.
func start(t testing.TB, opt Options) *Provider {
	t.Helper()
	if testing.Verbose() {
		opt.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	p := New(opt)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// hang bounds what must not take forever; no test depends on its value.
const hang = 60 * time.Second

func provision(t testing.TB, p *Provider, d provider.Deployment) {
	t.Helper()
	if err := p.Provision(context.Background(), d); err != nil {
		t.Fatal(err)
	}
}

func invoke(t testing.TB, p *Provider, name, input string) provider.Result {
	t.Helper()
	return invokeFor(t, p, name, input, hang)
}

func invokeFor(t testing.TB, p *Provider, name, input string, timeout time.Duration) provider.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	return p.Invoke(ctx, name, provider.Invocation{
		ExecutionID: "exec-1", Input: json.RawMessage(input), Deadline: time.Now().Add(timeout),
	})
}

func wantCode(t testing.TB, r provider.Result, code string, inMessage ...string) {
	t.Helper()
	if r.ErrorCode != code {
		t.Fatalf("got code %q (%s) output %.100s, want %q", r.ErrorCode, r.ErrorMessage, r.Output, code)
	}
	for _, s := range inMessage {
		if !strings.Contains(r.ErrorMessage, s) {
			t.Errorf("message %q does not mention %q", r.ErrorMessage, s)
		}
	}
}

func wantOutput(t testing.TB, r provider.Result, output string) {
	t.Helper()
	if !r.OK() || string(r.Output) != output {
		t.Fatalf("got code %q (%s) output %.200s, want output %s", r.ErrorCode, r.ErrorMessage, r.Output, output)
	}
}

// eventually waits until ok; the time it takes does not matter.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hang); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func wantLog(t testing.TB, p *Provider, name, text string) {
	t.Helper()
	eventually(t, "a log line with "+strconv.Quote(text), func() bool {
		lines, err := p.Logs(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if strings.Contains(l.Text, text) {
				return true
			}
		}
		return false
	})
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	return !strings.HasPrefix(strings.TrimSpace(rest), "Z")
}

// exists reports whether a process exists, a zombie included.
func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

func readPID(t testing.TB, file string) int {
	t.Helper()
	var pid int
	eventually(t, "a pid in "+file, func() bool {
		b, _ := os.ReadFile(file)
		s, whole := strings.CutSuffix(string(b), "\n")
		n, err := strconv.Atoi(s)
		pid = n
		return whole && err == nil
	})
	return pid
}

func writePID(file string, pid int) {
	if err := os.WriteFile(file, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		panic(err)
	}
}

// childrenOf counts the processes whose parent is pid, zombies included.
func childrenOf(t testing.TB, pid int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range stats {
		b, _ := os.ReadFile(file)
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			n++
		}
	}
	return n
}
