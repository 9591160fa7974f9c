package process

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"simplane/server/provider"
)

// runPerCall is a replica of a function that has a process for each invocation
// (FILE, EXEC): the right to run its share of them.
func (in *instance) runPerCall(open opener) exit {
	t := &perCall{in: in, open: open}
	if !in.BecameReady("", 0, t) {
		return exit{}
	}
	<-in.stop
	in.Drain(nil)
	return exit{}
}

// perCall runs invocations in processes of their own.
type perCall struct {
	in    *instance
	open  opener
	count atomic.Uint64
}

// opener makes what the data of one invocation goes through.
type opener func(in *instance, id string, inv provider.Invocation) (transfer, error)

// transfer is what the data of one invocation goes through, into its process and
// out of it.
type transfer interface {
	// vars are the variables that tell the process of it.
	vars() map[string]string
	// pipes says that it has the process's stdin and stdout.
	pipes() bool
	// begin is called once the process runs. The channel is closed when the
	// process need not go on; nil for never.
	begin(c *child) (done <-chan struct{})
	// end is called once the process has ended.
	end(c *child)
	// result is the invocation's; failed is the process's end if that was none with
	// success, and nil otherwise.
	result(c *child, failed *provider.Result) provider.Result
	close()
}

// Call implements provider.Instance.
func (t *perCall) Call(inv provider.Invocation, done func(provider.Result)) {
	id := t.in.id + "-" + strconv.FormatUint(t.count.Add(1), 10)
	go func() {
		r := t.run(id, inv)
		switch r.ErrorCode {
		case provider.CodeStartFailed, provider.CodeCrashed, provider.CodeBadOutput:
			t.in.note(slog.LevelError, "execution "+inv.ExecutionID+": "+r.ErrorCode+": "+r.ErrorMessage)
		case provider.CodeTimeout:
			t.in.note(slog.LevelWarn, "killed: execution "+inv.ExecutionID+" ran over its deadline")
		}
		done(r)
	}()
}

// run is one invocation: the command runs until it exits, its deadline passes, or
// the invocation is broken off. Then all its processes are killed.
func (t *perCall) run(id string, inv provider.Invocation) provider.Result {
	startFailure := func(what string, err error) provider.Result {
		return provider.Failure(provider.CodeStartFailed, what+": "+err.Error())
	}
	x, err := t.open(t.in, id, inv)
	if err != nil {
		return startFailure("the input could not be written", err)
	}
	defer x.close()

	began := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), inv.Deadline)
	defer cancel()
	brokenOff := make(chan struct{})
	if err := inv.Stop.BeginWith(func() { close(brokenOff) }); err != nil {
		return notWanted
	}
	defer func() { _ = inv.Stop.End() }()
	vars := variables(inv)
	maps.Copy(vars, x.vars())
	c, err := t.in.launch(ctx, id, vars, x.pipes())
	if errors.Is(err, context.DeadlineExceeded) {
		return provider.Failure(provider.CodeTimeout, "the deadline passed while the function was started")
	}
	if err != nil {
		return startFailure("the command could not be started", err)
	}
	init := time.Since(began)

	finished := x.begin(c)
	timedOut, canceled := false, false
	select {
	case <-c.Done():
	case <-finished:
		c.Kill()
	case <-ctx.Done():
		timedOut = true
		c.Kill()
	case <-brokenOff:
		canceled = true
		c.Kill()
	}
	<-c.Done()
	x.end(c)
	c.cleanUp()
	var r provider.Result
	switch {
	case canceled:
		r = notWanted
	case timedOut:
		r = provider.Failure(provider.CodeTimeout, "the function did not finish within its deadline"+c.tail.suffix())
	default:
		r = x.result(c, failed(c))
	}
	r.ColdStart, r.InitDuration = true, init
	return r
}

// notWanted is the result of an invocation that was broken off.
var notWanted = provider.Failure(provider.CodeCanceled, "the invocation was broken off")

// failed is how a process ended without success; nil if it did not.
func failed(c *child) *provider.Result {
	code := ""
	status, lost := c.Status()
	switch {
	case lost || status.Signaled():
		code = provider.CodeCrashed
	case status.ExitStatus() == exitNotFound && c.shell:
		code = provider.CodeStartFailed
	case status.ExitStatus() != 0:
		code = provider.CodeFailed
	default:
		return nil
	}
	r := provider.Failure(code, "the function "+c.describe(""))
	return &r
}

// exitNotFound is what a shell exits with when it cannot find the command.
const exitNotFound = 127

// variables are those that tell a process of its invocation.
func variables(inv provider.Invocation) map[string]string {
	vars := map[string]string{
		"EXECUTION_ID": inv.ExecutionID, "TRACE_ID": inv.TraceID, "IDEMPOTENCY_KEY": inv.IdempotencyKey,
		"DISPATCH_ATTEMPT": strconv.Itoa(inv.Attempt),
	}
	if len(inv.Metadata) <= maxVariable {
		vars["METADATA"] = string(orEmpty(inv.Metadata))
	}
	if inv.TraceParent != "" {
		vars["TRACEPARENT"], vars["TRACESTATE"] = inv.TraceParent, inv.TraceState
	}
	return vars
}

// maxVariable is the size of metadata that is an environment variable too: the
// kernel refuses a command with one of 128 KiB.
const maxVariable = 100 << 10

func orEmpty(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return json.RawMessage("{}")
	}
	return object
}
