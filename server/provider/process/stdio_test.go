package process

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"simplane/server/provider"
)

func stdio(t testing.TB) provider.Deployment {
	d := self(t, "stdio")
	d.RuntimeMode = provider.STDIO
	return d
}

func TestStdioKeepsItsWorkerWarm(t *testing.T) {
	p := start(t, Options{})
	d := stdio(t)
	d.Replicas = 0
	provision(t, p, d)
	if s, _ := p.Status("stdio"); s.Desired != 0 || len(p.Endpoints("stdio")) != 0 {
		t.Fatalf("status %+v before the first invocation, want nothing running", s)
	}
	cold := invoke(t, p, "stdio", `"do:pid"`)
	if !cold.OK() || !cold.ColdStart || cold.InitDuration <= 0 {
		t.Errorf("first: %+v, want a cold start with its duration", cold)
	}
	warm := invoke(t, p, "stdio", `"do:pid"`)
	if warm.ColdStart || warm.InitDuration != 0 || string(warm.Output) != string(cold.Output) {
		t.Errorf("second: %+v, want the same process without a cold start", warm)
	}
}

func TestStdioInputOfAnyShape(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, stdio(t))
	big, _ := json.Marshal(strings.Repeat("héllo ", 100_000)) // far more than a pipe holds
	for _, input := range []string{`null`, `{"a":"line\nbreak"}`, "{\n  \"spread\": [1,\r\n 2]\n}", string(big)} {
		r := invoke(t, p, "stdio", input)
		var got, want any
		if json.Unmarshal(r.Output, &got) != nil || json.Unmarshal([]byte(input), &want) != nil {
			t.Fatalf("%.50s: %+v", input, r.ErrorMessage)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("input %.50s came back as %.50s", w, g)
		}
	}
}

func TestStdioFaults(t *testing.T) {
	p := start(t, Options{MaxOutputBytes: 1 << 20, BackoffBase: time.Millisecond})
	provision(t, p, stdio(t))
	bystander := stdio(t)
	bystander.Name = "bystander"
	provision(t, p, bystander)
	untouched := invoke(t, p, "bystander", `"do:pid"`)
	wantOutput(t, invoke(t, p, "stdio", `0`), `0`)

	for _, fault := range []struct {
		input, code string
		message     []string
		log         string
	}{
		{`"do:error"`, "NO_FUNDS", []string{"the account is empty"}, ""},
		{`"do:huge"`, provider.CodeBadOutput, []string{"1048576 bytes"}, "larger than 1048576"},
		{`"do:silence"`, provider.CodeBadOutput, []string{"closed its standard output"}, "closed its standard output"},
		{`"do:exit"`, provider.CodeCrashed, []string{"code 7", "about to die"}, "exited with code 7"},
	} {
		wantCode(t, invoke(t, p, "stdio", fault.input), fault.code, fault.message...)
		if fault.log != "" {
			wantLog(t, p, "stdio", fault.log)
		}
		wantOutput(t, invoke(t, p, "stdio", `"well"`), `"well"`)
	}
	r := invokeFor(t, p, "stdio", `"do:hang"`, 100*time.Millisecond)
	wantCode(t, r, provider.CodeTimeout)
	wantLog(t, p, "stdio", "ran over its deadline")
	r = invokeFor(t, p, "stdio", `"do:garbage"`, 300*time.Millisecond)
	wantCode(t, r, provider.CodeTimeout, "DEBUG this is not an answer")
	wantLog(t, p, "stdio", "DEBUG this is not an answer")
	wantOutput(t, invoke(t, p, "stdio", `"well"`), `"well"`)

	wantOutput(t, invoke(t, p, "bystander", `"do:pid"`), string(untouched.Output))
}

// A program that writes Latin-1 is told so. It answered in step, so it stays.
func TestOutputThatIsNotUTF8IsRefused(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, provider.Deployment{Name: "stdio", RuntimeMode: provider.STDIO, Replicas: 1,
		RuntimeCommand: `read line; printf '{"output":"caf\351"}\n'; read line; echo '{"output":"the same process"}'`})
	wantCode(t, invoke(t, p, "stdio", `1`), provider.CodeBadOutput, "not UTF-8")
	wantOutput(t, invoke(t, p, "stdio", `2`), `"the same process"`)

	provision(t, p, provider.Deployment{Name: "file", RuntimeMode: provider.FILE,
		RuntimeCommand: `printf '"caf\351"' > "$OUTPUT_FILE"`})
	wantCode(t, invoke(t, p, "file", `1`), provider.CodeBadOutput, "not UTF-8")
}

func TestStdioSecondAnswerIsDropped(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, stdio(t))
	for range 10 {
		// The second answer must never reach the invocation after it.
		wantOutput(t, invoke(t, p, "stdio", `"do:twice"`), `"do:twice"`)
		wantOutput(t, invoke(t, p, "stdio", `"next"`), `"next"`)
	}
	wantLog(t, p, "stdio", "were dropped")
}

