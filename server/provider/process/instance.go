package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process/guard"
	"simplane/server/provider/process/proctree"
	"simplane/server/provider/replicas"
)

// instance is one replica from its start to its end.
type instance struct {
	*replicas.Instance
	f     *function
	id    string
	stop  <-chan struct{}
	meter *meter // nil when its usage is never measured
}

// exit is how an instance ended by itself.
type exit = replicas.Exit

func newInstance(f *function, r *replicas.Instance) *instance {
	in := &instance{Instance: r, f: f, id: r.ID(), stop: r.Stop()}
	if f.p.sampler.Measures() {
		in.meter = newMeter(func() bool { return f.Measured() })
	}
	return in
}

// Used implements replicas.Meter.
func (in *instance) Used() (replicas.Usage, bool) {
	if in.meter == nil {
		return replicas.Usage{}, false
	}
	used := in.meter.read()
	return replicas.Usage{CPU: used.CPU, Memory: used.Memory}, true
}

// Run implements replicas.Runner.
func (in *instance) Run() exit {
	switch in.Spec().RuntimeMode {
	case provider.STDIO:
		return in.runStdio()
	case provider.FILE:
		return in.runPerCall(throughFiles)
	case provider.EXEC:
		return in.runPerCall(throughPipes)
	}
	return in.runHTTP()
}

func (in *instance) note(level slog.Level, text string) { in.Note(level, text) }

// child is a started process with its streams.
type child struct {
	*guard.Process
	pumps    []*pump
	tail     *tail
	confined *confinement
	meter    *meter
	stdin    *os.File // ends of the pipes that simplane holds; nil if not kept
	stdout   *stream
	spares   *spares
	shell    bool // it runs RuntimeCommand
}

// launch starts the deployment's command; it takes milliseconds, and the guard
// bounds it when ctx does not. With protocol set, stdin and stdout are left to
// the caller; otherwise stdin is empty and stdout is log.
func (in *instance) launch(ctx context.Context, id string, extra map[string]string, protocol bool) (*child, error) {
	d, opt := in.Spec(), in.f.p.opt
	env := environment(d, in.f.p.user, extra)
	args := argv(d)
	dir := d.WorkDir
	if dir == "" {
		dir = opt.WorkDir
	}
	if dir == "" {
		var err error
		if dir, err = os.Getwd(); err != nil {
			return nil, err
		}
	}
	path, err := resolve(args[0], dir, env)
	if err != nil {
		return nil, err
	}
	cmd := guard.Command{Path: path, Args: args, Env: env, Dir: dir, User: in.f.p.user.credentials()}
	confined, err := in.limited(d, &cmd)
	if err != nil {
		return nil, fmt.Errorf("the limits could not be applied: %w", err)
	}

	c := &child{tail: &tail{}, confined: confined, meter: in.meter, spares: &in.f.p.spares, shell: len(d.Commands) == 0}
	defer c.spares.refillSoon()
	pipes := pipes{spares: c.spares}
	defer pipes.closeTheirs()
	fail := func(err error) (*child, error) {
		pipes.closeOurs()
		confined.end()
		return nil, err
	}
	var stdin, stdout *os.File
	if protocol {
		stdin, c.stdin, err = pipes.in()
	} else {
		stdin, err = pipes.null()
	}
	if err != nil {
		return fail(err)
	}
	ourOut, stdout, err := pipes.out()
	if err != nil {
		return fail(err)
	}
	ourErr, stderr, err := pipes.out()
	if err != nil {
		return fail(err)
	}

	for try := 0; ; try++ {
		g, err := in.f.p.guardProcess()
		if err != nil {
			return fail(err)
		}
		c.Process, err = g.Spawn(ctx, id, cmd, stdin, stdout, stderr)
		if err == nil {
			break
		}
		if !errors.Is(err, guard.ErrGone) || try > 0 {
			if in.f.p.user.other {
				err = fmt.Errorf("%w (user %d has to be able to execute it and to enter %s)", err, in.f.p.user.uid, dir)
			}
			return fail(fmt.Errorf("%s: %w", path, err))
		}
	}
	confined.begin(c.PID, func(err error) { in.notLimited(err.Error()) })
	if c.Unlimited != "" {
		in.notLimited(c.Unlimited)
	}
	c.meter.add(c)
	c.pumps = append(c.pumps, startPump(in.f.Logs, in.id, provider.Stderr, &stream{File: ourErr}, c.tail))
	if protocol {
		c.stdout = &stream{File: ourOut}
	} else {
		c.pumps = append(c.pumps, startPump(in.f.Logs, in.id, provider.Stdout, &stream{File: ourOut}, nil))
	}
	return c, nil
}

