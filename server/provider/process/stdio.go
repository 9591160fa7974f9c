package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// runStdio runs an instance that answers lines on stdin with lines on stdout.
func (in *instance) runStdio() exit {
	if !in.Turn() {
		return exit{}
	}
	began := time.Now()
	c, err := in.launch(context.Background(), in.id, nil, true)
	in.EndTurn()
	if err != nil {
		return replicas.StartFailed("the command could not be started: %v", err)
	}

	w := &worker{in: in, child: c, began: began, broken: make(chan struct{}), eof: make(chan struct{})}
	go w.read()
	// The protocol has no greeting, so a started process counts as ready, one on
	// trial when it has lived for a while.
	if !in.outlivesTrial(w) || in.BecameReady("", time.Since(began), w) {
		select {
		case <-c.Done():
		case <-w.broken:
			in.f.Pool.Remove(in.id)
			c.Kill() // its result is not used
			<-c.Done()
			return w.gaveUp()
		case <-in.stop:
			in.Drain(c.Done())
			c.stdin.Close()
			in.end(c)
			w.finish(true)
			c.cleanUp()
			return exit{}
		}
		in.f.Pool.Remove(in.id)
		return w.died()
	}
	in.end(c)
	w.finish(true)
	c.cleanUp()
	return exit{}
}

// outlivesTrial reports whether an instance on trial lives for TrialTime; true at
// once for another.
func (in *instance) outlivesTrial(w *worker) bool {
	if !in.OnTrial() {
		return true
	}
	limit := time.NewTimer(in.f.p.opt.TrialTime)
	defer limit.Stop()
	select {
	case <-limit.C:
		return true
	case <-w.child.Done():
	case <-w.broken:
	case <-in.stop:
	}
	return false
}

// worker exchanges lines with one STDIO process: one invocation at a time.
type worker struct {
	in    *instance
	child *child
	began time.Time

	broken chan struct{} // closed when requests and answers no longer correspond
	eof    chan struct{} // closed at the end of stdout

	chatter int                // bytes of stdout since the last answer that were none; read's
	replies fncall.ReplyReader // read's

	mu       sync.Mutex
	exited   bool // and nothing is to be written any more
	current  *call
	calls    int // invocations so far
	answered int // answers so far
	why      string
	dead     *provider.Error
}

// notTaken hands an invocation of which nothing was read to another process.
var notTaken = provider.Failure(provider.CodeNotTaken, "the function's process ended before it read the invocation")

type call struct {
	inv   provider.Invocation
	done  func(provider.Result)
	timer *time.Timer   // ends it
	look  *time.Timer   // at whether the function is ready; first call only
	send  sync.Mutex    // held while its line is written
	sent  atomic.Int64  // bytes of the line that were written
	init  time.Duration // first call only: until the function read it
	noise string        // the last line of output that was no answer, cut
}

// Call implements provider.Instance.
func (w *worker) Call(inv provider.Invocation, done func(provider.Result)) {
	line := fncall.AppendLine(make([]byte, 0, len(inv.Input)+len(inv.Metadata)+128), inv)
	c := &call{inv: inv, done: done}
	w.mu.Lock()
	if w.exited || w.dead != nil || w.why != "" {
		w.mu.Unlock()
		w.in.f.Pool.Remove(w.in.id) // what breaks it off may not have come to that yet
		done(notTaken)
		return
	}
	w.current = c
	w.calls++
	first := w.answered == 0
	c.timer = time.AfterFunc(time.Until(inv.Deadline), func() { w.expire(c) })
	if first {
		c.look = time.AfterFunc(leastLookPause, func() { w.timeInit(c, 0) })
	}
	w.mu.Unlock()
	w.send(c, line)
}

// send writes a line. A small one is written at once unless the function
// leaves its input unread; then, and for a large one, a goroutine writes it.
func (w *worker) send(c *call, line []byte) {
	if len(line) <= pipeAtomic && w.sendAtOnce(c, line) {
		return
	}
	go func() {
		c.send.Lock()
		defer c.send.Unlock()
		w.mu.Lock()
		if w.exited {
			w.mu.Unlock()
			return
		}
		_ = w.child.stdin.SetWriteDeadline(c.inv.Deadline)
		w.mu.Unlock()
		// An error needs no handling: the deadline or the exit of the process
		// ends the call.
		if n, _ := w.child.stdin.Write(line); n > 0 {
			c.sent.Store(int64(n))
		}
		_ = w.child.stdin.SetWriteDeadline(time.Time{})
	}()
}

func (w *worker) sendAtOnce(c *call, line []byte) bool {
	raw, err := w.child.stdin.SyscallConn()
	if err != nil {
		return false
	}
	c.send.Lock()
	defer c.send.Unlock()
	var werr error
	err = raw.Write(func(fd uintptr) bool {
		_, werr = unix.Write(int(fd), line)
		return true
	})
	if err != nil || werr != nil {
		return false
	}
	c.sent.Store(int64(len(line)))
	return true
}

