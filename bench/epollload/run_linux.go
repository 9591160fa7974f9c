package epollload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"simplane/bench/arrival"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

const (
	// patrolEvery is how often timeouts are looked for, lost connections
	// renewed and a cancelled run noticed.
	patrolEvery = 20 * time.Millisecond
	// maxPending bounds requests of an open loop that wait for a connection.
	maxPending = 100_000
	maxEvents  = 512
	// timerEvent stands for the open loop's timer among the events, which
	// otherwise carry the index of a connection.
	timerEvent = -1
)

// conn is one connection. Times are from the start of the run.
type conn struct {
	fd       int // -1 while there is none
	busy     bool
	intended time.Duration // latency counts from here
	sent     time.Duration // the timeout counts from here
	unsent   []byte        // rest of a request the socket had no room for
	partial  []byte        // an answer of which bytes are missing
}

type client struct {
	o        loadgen.Options
	want     *loadgen.Target
	requests *requests
	bodiless bool // answers to HEAD
	dialer   *dialer
	cpu      func() time.Duration // of the server
	start    time.Time
	end      time.Duration

	epoll, timer int
	conns        []conn
	inFlight     int
	buf          []byte
	lastPatrol   time.Duration

	// Of an open loop.
	schedule *arrival.Schedule
	next     time.Duration   // the next request is due then
	armed    time.Duration   // what the timer is set to
	pending  []time.Duration // due times; those before waiting have been sent
	waiting  int
	free     []int // connections without a request

	// Between the end of the warm-up and the end of the load.
	measuring, measured   bool
	from                  time.Duration
	serverFrom, clientCPU time.Duration
	res                   *Result
	failures              map[string]*loadgen.Failure
}

// Run loads the one target of o, which must pass Validate, until o.Warmup and
// o.Duration are over and the last answer is back or timed out. serverCPU,
// when not nil, is read at both ends of the measured time. Failing requests
// are part of the result; an error means that there was no load.
func Run(ctx context.Context, o loadgen.Options, serverCPU func() time.Duration) (*Result, error) {
	if err := Validate(o); err != nil {
		return nil, err
	}
	c := &client{
		o: o, want: &o.Targets[0], cpu: serverCPU, end: o.Warmup + o.Duration, epoll: -1, timer: -1,
		bodiless: o.Targets[0].Method == "HEAD",
		buf:      make([]byte, 64<<10), conns: make([]conn, o.Connections), failures: make(map[string]*loadgen.Failure),
		res: &Result{Latency: latency.NewHistogram(), Late: latency.NewHistogram()},
	}
	if c.cpu == nil {
		c.cpu = func() time.Duration { return 0 }
	}
	defer c.close()
	if err := c.open(); err != nil {
		return nil, err
	}
	var cancelled atomic.Bool
	stop := context.AfterFunc(ctx, func() { cancelled.Store(true) })
	defer stop()
	if err := c.loop(&cancelled); err != nil {
		return nil, err
	}
	for _, f := range c.failures {
		c.res.Failures = append(c.res.Failures, *f)
	}
	slices.SortFunc(c.res.Failures, func(a, b loadgen.Failure) int { return int(b.Count - a.Count) })
	return c.res, nil
}

// open connects all connections.
func (c *client) open() (err error) {
	var addr string
	if c.requests, addr, err = newRequests(c.o); err != nil {
		return err
	}
	if c.dialer, err = newDialer(addr, c.o.Timeout); err != nil {
		return err
	}
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for i := range c.conns {
		c.conns[i].fd = -1
	}
	if c.o.Rate > 0 {
		if err := c.openTimer(); err != nil {
			return err
		}
	}
	for i := range c.conns {
		if err := c.connect(i); err != nil {
			return fmt.Errorf("connecting to %s: %w", addr, err)
		}
	}
	return nil
}

func (c *client) openTimer() (err error) {
	if c.schedule, err = arrival.New(c.o.Arrival, c.o.Rate, c.o.Seed); err != nil {
		return err
	}
	c.next = c.schedule.Next()
	if c.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("timer: %w", err)
	}
	return unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, c.timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: timerEvent})
}

