package functions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process"
)

// A handler with AWS's own runtime client runs unmodified, in every mode.
func TestLambdaBridge(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "./go/lambda-bridge", "./go/lambda-handler").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p := process.New(process.Options{TempDir: t.TempDir()})
	defer func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	type greeting struct {
		Greeting, RequestID, Function string
		TimeLeft                      bool
		Process, Bytes                int
	}
	for _, mode := range everyMode {
		name := "lambda-" + string(mode)
		provision := func(name string, command ...string) {
			t.Helper()
			if err := p.Provision(context.Background(), provider.Deployment{
				Name: name, RuntimeMode: mode, Commands: append([]string{bin + "/lambda-bridge"}, command...), Env: map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "greeter"},
				TimeoutMillis: 60_000, EndpointConcurrency: 3,
			}); err != nil {
				t.Fatal(err)
			}
		}
		provision(name, bin+"/lambda-handler")
		invoke := func(name, input string) provider.Result {
			return p.Invoke(context.Background(), name, provider.Invocation{ExecutionID: "e-1", Input: json.RawMessage(input)})
		}
		greets := func(input string) (g greeting) {
			t.Helper()
			r := invoke(name, input)
			if err := json.Unmarshal(r.Output, &g); err != nil || !r.OK() {
				t.Errorf("%s %s: %s %s %s", mode, input, r.ErrorCode, r.ErrorMessage, r.Output)
			}
			return g
		}
		fails := func(name, input string, texts ...string) {
			t.Helper()
			r := invoke(name, input)
			for _, text := range texts {
				if r.OK() || !strings.Contains(r.ErrorCode+": "+r.ErrorMessage, text) {
					t.Errorf("%s %s: %s: %s, want %q", mode, input, r.ErrorCode, r.ErrorMessage, text)
				}
			}
		}
		first, second := greets(`{"name":"Ada"}`), greets(`{"name":"Bob","data":"`+strings.Repeat("x", 1<<20)+`"}`)
		if first.Greeting != "Hello, Ada" || first.Function != "greeter" || !first.TimeLeft || second.Bytes != 1<<20 || first.RequestID == "" || first.RequestID == second.RequestID {
			t.Errorf("%s: %+v %+v", mode, first, second)
		}
		if same := first.Process == second.Process; same != (mode != provider.FILE) {
			t.Errorf("%s: processes %d and %d", mode, first.Process, second.Process)
		}
		switch mode {
		case provider.STDIO: // has codes of its own
			fails(name, `{"do":"fail","name":"customer"}`, "errorString: there is no customer")
			fails(name, `{"do":"panic"}`, "it went wrong")
			fails(name, `{"do":"exit"}`, "Runtime.ExitError: ", "exit status 3")
		default:
			fails(name, `{"do":"fail","name":"customer"}`, "errorString: there is no customer")
			fails(name, `{"do":"panic"}`, "it went wrong")
			fails(name, `{"do":"exit"}`, "Runtime.ExitError: ")
		}
		if again := greets(`{"name":"Eve"}`); again.Greeting != "Hello, Eve" {
			t.Errorf("%s: after an exit: %+v", mode, again)
		}

		// Calls that overlap have a process each.
		var all sync.WaitGroup
		pids := make(chan int, 3)
		for i := range 3 {
			all.Go(func() {
				r := invoke(name, fmt.Sprintf(`{"name":"%d","do":"wait"}`, i))
				var g greeting
				if err := json.Unmarshal(r.Output, &g); err != nil || g.Greeting != fmt.Sprint("Hello, ", i) {
					t.Errorf("%s: %s %s %s", mode, r.ErrorCode, r.ErrorMessage, r.Output)
				}
				pids <- g.Process
			})
		}
		all.Wait()
		seen := map[int]bool{}
		for range 3 {
			seen[<-pids] = true
		}
		if mode == provider.FILE && len(seen) != 3 {
			t.Errorf("%s: processes %v", mode, seen)
		}

		// A handler that does not start says so.
		provision(name+"-exits", "sh", "-c", "echo cannot start >&2; exit 9")
		fails(name+"-exits", `{}`, "Runtime.ExitError", "exit status 9")
		provision(name+"-none", bin+"/no-such-handler")
		fails(name+"-none", `{}`, "Runtime.InvalidEntrypoint")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		for _, n := range []string{name, name + "-exits", name + "-none"} {
			if err := p.Deprovision(ctx, n); err != nil {
				t.Error(err)
			}
		}
		cancel()
	}
}
