package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"simplane/core"
	"simplane/server/client"
)

func TestInvokePrintsTheOutput(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	file := filepath.Join(t.TempDir(), "in.json")
	write(t, file, `{"from": "file"}`)

	if out := p.cli("invoke", "echo", "--data", `{"n": 12345678901234567890}`).ok().out; out != "{\n  \"n\": 12345678901234567890\n}\n" {
		t.Errorf("the output was changed: %q", out)
	}
	p.cli("invoke", "echo", "-d", "@"+file).ok().prints(`"from": "file"`)
	p.cliWith(`"typed"`, "invoke", "echo", "-d", "-").ok().prints(`"typed"`)
	p.cli("invoke", "echo").ok().prints("{}")

	var answer client.Invocation
	if err := json.Unmarshal([]byte(p.cli("invoke", "echo", "-o", "json").ok().out), &answer); err != nil || answer.Status != "success" || answer.ExecutionID == "" {
		t.Errorf("invoke -o json: %+v %v", answer, err)
	}
}

func TestInvokeRefusesBadInputWithoutCalling(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	file := filepath.Join(t.TempDir(), "in.json")
	write(t, file, "{\n\n  oops\n}")

	p.cli("invoke", "echo", "-d", "text").fails(2, "not valid JSON", "quotes")
	p.cli("invoke", "echo", "-d", "@"+file).fails(2, file+":3: not valid JSON")
	p.cli("invoke", "echo", "-d", "@/no/such/file").fails(2, "no such file")
	p.cli("invoke", "echo", "-d", "").fails(2, "not valid JSON")
	p.cli("invoke", "echo", "--timeout", "-1s").fails(2, "--timeout")
	p.cli("invoke", "echo", "--metadata", "novalue").fails(2, "--metadata")
	p.cli("invoke").fails(2, "NAME is missing")
	p.cli("invoke", "").fails(2, "NAME is empty")
	p.cli("invoke", "echo", "extra").fails(2, `unexpected argument "extra"`)
	p.cli("invoke", "echo", "-o", "xml").fails(2, "--output")
	p.cli("exec", "list", "-o", "json").ok().prints(`"executions": []`)
	// The server's own word on the input is bad input too.
	p.cli("invoke", "echo", "-d", "null").fails(2, "input must not be null")
}

func TestInvokeFailsWithTheExecution(t *testing.T) {
	p := startPlane(t)
	f := startFlaky(t, true)
	p.cliWith(f.spec("pool", "0"), "fn", "apply", "-f", "-").ok()
	p.cli("invoke", "pool").fails(1, "ended in error", "POOL_ERROR")
	p.cli("invoke", "pool", "-o", "json").fails(1, "POOL_ERROR").prints(`"status": "error"`)
	p.cli("invoke", "nobody").fails(1, "NOT_FOUND")
}

func TestInvokeTimesOut(t *testing.T) {
	p := startPlane(t)
	release := make(chan struct{})
	p.s.HandleLocal("echo", func(core.Task) ([]byte, error) { <-release; return []byte(`1`), nil })
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	p.cli("invoke", "echo", "--timeout", "20ms").fails(1, "ended in timeout")
	close(release)
}

func TestHeadersReachTheFunction(t *testing.T) {
	p := startPlane(t)
	f := startFlaky(t, false)
	p.cliWith(f.spec("pool", "0"), "fn", "apply", "-f", "-").ok()
	first := p.cli("enqueue", "pool", "--wait", "--trace-id", "t-1", "--idempotency-key", "k", "-o", "json").ok()
	if h := f.header.Load(); h.Get("X-Trace-Id") != "t-1" || h.Get("Idempotency-Key") != "k" {
		t.Errorf("the function got %v", *h)
	}
	// The same key is the same execution.
	var a, b client.Invocation
	must(t, json.Unmarshal([]byte(first.out), &a))
	must(t, json.Unmarshal([]byte(p.cli("invoke", "pool", "--idempotency-key", "k", "-o", "json").ok().out), &b))
	if a.ExecutionID == "" || a.ExecutionID != b.ExecutionID {
		t.Errorf("two executions for one key: %q and %q", a.ExecutionID, b.ExecutionID)
	}
}