func (c *client) close() {
	for _, cn := range c.conns {
		if cn.fd > 0 {
			_ = unix.Close(cn.fd)
		}
	}
	for _, fd := range []int{c.timer, c.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// connect gives connection i a socket.
func (c *client) connect(i int) error {
	fd, err := c.dialer.dial()
	if err != nil {
		return err
	}
	if err := unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
		_ = unix.Close(fd)
		return err
	}
	c.conns[i] = conn{fd: fd, partial: c.conns[i].partial[:0]}
	if c.schedule != nil {
		c.free = append(c.free, i)
	}
	return nil
}

func (c *client) now() time.Duration { return time.Since(c.start) }

func (c *client) loop(cancelled *atomic.Bool) error {
	events := make([]unix.EpollEvent, maxEvents)
	c.start = time.Now()
	if c.schedule == nil {
		for i := range c.conns {
			c.send(i, c.now(), c.now())
		}
	}
	for {
		now := c.now()
		c.mark(now)
		if cancelled.Load() {
			c.res.Interrupted = true
			return nil
		}
		if now-c.lastPatrol >= patrolEvery {
			c.patrol(now)
		}
		if c.schedule != nil {
			c.release(now)
		}
		if now >= c.end && (c.inFlight == 0 && c.pendings() == 0 || now > c.end+c.o.Timeout+patrolEvery) {
			c.res.Unsent += int64(c.pendings())
			return nil
		}
		if err := c.arm(now); err != nil {
			return fmt.Errorf("timer: %w", err)
		}
		n, err := wait(c.epoll, events, c.patience(now))
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			if ev.Fd == timerEvent {
				continue
			}
			if ev.Events&unix.EPOLLOUT != 0 {
				c.flush(int(ev.Fd))
			}
			if ev.Events&^unix.EPOLLOUT != 0 {
				c.receive(int(ev.Fd))
			}
		}
	}
}

// patience is how long epoll may wait, in milliseconds rounded up: to the next
// patrol or to an end of the measured time.
func (c *client) patience(now time.Duration) int {
	until := c.lastPatrol + patrolEvery
	for _, at := range []time.Duration{c.o.Warmup, c.end} {
		if at > now {
			until = min(until, at)
		}
	}
	return int((max(0, until-now) + time.Millisecond - 1) / time.Millisecond)
}

// mark notes the beginning and the end of the measured time.
func (c *client) mark(now time.Duration) {
	switch {
	case !c.measuring && !c.measured && now >= c.o.Warmup:
		c.measuring, c.from = true, now
		c.serverFrom, c.clientCPU = c.cpu(), ownCPU()
	case c.measuring && now >= c.end:
		c.measuring, c.measured = false, true
		c.res.Measured = now - c.from
		c.res.ServerCPU, c.res.ClientCPU = c.cpu()-c.serverFrom, ownCPU()-c.clientCPU
	}
}

// ownCPU is what this process has used: during a run that is the client.
func ownCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// release gives each request that has come due a connection, or a place among
// those that wait for one.
func (c *client) release(now time.Duration) {
	for ; c.next <= now && c.next < c.end; c.next = c.schedule.Next() {
		if c.next >= c.o.Warmup {
			c.res.Late.Record(int64(now - c.next))
		}
		switch {
		case c.pendings() < maxPending:
			c.pending = append(c.pending, c.next)
		case c.next >= c.o.Warmup:
			c.res.Unsent++
		}
	}
	for c.pendings() > 0 && len(c.free) > 0 {
		i := c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		c.waiting++
		c.send(i, c.pending[c.waiting-1], c.now())
	}
	// Moved to the front when that frees as much as it moves.
	if c.waiting > c.pendings() {
		c.pending = c.pending[:copy(c.pending, c.pending[c.waiting:])]
		c.waiting = 0
	}
}

// pendings is the number of due requests without a connection.
func (c *client) pendings() int { return len(c.pending) - c.waiting }

// arm sets the timer of an open loop to the next request.
func (c *client) arm(now time.Duration) error {
	if c.schedule == nil || c.armed == c.next {
		return nil
	}
	c.armed = c.next
	var spec unix.ItimerSpec // zero disarms
	if c.next < c.end {
		spec.Value = unix.NsecToTimespec(int64(max(1, c.next-now)))
	}
	return unix.TimerfdSettime(c.timer, 0, &spec, nil)
}

// send writes a request to connection i, which must be free.
func (c *client) send(i int, intended, now time.Duration) {
	cn := &c.conns[i]
	cn.busy, cn.intended, cn.sent = true, intended, now
	c.inFlight++
	request := c.requests.next()
	n, err := write(cn.fd, request)
	if n == len(request) {
		return
	}
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		c.lose(i, now, kindOf(err), err.Error())
		return
	}
	if cn.unsent = request[max(n, 0):]; c.requests.keyed {
		cn.unsent = slices.Clone(cn.unsent) // the next one is written over it
	}
	c.watch(i, unix.EPOLLIN|unix.EPOLLOUT)
}