func TestStdioNamedSecondAnswerIsDroppedWithoutReplacement(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, stdio(t))
	before := invoke(t, p, "stdio", `"do:pid"`)
	ctx := context.Background()
	for _, id := range []string{"one", "two", "three"} {
		r := p.Invoke(ctx, "stdio", provider.Invocation{ExecutionID: id, Input: []byte(`"do:twice-named"`)})
		wantOutput(t, r, `1`)
	}
	wantLog(t, p, "stdio", `dropped an answer to execution one`)
	wantOutput(t, p.Invoke(ctx, "stdio", provider.Invocation{ExecutionID: "four", Input: []byte(`"do:pid"`)}), string(before.Output))
}

func TestStdioThatAnswersUnasked(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, provider.Deployment{Name: "chatty", RuntimeMode: provider.STDIO, Replicas: 1,
		RuntimeCommand: `echo ready to serve; while read line; do echo '{"output":1}'; done`})
	wantLog(t, p, "chatty", "ready to serve")
	wantOutput(t, invoke(t, p, "chatty", `0`), `1`)

	provision(t, p, provider.Deployment{Name: "flood", RuntimeMode: provider.STDIO, Replicas: 1,
		RuntimeCommand: `exec yes '{"output":"nobody asked"}'`})
	wantLog(t, p, "flood", "answered twice")

	provision(t, p, provider.Deployment{Name: "babble", RuntimeMode: provider.STDIO, Replicas: 1, RuntimeCommand: `exec yes babble`})
	wantLog(t, p, "babble", "floods its standard output")
	provision(t, p, provider.Deployment{Name: "drivel", RuntimeMode: provider.STDIO, Replicas: 1, RuntimeCommand: `read line; exec yes drivel`})
	wantCode(t, invoke(t, p, "drivel", `0`), provider.CodeBadOutput, "floods its standard output")
	wantOutput(t, invoke(t, p, "chatty", `0`), `1`)
}

// A program for one line ends when it has answered. The next invocation, which
// may have been written for it by then, is the next process's.
func TestProgramForOneLineIsStartedAgain(t *testing.T) {
	p := start(t, Options{BackoffBase: hang, BackoffMax: hang}) // a crash would end the test
	big := `"` + strings.Repeat("x", 200_000) + `"`             // more than the pipe holds
	for name, script := range map[string]string{
		"once":  `read line; echo '{"output":"done"}'`,
		"late":  `read line; echo '{"output":"done"}'; sleep 0.01`,
		"twice": `read line; echo '{"output":"done"}'; read line; echo '{"output":"done"}'`,
	} {
		provision(t, p, provider.Deployment{Name: name, RuntimeMode: provider.STDIO, Replicas: 1, EndpointConcurrency: 2, RuntimeCommand: script})
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				for i := range 10 {
					r := invoke(t, p, name, []string{`0`, big}[i%2])
					if !r.OK() || string(r.Output) != `"done"` {
						t.Errorf("%s: %+v", name, r)
					}
				}
			})
		}
		callers.Wait()
	}
}

// What has been read may have had an effect: it is not given to another.
func TestInvocationThatWasReadIsNotGivenToAnother(t *testing.T) {
	p := start(t, Options{BackoffBase: time.Microsecond, BackoffMax: time.Microsecond})
	count := filepath.Join(t.TempDir(), "count")
	provision(t, p, provider.Deployment{Name: "reads", RuntimeMode: provider.STDIO, Replicas: 1, Env: map[string]string{"COUNT": count},
		RuntimeCommand: `read line; echo '{"output":1}'; read line; echo x >> "$COUNT"; exit 0`})
	for range 5 {
		wantOutput(t, invoke(t, p, "reads", `0`), `1`)
		wantCode(t, invoke(t, p, "reads", `0`), provider.CodeCrashed, "code 0")
	}
	if got := readFile(t, count); got != strings.Repeat("x\n", 5) {
		t.Errorf("the second line was read %d times in 5 invocations", strings.Count(got, "x"))
	}
}

func TestLinesThatAreNoAnswersAreLog(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, stdio(t))
	before := invoke(t, p, "stdio", `"do:pid"`)
	for range 10 {
		wantOutput(t, invoke(t, p, "stdio", `"do:banner"`), `"do:banner"`)
	}
	for _, text := range []string{"WELCOME", "[1,2]", `{"level":"info"}`, "\uFFFD", "bye {"} {
		wantLog(t, p, "stdio", text)
	}
	wantOutput(t, invoke(t, p, "stdio", `"do:pid"`), string(before.Output))
}