// drainPipes is how long output may still arrive after a process is gone; a
// stray that holds a pipe open must not hold simplane up.
const drainPipes = 250 * time.Millisecond

// cleanUp releases what belongs to a process that has exited, and makes the
// tail of its stderr complete.
func (c *child) cleanUp() {
	limit, cancel := context.WithTimeout(context.Background(), drainPipes)
	defer cancel()
	for _, p := range c.pumps {
		p.finish(limit.Done())
	}
	if c.stdin != nil {
		c.stdin.Close()
	}
	if c.stdout != nil {
		c.stdout.Close()
	}
	c.meter.remove(c)
	c.confined.end()
	c.spares.fill() // a good moment, and the next start may be near
}

// readingEnds waits until everything is read that a process with a pipe for stdout
// wrote before it exited; its reader closes eof at the end.
func (c *child) readingEnds(eof <-chan struct{}) {
	limit := time.NewTimer(drainPipes)
	defer limit.Stop()
	select {
	case <-eof:
	case <-limit.C:
		c.stdout.finish()
		<-eof
	}
}

// noticeCrash is how long a process has to exit after it stopped answering.
const noticeCrash = 150 * time.Millisecond

// exits reports whether a process that stopped answering has crashed, and
// waits until its exit is known. If the kernel reports that it is exiting,
// exits waits as long as that takes: the load of the machine must not decide
// an invocation's outcome. Otherwise it waits for noticeCrash, because the
// command may be a shell that exits after its child.
func (c *child) exits() bool {
	wait := time.NewTimer(noticeCrash)
	defer wait.Stop()
	select {
	case <-c.Done():
		return true
	case <-wait.C:
	}
	if !proctree.Exiting(c.PID) {
		return false
	}
	<-c.Done()
	return true
}

// end stops a process: SIGTERM, a grace, SIGKILL.
func (in *instance) end(c *child) {
	c.Terminate()
	grace := time.NewTimer(in.f.p.opt.StopGrace)
	defer grace.Stop()
	select {
	case <-c.Done():
		return
	case <-grace.C:
	}
	in.note(slog.LevelWarn, "did not stop on SIGTERM in "+in.f.p.opt.StopGrace.String()+"; killed")
	c.Kill()
	<-c.Done()
}

// describe says in words how a process ended, and when, with the end of its stderr.
func (c *child) describe(when string) string {
	status, lost := c.Status()
	var s string
	switch {
	case lost:
		s = "was killed along with the guard process"
	case status.Signaled():
		s = "was killed by signal " + signalName(status.Signal())
	default:
		s = fmt.Sprintf("exited with code %d", status.ExitStatus())
	}
	return s + when + c.confined.suffix() + c.tail.suffix()
}

// tooSoon describes a process that ended before it was ready.
func (c *child) tooSoon() string {
	when := " before it was ready"
	if status, lost := c.Status(); !lost && status.Exited() && status.ExitStatus() == 0 {
		when += " (a program that runs once for each call has runtimeMode EXEC)"
	}
	return c.describe(when)
}

func signalName(sig syscall.Signal) string {
	return fmt.Sprintf("%d (%s)", int(sig), sig)
}
