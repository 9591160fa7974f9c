package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// serverMutants are bugs between core and its callers and functions: how the server reads
// requests, calls functions, answers, drains and starts again. The whole server in
// virtual time is to notice them (package bench/bubble).
var serverMutants = []mutant{
	{"server: a call that may have been sent is sent again", "case errors.Is(err, sock.ErrStale):\n\t\t\t// Not sent.", "case errors.Is(err, sock.ErrStale), err == io.EOF:\n\t\t\t// Not sent."},
	{"server: a kept connection is used without a look", "if n > 0 || err != syscall.EAGAIN {\n\t\ta.stale", "if n > len(c.one) && err != syscall.EAGAIN {\n\t\ta.stale"},
	{"server: attempts have the number of the first", "int64(r.Attempt), 10)", "int64(min(r.Attempt, 1)), 10)"},
	{"server: the key does not go with the call", `{"Idempotency-Key", r.IdempotencyKey},`, ""},
	{"server: inputs stay in the connection's buffer", "req := core.Request{Function: name, Borrowed: true}", "req := core.Request{Function: name}"},
	{"server: a large input is given away and kept", "req.InputGiven = http1.TakeBody(ctx, req.Input)", "req.InputGiven = true"},
	{"server: a waiter that has given up goes back to the pool", "a.Core.Forget(res.ID, w)\n\t\t\tif over(given)", "w.recycle()\n\t\t\tif over(given)"},
	{"server: the answer of an execution that has ended goes unwritten", "if w.state.Swap(waiterWoken) == waiterParked {", "if w.state.Swap(waiterWoken) == waiterParked && s.Status != core.Timeout {"},
	{"server: a timeout is told as an error", "case fncall.TimedOut:\n\t\treturn core.Outcome{Status: core.Timeout, Code: provider.CodeTimeout}", "case fncall.TimedOut:\n\t\treturn core.Outcome{Status: core.Error, Code: provider.CodeTimeout}"},
	{"server: what is not worth a retry is retried", "o.Permanent, o.RetryAfter = e.Permanent, e.RetryAfter", "o.RetryAfter = e.RetryAfter"},
	{"server: the pause that a function asks for is not passed on", "o.Permanent, o.RetryAfter = e.Permanent, e.RetryAfter", "o.Permanent = e.Permanent"},
	{"server: the caller's timeout is not passed on", "req.Timeout = time.Duration(ms) * time.Millisecond\n", "_ = ms\n"},
	{"server: nobody notices that a caller has left", "return from != nil && from.HasLeft()", "return from != nil && false"},
	{"server: the answer is another call's", "a.Output = bytes.Clone(output) // the body", "a.Output = output // the body"},
	{"server: the buffer of a call is given back too early", "defer texts.Put(text)\n\tr := d.hooks.request(t, (*text)[:0])\n\tr.Stop = stop", "texts.Put(text)\n\tr := d.hooks.request(t, (*text)[:0])\n\tr.Stop = stop"},
	{"server: bytes that came early are lost", "if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {", "if c.ahead = nil; len(c.ahead) == 0 {"},
	{"server: an answer waits for the next request", "if x.in.Buffered() == 0 {\n\t\t\treturn x.flush() == nil", "if x.in.Buffered() == 0 {\n\t\t\treturn true"},
	{"server: what is left of a body is read as a request", "if x.body.ended {\n\t\treturn true\n\t}\n\tif x.flush()", "if true {\n\t\treturn true\n\t}\n\tif x.flush()"},
	{"server: work is taken while it drains", "\ts.only.core.Drain()\n", ""},
	{"server: queued work is left behind without a word", "if inFlight == 0 && (queued <= kept || s.cfg.Core.SchedulerOff) {", "if inFlight == 0 {"},
	{"server: stops with calls under way", "if inFlight == 0 && (queued <= kept || s.cfg.Core.SchedulerOff) {", "if queued <= kept || s.cfg.Core.SchedulerOff {"},
	{"server: functions that come back run nothing", "if err := r.Done(s.clock.Now(), s.only.registrar.Died); err != nil {", "if err := s.only.core.Restore().Done(s.clock.Now(), s.only.registrar.Died); err != nil {"},
	{"server: a refusal for want of room is accepted", "if *res, err = a.Core.Submit(req); err != core.ErrPending {\n\t\t\tbreak", "if *res, err = a.Core.Submit(req); err != core.ErrPending {\n\t\t\tif !req.Sync && err != nil {\n\t\t\t\terr = nil\n\t\t\t}\n\t\t\tbreak"},
	{"server: timers of core are late", "return time.AfterFunc(d, f)", "return time.AfterFunc(d+time.Millisecond, f)"},
}

// ofServer says that the whole server is to notice the bug.
func (m *mutant) ofServer() bool { return strings.HasPrefix(m.name, "server: ") }

// serverDirs are where those bugs are.
var serverDirs = []string{"server", "server/internal/api", "server/internal/dispatch", "server/internal/fncall", "server/internal/http1", "server/internal/sock", "server/internal/machine"}

// copyServer copies what the tests in virtual time need beside core and sim.
func copyServer(dir string) error {
	for _, part := range []string{"server", "bench", "core", "sim"} {
		to := filepath.Join(dir, part)
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := os.CopyFS(to, os.DirFS(part)); err != nil {
			return err
		}
	}
	return nil
}

// firstFinding is what a failed test of a server says first.
var firstFinding = regexp.MustCompile(`--- FAIL: (\S+) [^\n]*\n\s+\w+_test\.go:\d+: ([^\n]*)`)

// checkServer is check by the server in virtual time.
func checkServer(dir string, limit time.Duration) (v verdict, took time.Duration, err error) {
	binary, err := build(dir, "bubble.bin", "test", "-c", "-vet=off", "./bench/bubble")
	if err != nil {
		return v, 0, err
	}
	t := try(limit, filepath.Join(dir, "bench", "bubble"), nil, binary, "-test.short", "-test.failfast")
	out := t.said()
	found := firstFinding.FindSubmatch(out)
	switch {
	case t.err == nil:
		return v, t.took, nil
	case t.endless:
		return endless, t.took, nil
	case bytes.Contains(out, []byte("panic: ")) || bytes.Contains(out, []byte("fatal error: ")):
		if at := bytes.Index(out, []byte("deadlock: ")); at >= 0 {
			return verdict{what: "invariant", name: "nobody waits for ever"}, t.took, nil
		}
		return verdict{what: "invariant", name: "no panic"}, t.took, nil
	case found != nil:
		return verdict{what: "invariant", name: string(found[2]), where: string(found[1])}, t.took, nil
	}
	return v, t.took, fmt.Errorf("check failed: %w: %s", t.err, out)
}