// flush goes on with a request the socket had no room for.
func (c *client) flush(i int) {
	cn := &c.conns[i]
	if len(cn.unsent) == 0 {
		return
	}
	n, err := write(cn.fd, cn.unsent)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		c.lose(i, c.now(), kindOf(err), err.Error())
		return
	}
	if cn.unsent = cn.unsent[max(n, 0):]; len(cn.unsent) == 0 {
		c.watch(i, unix.EPOLLIN)
	}
}

func (c *client) watch(i int, events uint32) {
	_ = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_MOD, c.conns[i].fd, &unix.EpollEvent{Events: events, Fd: int32(i)})
}

// receive reads what has come for connection i, and when that completes an
// answer, records it and in a closed loop sends the next request.
func (c *client) receive(i int) {
	cn := &c.conns[i]
	if cn.fd < 0 {
		return // lost earlier in the same batch
	}
	n, err := read(cn.fd, c.buf)
	now := c.now()
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil {
		c.lose(i, now, kindOf(err), err.Error())
		return
	}
	if n == 0 {
		c.lose(i, now, "connection closed by the server", "")
		return
	}
	if !cn.busy {
		c.lose(i, now, "answer that nobody asked for", string(c.buf[:n]))
		return
	}
	got := c.buf[:n]
	if len(cn.partial) > 0 {
		cn.partial = append(cn.partial, got...)
		got = cn.partial
	}
	a, complete, err := parse(got, c.bodiless)
	switch {
	case err != nil:
		c.lose(i, now, err.Error(), string(got))
		return
	case !complete:
		if len(cn.partial) == 0 {
			cn.partial = append(cn.partial, got...)
		}
		return
	case a.size < len(got):
		c.lose(i, now, "more than one answer", string(got))
		return
	case len(cn.unsent) > 0:
		c.lose(i, now, "answer before the end of the request", string(got))
		return
	}
	c.finish(cn, now, judge(a, c.want), a.body)
	cn.partial = cn.partial[:0]
	if a.close {
		c.drop(i)
		if c.connect(i) != nil {
			return // the patrol tries again
		}
	}
	switch {
	case c.schedule != nil:
		if !a.close {
			c.free = append(c.free, i)
		}
		// A waiting request need not wait for the rest of the batch.
		if c.pendings() > 0 {
			c.release(now)
		}
	case now < c.end:
		c.send(i, now, now)
	}
}

// finish records the end of a request; kind is "" for a success.
func (c *client) finish(cn *conn, now time.Duration, kind string, sample []byte) {
	cn.busy = false
	c.inFlight--
	if c.measuring && kind == "" {
		c.res.Answered++
	}
	if cn.intended < c.o.Warmup {
		return
	}
	c.res.Latency.Record(int64(now - cn.intended))
	if kind == "" {
		c.res.OK++
		return
	}
	c.res.Failed++
	f := c.failures[kind]
	if f == nil {
		text := strings.ToValidUTF8(string(sample[:min(len(sample), 200)]), "?")
		f = &loadgen.Failure{Kind: kind, Sample: text}
		c.failures[kind] = f
	}
	f.Count++
}

// lose ends the request of connection i, if there is one, as a failure and
// closes the connection; the patrol opens another.
func (c *client) lose(i int, now time.Duration, kind, sample string) {
	if cn := &c.conns[i]; cn.busy {
		c.finish(cn, now, kind, []byte(sample))
	} else if c.schedule != nil {
		c.free = slices.DeleteFunc(c.free, func(j int) bool { return j == i })
	}
	c.drop(i)
}

func (c *client) drop(i int) {
	_ = unix.Close(c.conns[i].fd) // leaves epoll with it
	c.conns[i].fd = -1
}

// patrol ends requests that are out of time and replaces lost connections.
func (c *client) patrol(now time.Duration) {
	c.lastPatrol = now
	for i := range c.conns {
		cn := &c.conns[i]
		if cn.fd >= 0 && cn.busy && now-cn.sent > c.o.Timeout {
			c.lose(i, now, "timeout", "")
		}
		if cn.fd >= 0 || now >= c.end {
			continue
		}
		if err := c.connect(i); err != nil {
			continue
		}
		if c.schedule == nil {
			c.send(i, now, now)
		}
	}
}

// kindOf names a transport error without its ever-changing details.
func kindOf(err error) string {
	switch {
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return "connection reset"
	default:
		return "transport error"
	}
}
