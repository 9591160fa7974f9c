package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// runFile is a replica of a FILE function: the right to run its share of
// invocations, each in a process of its own.
func (in *instance) runFile() exit {
	t := &fileTarget{in: in}
	if !in.BecameReady("", 0, t) {
		return exit{}
	}
	<-in.stop
	in.Drain(nil)
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
	startFailure := func(what string, err error) provider.Result {
		return provider.Failure(provider.CodeStartFailed, what+": "+err.Error())
	}
	x, err := t.in.f.p.exchanges.open(id, map[string][]byte{
		inputFile: inv.Input, metadataFile: orEmpty(inv.Metadata),
	})
	if err != nil {
		return startFailure("the input could not be written", err)
	}
	defer x.close()

	began := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), inv.Deadline)
	defer cancel()
	vars := map[string]string{
		"INPUT_FILE": x.name(inputFile), "OUTPUT_FILE": x.name(outputFile), "METADATA_FILE": x.name(metadataFile),
		"EXECUTION_ID": inv.ExecutionID, "TRACE_ID": inv.TraceID, "IDEMPOTENCY_KEY": inv.IdempotencyKey,
	}
	if len(inv.Metadata) <= maxVariable {
		vars["METADATA"] = string(orEmpty(inv.Metadata))
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
	r := t.outcome(c, x)
	if timedOut {
		r = provider.Failure(provider.CodeTimeout, "the function did not finish within its deadline"+c.tail.suffix())
	}
	r.ColdStart, r.InitDuration = true, init
	return r
}

func (t *fileTarget) outcome(c *child, x *exchange) provider.Result {
	status, lost := c.Status()
	switch {
	case lost || status.Signaled():
		return provider.Failure(provider.CodeCrashed, "the function "+c.describe())
	case status.ExitStatus() == exitNotFound && c.shell:
		return provider.Failure(provider.CodeStartFailed, "the function "+c.describe())
	case status.ExitStatus() != 0:
		return provider.Failure(provider.CodeFailed, "the function "+c.describe())
	}
	limit := t.in.f.p.opt.MaxOutputBytes
	data, err := x.read(outputFile, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return provider.Failure(provider.CodeBadOutput, "the function left no OUTPUT_FILE"+c.tail.suffix())
	case errors.Is(err, errTooLarge):
		return provider.Failure(provider.CodeBadOutput, fmt.Sprintf("the answer is larger than %d bytes", limit))
	case err != nil:
		return provider.Failure(provider.CodeBadOutput, "OUTPUT_FILE cannot be used: it "+err.Error())
	}
	answer, err := fncall.JSON(data)
	return provider.ResultOf(fncall.Answer{Output: fncall.Own(answer, data)}, err)
}

// exitNotFound is what a shell exits with when it cannot find the command.
const exitNotFound = 127

// maxVariable is the size of metadata that is an environment variable too: the
// kernel refuses a command with one of 128 KiB.
const maxVariable = 100 << 10

func orEmpty(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return json.RawMessage("{}")
	}
	return object
}