// sendingEnds waits until nothing is being written any more, now that the
// process has exited, and returns the current call.
func (w *worker) sendingEnds() *call {
	w.mu.Lock()
	w.exited = true
	_ = w.child.stdin.SetWriteDeadline(time.Now())
	c := w.current
	w.mu.Unlock()
	if c != nil {
		c.send.Lock()
		defer c.send.Unlock()
	}
	return c
}

// pipeAtomic is the size up to which the kernel writes to a pipe all or
// nothing (PIPE_BUF).
const pipeAtomic = 4096

// timeInit checks whether the function has read its input, which is when it
// is ready for work: interpreters need some time to start. It checks seldom,
// as each check takes processor time from what is starting, so the measured
// time is exact to a fifth, or to half of leastLookPause.
func (w *worker) timeInit(c *call, before time.Duration) {
	now := time.Since(w.began)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.current != c:
	case c.sent.Load() > 0 && w.unread() == 0:
		c.init = (before + now) / 2
	default:
		c.look = time.AfterFunc(max(leastLookPause, now/2), func() { w.timeInit(c, now) })
	}
}

// leastLookPause is the time before the first check, and the least between
// two. A small program has answered by then and needs none.
const leastLookPause = 5 * time.Millisecond

// unread is the number of bytes in the pipe that the function has not read.
func (w *worker) unread() int {
	n := 0
	if raw, err := w.child.stdin.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return n
}

// complete ends c with r, if it has not ended yet.
func (w *worker) complete(c *call, r provider.Result, answered bool) {
	w.mu.Lock()
	if c == nil || w.current != c {
		w.mu.Unlock()
		return
	}
	w.current = nil
	c.timer.Stop()
	if c.look != nil {
		c.look.Stop()
	}
	if answered {
		w.answered++
		if w.answered == 1 {
			r.InitDuration = c.init
			if c.init == 0 {
				r.InitDuration = time.Since(w.began)
			}
		}
	}
	w.mu.Unlock()
	c.done(r)
}

func (w *worker) expire(c *call) {
	w.mu.Lock()
	current := w.current == c
	w.mu.Unlock()
	if !current {
		return
	}
	// A late answer would be read as the next invocation's.
	// Core may have ended the execution at the same instant, without a word: the log has
	// the reason in any case.
	why := w.silence(c)
	w.breakOff("replaced: execution "+c.inv.ExecutionID+" ran over its deadline"+why, slog.LevelWarn, func() {
		w.complete(c, provider.Failure(provider.CodeTimeout, "the function did not answer within its deadline"+why), false)
	})
}

// silence is the end of a timeout's message: what the function wrote, and what it should
// have written.
func (w *worker) silence(c *call) string {
	const form = `; an answer is one line {"output":…} or {"error":{"code":…,"message":…}} on standard output`
	if noise := w.noise(c); noise != "" {
		return noise + form
	}
	return "; it wrote no line of output, which may be in the program's own buffer" + form
}

// noise is the end of a failure's message: what the function wrote in place of
// an answer.
func (w *worker) noise(c *call) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c == nil || c.noise == "" {
		return ""
	}
	return "; its last line of output was no answer: " + c.noise
}

// breakOff abandons the process: it gets no more work, the current call is
// ended by end, and then it is replaced. The order matters: the end of a call
// starts the next one, and the end of the process ends a call that is still
// open.
func (w *worker) breakOff(why string, level slog.Level, end func()) {
	w.mu.Lock()
	first := w.why == ""
	if first {
		w.why = why
	}
	w.mu.Unlock()
	if first {
		w.in.note(level, why)
		w.in.f.Pool.Remove(w.in.id)
		defer close(w.broken)
	}
	end()
}

// gaveUp ends a process that was abandoned with breakOff.
func (w *worker) gaveUp() exit {
	w.finish(false)
	w.child.cleanUp()
	w.mu.Lock()
	defer w.mu.Unlock()
	return exit{Recycled: w.calls > 0}
}

// finish waits for the rest of stdout, when it matters, and ends a call that
// still waits for its answer.
func (w *worker) finish(drain bool) {
	if drain {
		w.child.readingEnds(w.eof)
	}
	w.child.stdout.Close()
	<-w.eof
	w.mu.Lock()
	c := w.current
	if w.dead == nil {
		w.dead = &provider.Error{Code: provider.CodeCrashed, Message: "the function was stopped"}
	}
	err := w.dead
	w.mu.Unlock()
	w.complete(c, provider.Failure(err.Code, err.Message), false)
}

