package process

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/sock"
	"simplane/server/provider"
	"simplane/server/provider/process/proctree"
)

func TestExec(t *testing.T) {
	p := start(t, Options{MaxOutputBytes: 1 << 20})
	for _, f := range []struct {
		name, command, input, code string
		message                    []string
		output                     string
	}{
		{name: "json", command: `cat`, input: `{"a": [1, 2]}`, output: `{"a": [1, 2]}`},
		{name: "text", command: `cat`, input: `"say \"hi\"\n\u00e9"`, output: `"say \"hi\"\né"`},
		{name: "text-that-is-json", command: `cat`, input: `"[1]"`, output: `[1]`},
		{name: "number", command: `wc -c`, input: `"four"`, output: `4`},
		{name: "upper", command: `tr a-z A-Z`, input: `"shout\n"`, output: `"SHOUT\n"`},
		{name: "pipeline", command: `sort -r | head -n 1`, input: `"a\nb\n"`, output: `"b\n"`},
		{name: "no-utf8", command: `printf 'a\377'`, input: `1`, output: `"a` + "\uFFFD" + `"`},
		{name: "nothing", command: `true`, input: `1`, output: `""`},
		{name: "fails", command: `echo '{"a":1}'; echo no such customer >&2; exit 4`, input: `1`, code: provider.CodeFailed, message: []string{"code 4", "no such customer"}},
		{name: "huge", command: `head -c 2000000 /dev/zero`, input: `1`, code: provider.CodeBadOutput, message: []string{"1048576 bytes"}},
		{name: "endless", command: `yes`, input: `1`, code: provider.CodeBadOutput, message: []string{"1048576 bytes"}},
		{name: "exact", command: `head -c 1048576 /dev/zero | tr '\0' x`, input: `1`, output: `"` + strings.Repeat("x", 1<<20) + `"`},
		{name: "killed", command: `kill -9 $$`, input: `1`, code: provider.CodeCrashed, message: []string{"signal 9"}},
		{name: "missing", command: `no-such-program`, input: `1`, code: provider.CodeStartFailed, message: []string{"no-such-program"}},
	} {
		provision(t, p, provider.Deployment{Name: f.name, RuntimeMode: provider.EXEC, RuntimeCommand: f.command, Replicas: 1})
		r := invoke(t, p, f.name, f.input)
		if f.code == "" {
			wantOutput(t, r, f.output)
		} else {
			wantCode(t, r, f.code, f.message...)
		}
		if !r.ColdStart || r.InitDuration <= 0 {
			t.Errorf("%s: each process is a cold start: %+v", f.name, r)
		}
	}
	wantLog(t, p, "fails", "no such customer") // stderr is log, too

	r := p.Invoke(context.Background(), "missing-too", provider.Invocation{})
	wantCode(t, r, provider.CodeNotFound)
}

// An input that nobody reads, of any size, is no error, and nothing waits for it.
func TestExecInputIsNotRead(t *testing.T) {
	p := start(t, Options{})
	large, _ := json.Marshal(strings.Repeat("x", 3<<20))
	for name, f := range map[string]struct{ command, output string }{
		"ignores": {`echo 1`, `1`},
		"closes":  {`exec <&-; sleep 0.05; echo 2`, `2`},
		"begins":  {`head -c 3`, `"xxx"`},
		"all":     {`wc -c`, `3145728`},
		"leaves":  {`sleep 1000 & echo 3`, `3`}, // with stdin and stdout open
	} {
		provision(t, p, provider.Deployment{Name: name, RuntimeMode: provider.EXEC, RuntimeCommand: f.command, Replicas: 1})
		r := invoke(t, p, name, string(large))
		if !r.OK() || string(bytes.TrimSpace(r.Output)) != f.output {
			t.Errorf("%s: %.100s %s %s, want %s", name, r.Output, r.ErrorCode, r.ErrorMessage, f.output)
		}
	}
}

