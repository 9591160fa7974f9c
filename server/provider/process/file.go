package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// runFile is a replica of a FILE function: the right to run its share of
// invocations, each in a process of its own.
func (in *instance) runFile() exit {
	t := &fileTarget{in: in}
	if !in.f.becameReady(in, "", in.f.dep.Concurrency(), 0, t) {
		return exit{}
	}
	<-in.stop
	in.drain(nil)
	return exit{}
}

type fileTarget struct {
	in    *instance
	count atomic.Uint64
}

// Call implements provider.Instance.
func (t *fileTarget) Call(inv provider.Invocation, done func(provider.Result)) {
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

// run is one invocation: write the input, run the command, read the output.
func (t *fileTarget) run(id string, inv provider.Invocation) provider.Result {
	opt := t.in.f.p.opt
	startFailure := func(what string, err error) provider.Result {
		return provider.Failure(provider.CodeStartFailed, what+": "+err.Error())
	}
	dir, err := os.MkdirTemp(opt.TempDir, "simplane-file-")
	if err != nil {
		return startFailure("no directory for the invocation", err)
	}
	defer os.RemoveAll(dir)
	input, output := filepath.Join(dir, "input.json"), filepath.Join(dir, "output.json")
	if err := os.WriteFile(input, inv.Input, 0o600); err != nil {
		return startFailure("the input could not be written", err)
	}

	began := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), inv.Deadline)
	defer cancel()
	vars := map[string]string{
		"INPUT_FILE": input, "OUTPUT_FILE": output,
		"EXECUTION_ID": inv.ExecutionID, "TRACE_ID": inv.TraceID, "IDEMPOTENCY_KEY": inv.IdempotencyKey,
		"METADATA": metadata(inv.Metadata),
	}
	if inv.TraceParent != "" {
		vars["TRACEPARENT"], vars["TRACESTATE"] = inv.TraceParent, inv.TraceState
	}
	c, err := t.in.launch(ctx, id, vars, false)
	if errors.Is(err, context.DeadlineExceeded) {
		return provider.Failure(provider.CodeTimeout, "the deadline passed while the function was started")
	}
	if err != nil {
		return startFailure("the command could not be started", err)
	}
	init := time.Since(began)

	timedOut := false
	select {
	case <-c.Done():
	case <-ctx.Done():
		timedOut = true
		c.Kill()
		<-c.Done()
	}
	c.cleanUp()
	r := t.outcome(c, output)
	if timedOut {
		r = provider.Failure(provider.CodeTimeout, "the function did not finish within its deadline"+c.tail.suffix())
	}
	r.ColdStart, r.InitDuration = true, init
	return r
}

func (t *fileTarget) outcome(c *child, output string) provider.Result {
	status, lost := c.Status()
	switch {
	case lost || status.Signaled():
		return provider.Failure(provider.CodeCrashed, "the function "+c.describe())
	case status.ExitStatus() == exitNotFound && len(t.in.f.dep.Commands) == 0:
		return provider.Failure(provider.CodeStartFailed, "the function "+c.describe())
	case status.ExitStatus() != 0:
		return provider.Failure(provider.CodeFailed, "the function "+c.describe())
	}
	limit := t.in.f.p.opt.MaxOutputBytes
	// Opening a FIFO would wait for its writer.
	f, err := os.OpenFile(output, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return provider.Failure(provider.CodeBadOutput, "the function left no OUTPUT_FILE"+c.tail.suffix())
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return provider.Failure(provider.CodeBadOutput, "OUTPUT_FILE is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	switch {
	case err != nil:
		return provider.Failure(provider.CodeBadOutput, "OUTPUT_FILE could not be read: "+err.Error())
	case len(data) > limit:
		return provider.Failure(provider.CodeBadOutput, fmt.Sprintf("the answer is larger than %d bytes", limit))
	}
	answer, err := fncall.JSON(data)
	return provider.ResultOf(fncall.Answer{Output: fncall.Own(answer, data)}, err)
}

// exitNotFound is what a shell exits with when it cannot find the command.
const exitNotFound = 127

// metadata is what fits into an environment variable; the kernel refuses
// longer ones, and with them the whole command.
func metadata(raw json.RawMessage) string {
	if len(raw) == 0 || len(raw) > 100<<10 {
		return "{}"
	}
	return string(raw)
}