func TestEnqueueAndFollow(t *testing.T) {
	p := startPlane(t)
	release := make(chan struct{})
	p.s.HandleLocal("echo", func(t core.Task) ([]byte, error) { <-release; return t.Input, nil })
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()

	id := strings.TrimSpace(p.cli("enqueue", "echo", "-d", "[7]").ok().out)
	p.cli("exec", "get", id).ok().prints("function:  echo", "finished:  -")
	p.cli("exec", "list", "--status", "success").ok()
	close(release)
	p.cli("exec", "watch", id).ok().prints("success  attempt 1", "7")
	p.cli("exec", "get", id).ok().prints("status:    success", "output:\n[\n  7\n]")
	p.cli("exec", "get", id, "-o", "json").ok().prints(`"executionId": "` + id + `"`)
	p.cli("enqueue", "echo", "-d", "8", "--wait").ok().prints("8")

	p.cli("exec", "list").ok().prints("ID", id, "echo", "success")
	p.cli("exec", "list", "--function", "echo", "--limit", "1").ok().prints("there may be more: --cursor ")
	p.cli("exec", "list", "--function", "other").fails(1, "NOT_FOUND")
	p.cli("exec", "list", "--status", "done").fails(2, "--status")
	p.cli("exec", "list", "--before", "yesterday").fails(2, "--before")
	p.cli("exec", "get", "no-uuid").fails(1, "NOT_FOUND")
}

// The command line asks for as many pages as its limit needs, and says when
// there is more.
func TestListsFollowTheirCursors(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	const calls = 1100 // more than a page
	c, err := client.New(p.addr, "")
	must(t, err)
	for i := range calls {
		if _, err := c.Invoke(t.Context(), "echo", client.Submission{Input: fmt.Append(nil, i), IdempotencyKey: fmt.Sprintf("k%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(r ran) int { return strings.Count(r.ok().out, "success") }
	if n := count(p.cli("exec", "list", "--limit", "5000")); n != calls {
		t.Errorf("%d listed, want %d", n, calls)
	}
	cut := p.cli("exec", "list", "--limit", "1050").ok()
	_, cursor, found := strings.Cut(strings.TrimSuffix(cut.out, ")\n"), "--cursor ")
	if n := count(cut); n != 1050 || !found {
		t.Fatalf("%d listed, want 1050, and a cursor", n)
	}
	if n := count(p.cli("exec", "list", "--limit", "1050", "--cursor", cursor)); n != calls-1050 {
		t.Errorf("%d listed after the cursor, want %d", n, calls-1050)
	}
	var page client.Executions
	must(t, json.Unmarshal([]byte(p.cli("exec", "list", "--limit", "1050", "-o", "json").ok().out), &page))
	if len(page.Executions) != 1050 || page.NextCursor == "" || !page.Truncated {
		t.Errorf("%d as JSON, cursor %q", len(page.Executions), page.NextCursor)
	}
	if n := count(p.cli("exec", "list", "--key", "k7", "--status", "success,error")); n != 1 {
		t.Errorf("%d with the key, want 1", n)
	}
	p.cli("exec", "list", "--since", "2100-01-01T00:00:00Z").ok().prints("ID")
	p.cli("exec", "list", "--status", "error,done").fails(2, "done")
	p.cli("exec", "list", "--cursor", "nonsense").fails(2, "cursor")
}

func TestWatchFailsWithTheExecution(t *testing.T) {
	p := startPlane(t)
	f := startFlaky(t, true)
	p.cliWith(f.spec("pool", "0"), "fn", "apply", "-f", "-").ok()
	id := strings.TrimSpace(p.cli("enqueue", "pool").ok().out)
	p.cli("exec", "watch", id).fails(1, "ended in error").prints("error    attempt 1")
	lines := strings.Split(strings.TrimSpace(p.cli("exec", "watch", id, "-o", "json").fails(1).out), "\n")
	if len(lines) != 1 || !json.Valid([]byte(lines[0])) {
		t.Errorf("watch -o json of an ended execution: %q", lines)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