func TestFunctionThatNeverReadsItsInput(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, provider.Deployment{Name: "busy", RuntimeMode: provider.STDIO, Replicas: 1, RuntimeCommand: "exec sleep 1000"})
	big, _ := json.Marshal(strings.Repeat("x", 1<<20)) // blocks in the pipe
	wantCode(t, invokeFor(t, p, "busy", string(big), 100*time.Millisecond), provider.CodeTimeout)
	wantCode(t, invokeFor(t, p, "busy", `1`, 100*time.Millisecond), provider.CodeTimeout)
}

func TestFunctionThatFillsStderr(t *testing.T) {
	p := start(t, Options{})
	// 20 MB of log before each answer: far more than a pipe holds.
	provision(t, p, provider.Deployment{Name: "verbose", RuntimeMode: provider.STDIO, Replicas: 1,
		RuntimeCommand: `while read line; do head -c 20000000 /dev/zero | tr '\0' x >&2; echo >&2; echo '{"output":1}'; done`})
	for range 3 {
		wantOutput(t, invoke(t, p, "verbose", `0`), `1`)
	}
	wantLog(t, p, "verbose", cutMark)
	lines, err := p.Logs("verbose", 0)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, l := range lines {
		size += len(l.Text)
	}
	if len(lines) > 1000 || size > 512<<10 {
		t.Errorf("%d lines of %d bytes are kept, more than allowed", len(lines), size)
	}
}

// An exit that becomes known late, as on a busy machine, is a crash all the
// same, whatever the invocation was waiting for.
func TestACrashThatIsKnownLateIsACrash(t *testing.T) {
	p := start(t, Options{})
	for _, d := range []provider.Deployment{stdio(t), self(t, "http")} {
		provision(t, p, d)
		wantOutcome := func(input string) <-chan provider.Result {
			out := make(chan provider.Result, 1)
			go func() { out <- invoke(t, p, d.Name, input) }()
			return out
		}
		if r := <-wantOutcome(`"well"`); !r.OK() {
			t.Fatalf("%+v", r)
		}
		g, err := p.guardProcess()
		if err != nil {
			t.Fatal(err)
		}
		// The guard, which tells of exits, stands still.
		if err := syscall.Kill(g.PID(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		out := wantOutcome(`"do:exit"`)
		time.Sleep(3 * noticeCrash)
		if err := syscall.Kill(g.PID(), syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		wantCode(t, <-out, provider.CodeCrashed, "code 7", "about to die")
	}
}

// A program that does not speak the protocol, or says nothing at all, times out, and both
// the failure and the log say what it wrote and what was expected.
func TestTimeoutSaysWhatCameInPlaceOfAnAnswer(t *testing.T) {
	p := start(t, Options{})
	for name, wrote := range map[string]string{"cat": `no answer: {"executionId":"exec-1"`, "sleep 1000": "wrote no line of output"} {
		provision(t, p, provider.Deployment{Name: name[:3], RuntimeMode: provider.STDIO, Replicas: 1, RuntimeCommand: name})
		wantCode(t, invokeFor(t, p, name[:3], `{"a":1}`, time.Second), provider.CodeTimeout, wrote, `an answer is one line {"output":…}`)
		wantLog(t, p, name[:3], "ran over its deadline; it")
		wantLog(t, p, name[:3], `an answer is one line {"output":…}`)
	}
}

// A function that answers, or writes what is no answer, and then exits leaving a
// process that holds its output open: what it wrote counts before how it ended.
func TestWhatWasWrittenBeforeTheExitCounts(t *testing.T) {
	p := start(t, Options{BackoffBase: time.Microsecond, BackoffMax: time.Microsecond})
	for name, script := range map[string]string{
		"answer":  `sleep 1000 & read line; echo '{"output":1}'; exit 3`,
		"garbage": `sleep 1000 & read line; echo garbage; exit 3`,
		"nothing": `sleep 1000 & read line; exit 3`,
	} {
		provision(t, p, provider.Deployment{Name: name, RuntimeMode: provider.STDIO, Replicas: 1, RuntimeCommand: script})
	}
	for range 5 {
		wantOutput(t, invoke(t, p, "answer", `0`), `1`)
		wantCode(t, invoke(t, p, "garbage", `0`), provider.CodeCrashed, "code 3", "no answer: garbage")
		wantCode(t, invoke(t, p, "nothing", `0`), provider.CodeCrashed, "code 3")
	}
}

// A function that has read its input was started, however soon it ends.
func TestACrashOnTheFirstInputIsNoFailedStart(t *testing.T) {
	p := start(t, Options{BackoffBase: time.Microsecond, BackoffMax: time.Microsecond})
	provision(t, p, provider.Deployment{Name: "brief", RuntimeMode: provider.STDIO, Replicas: 2, RuntimeCommand: `read line; exit 3`})
	for range 30 {
		wantCode(t, invoke(t, p, "brief", `0`), provider.CodeCrashed, "code 3")
	}
}