// died ends a process that exited by itself. The outcome of its invocation is
// decided in this order: an answer written before the exit; a deadline that has
// passed; the exit.
//
// A process that could not start is distinguished from one that crashed: it
// neither answered nor read its input. One that did answer before, and has read
// nothing of this invocation, leaves it to its successor.
func (w *worker) died() exit {
	c := w.sendingEnds()
	w.child.readingEnds(w.eof)
	w.mu.Lock()
	givenUp := w.why != ""
	unread := c == nil || int64(w.unread()) >= c.sent.Load()
	neverStarted := unread && w.answered == 0
	w.mu.Unlock()
	if givenUp {
		<-w.broken // it ends the current call
		return w.gaveUp()
	}
	w.child.cleanUp()

	var how exit
	err := &provider.Error{Code: provider.CodeCrashed, Message: "with the invocation running, the function " + w.child.describe("") + w.noise(c)}
	if neverStarted {
		how = replicas.StartFailed("the function %s", w.child.tooSoon())
		err = how.StartFailure
	} else {
		w.in.note(slog.LevelError, "the function "+w.child.describe(""))
		// A program that ends properly after an answer is no crash: it may
		// have been written for one line.
		status, lost := w.child.Status()
		how.Recycled = !lost && status.Exited() && status.ExitStatus() == 0 && w.answers() > 0
	}
	w.mu.Lock()
	w.dead = err
	w.mu.Unlock()
	if unread && !neverStarted {
		w.complete(c, notTaken, false)
	}
	w.finish(false)
	return how
}

func (w *worker) answers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered
}

// answerRead is how much is read of stdout at a time.
const answerRead = 16 << 10

// read takes answers until stdout ends.
func (w *worker) read() {
	defer close(w.eof)
	r := bufio.NewReaderSize(w.child.stdout, answerRead)
	for {
		line, err := readLine(r, w.in.f.p.opt.MaxOutputBytes)
		if errors.Is(err, errLineTooLong) {
			w.refuse(fmt.Sprintf("the answer is larger than %d bytes", w.in.f.p.opt.MaxOutputBytes))
			_, _ = io.Copy(io.Discard, r) // until it is killed
			return
		}
		if err != nil {
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if !w.child.exits() {
				// It still runs, but cannot answer any more.
				w.refuse("the function closed its standard output")
			}
			return
		}
		rest, _ := r.Peek(r.Buffered())
		w.take(line, rest)
	}
}

// refuse ends the current call with FUNCTION_BAD_OUTPUT and abandons the
// process, because answers can no longer be assigned to invocations.
func (w *worker) refuse(why string) {
	w.breakOff("replaced: "+why, slog.LevelError, func() {
		w.mu.Lock()
		c := w.current
		w.mu.Unlock()
		w.complete(c, provider.Failure(provider.CodeBadOutput, why), false)
	})
}

// take handles one line of output; rest is what has come after it.
func (w *worker) take(line, rest []byte) {
	w.mu.Lock()
	c := w.current
	w.mu.Unlock()

	a, err := w.replies.Parse(line)
	named := a.ExecutionID != ""
	switch {
	case err != nil || !a.IsAnswer():
		w.log(c, line)
		return
	case named && (c == nil || a.ExecutionID != c.inv.ExecutionID):
		w.in.note(slog.LevelWarn, "dropped an answer to execution "+fncall.Snippet([]byte(a.ExecutionID))+", which is not running here")
		return
	case c == nil:
		w.breakOff("replaced: it answered twice; the second answer was dropped: "+fncall.Snippet(line), slog.LevelError, func() {})
		return
	}

	w.chatter = 0
	r := provider.ResultOf(a.Answer())
	r.Output = fncall.Own(r.Output, line)
	if !named && w.answersIn(rest) {
		// It belongs to no invocation, and must not reach the next one.
		w.breakOff("replaced: it answered execution "+c.inv.ExecutionID+" more than once; all but the first answer were dropped",
			slog.LevelError, func() { w.complete(c, r, true) })
		return
	}
	w.complete(c, r, true)
}

// answersIn reports whether there is an answer, or what may become one, in
// output.
func (w *worker) answersIn(output []byte) bool {
	for line := range bytes.Lines(output) {
		whole, ended := bytes.CutSuffix(line, []byte("\n"))
		if !ended {
			return bytes.HasPrefix(bytes.TrimSpace(line), []byte("{"))
		}
		if a, err := w.replies.Parse(whole); err == nil && a.IsAnswer() {
			return true
		}
	}
	return false
}

// log takes a line that is no answer. It is harmless up to a bound.
func (w *worker) log(c *call, line []byte) {
	if w.chatter += len(line) + 1; w.chatter > maxChatter {
		w.refuse("it floods its standard output with what is no answer")
		return
	}
	if c != nil && len(bytes.TrimSpace(line)) > 0 {
		w.mu.Lock()
		c.noise = fncall.Snippet(line)
		w.mu.Unlock()
	}
	w.in.f.Logs.Add(provider.LogLine{Time: time.Now(), Instance: w.in.id, Stream: provider.Stdout, Text: logText(line)})
}

// maxChatter is how many bytes a STDIO function may write to stdout outside
// its answers.
const maxChatter = 1 << 20

func logText(line []byte) string {
	mark := ""
	if len(line) > maxLogLine {
		line, mark = line[:maxLogLine], cutMark
	}
	return strings.ToValidUTF8(string(line), "\uFFFD") + mark
}

var errLineTooLong = errors.New("line too long")

// readLine reads up to a newline, without it. The result is the caller's.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errLineTooLong
		}
		line = append(line, part...)
		if err == nil {
			return line[:len(line)-1], nil
		}
		if err == io.EOF && len(line) > 0 {
			return line, nil // a last line without a newline
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}