// What tells a process of its invocation is in its environment, for FILE too.
func TestProcessOfACallKnowsItsInvocation(t *testing.T) {
	p := start(t, Options{})
	command := `printf '["%s","%s","%s","%s","%s",%s]' "$EXECUTION_ID" "$TRACE_ID" "$IDEMPOTENCY_KEY" "$DISPATCH_ATTEMPT" "$TRACEPARENT" "$METADATA"`
	provision(t, p, provider.Deployment{Name: "exec", RuntimeMode: provider.EXEC, RuntimeCommand: command, Replicas: 1})
	provision(t, p, provider.Deployment{Name: "file", RuntimeMode: provider.FILE, RuntimeCommand: command + ` > "$OUTPUT_FILE"`, Replicas: 1})
	for _, name := range []string{"exec", "file"} {
		wantOutput(t, p.Invoke(context.Background(), name, provider.Invocation{
			ExecutionID: "e", TraceID: "t", IdempotencyKey: "k", Attempt: 3, TraceParent: "p", Input: json.RawMessage("1"), Metadata: json.RawMessage(`{"m":"1"}`),
		}), `["e","t","k","3","p",{"m":"1"}]`)
	}
}

// A deadline and a cancel kill all processes of the invocation, whatever its mode.
func TestProcessGroupOfACallIsKilled(t *testing.T) {
	for _, mode := range []provider.RuntimeMode{provider.EXEC, provider.FILE} {
		p := start(t, Options{})
		pids := filepath.Join(t.TempDir(), "pids")
		provision(t, p, provider.Deployment{Name: "f", RuntimeMode: mode, Replicas: 1, Env: map[string]string{"PIDS": pids},
			RuntimeCommand: `sleep 1000 & echo $! > "$PIDS.new"; echo $$ >> "$PIDS.new"; mv "$PIDS.new" "$PIDS"; trap '' TERM; wait; sleep 1000`})
		gone := func(what string) {
			for _, pid := range strings.Fields(readFile(t, pids)) {
				eventually(t, what+": process "+pid+" is gone", func() bool {
					_, err := os.Stat("/proc/" + pid)
					return err != nil || exiting(pid)
				})
			}
			if err := os.Remove(pids); err != nil {
				t.Fatal(err)
			}
		}
		// The deadline is passed once the processes are there: until then it starts
		// again with more time.
		for timeout := 100 * time.Millisecond; ; timeout *= 2 {
			wantCode(t, invokeFor(t, p, "f", `1`, timeout), provider.CodeTimeout)
			if _, err := os.Stat(pids); err == nil {
				break
			}
		}
		gone("a deadline of " + string(mode))

		stop := &sock.Stop{}
		result := make(chan provider.Result, 1)
		p.Go("f", provider.Invocation{Input: json.RawMessage("1"), Stop: stop, Deadline: time.Now().Add(hang)}, func(r provider.Result) { result <- r })
		eventually(t, "the processes run", func() bool { _, err := os.Stat(pids); return err == nil })
		stop.Now()
		select {
		case r := <-result:
			wantCode(t, r, provider.CodeCanceled)
		case <-time.After(hang):
			t.Fatal("the invocation did not end")
		}
		gone("a cancel of " + string(mode))
	}
}

func exiting(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && proctree.Exiting(n)
}

// A change from one mode to another, and of the program, needs no process to wait
// for.
func TestExecChangesInPlace(t *testing.T) {
	p := start(t, Options{})
	d := provider.Deployment{Name: "f", RuntimeMode: provider.FILE, RuntimeCommand: `echo 1 > "$OUTPUT_FILE"`, Replicas: 1}
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "f", `0`), `1`)
	d.RuntimeMode, d.RuntimeCommand = provider.EXEC, `echo 2`
	provision(t, p, d)
	eventually(t, "the other mode", func() bool { return string(invoke(t, p, "f", `0`).Output) == "2" })
	d.RuntimeCommand = `echo 3`
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "f", `0`), `3`)
}
