package growth

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

var connectionsRow = rowKind{Row{
	Name: "connections", Title: "Invocations, by the number of busy connections", Size: "connections",
	What: "Each connection of the closed loop asks again when its answer is there.",
}, connections}

func connections(ctx context.Context, r *runner) error {
	n, err := r.startWithOne(ctx, forgetful)
	if err != nil {
		return err
	}
	defer n.stop()
	invoke, err := n.invocation("f-0", "invoke", nil)
	if err != nil {
		return err
	}
	for _, size := range r.o.sizes(2, 2, 16, 64, 256, 1024, 4096) {
		if size > mostConnections() {
			r.find("%d connections are more than the limit of open files leaves room for (ulimit -n)", size)
			break
		}
		if err := r.measure(ctx, n, load{target: invoke, connections: size}, float64(size)); err != nil {
			return err
		}
	}
	return nil
}

// mostConnections leaves files for the rest: client and server inherit one limit.
func mostConnections() int {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 256
	}
	return int(min(lim.Cur*7/10, 1_000_000)) // #nosec G115 -- bounded
}

var idleRow = rowKind{Row{
	Name: "idle", Title: "Idle connections", Size: "connections that have asked once and are silent",
	What: "Memory of the server for each, and what they cost those that are busy.",
}, idle}

func idle(ctx context.Context, r *runner) error {
	n, err := r.startWithOne(ctx, append([]string{"--idle-timeout", "1h"}, forgetful...))
	if err != nil {
		return err
	}
	defer n.stop()
	invoke, err := n.invocation("f-0", "invoke", nil)
	if err != nil {
		return err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	// The load comes after all memory has been read: what it leaves in the heap
	// is not the connections'.
	empty := n.memory().now
	for _, busy := range []bool{false, true} {
		for _, size := range r.o.sizes(10, 100, 1_000, 10_000) {
			if size > mostConnections() {
				r.find("%d connections are more than the limit of open files leaves room for (ulimit -n)", size)
				break
			}
			if open, err = n.openUpTo(ctx, size, open); err != nil {
				return err
			}
			if busy {
				if err := r.measure(ctx, n, load{target: invoke}, float64(size)); err != nil {
					return err
				}
				continue
			}
			time.Sleep(time.Second) // buffers go back
			r.row.add(Figure{Name: "resident memory of an idle connection", Unit: "B", Limit: 12 << 10, Slack: 2},
				Point{Size: float64(size), Value: max(0, n.memory().now-empty) / float64(size)})
		}
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
	}
	return nil
}

// openUpTo opens what is missing for that many connections; it returns those that
// are open with an error too.
func (n *node) openUpTo(ctx context.Context, size int, open []net.Conn) ([]net.Conn, error) {
	for len(open) < size {
		c, err := askOnce(ctx, strings.TrimPrefix(n.api, "http://"))
		if err != nil {
			return open, err
		}
		open = append(open, c)
	}
	return open, nil
}

// askOnce opens a connection and invokes f-0 once.
func askOnce(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	const body = `{"input":1}`
	_, err = fmt.Fprintf(c, "POST /v1/functions/f-0:invoke HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, len(body), body)
	if err == nil {
		err = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	}
	if err == nil {
		// The answer is short and comes in one piece.
		var b [4096]byte
		var k int
		if k, err = c.Read(b[:]); err == nil && !strings.HasPrefix(string(b[:k]), "HTTP/1.1 200") {
			err = fmt.Errorf("answer %.100q", b[:k])
		}
	}
	if err != nil {
		_ = c.Close()
		if err == io.EOF {
			err = fmt.Errorf("the server closed a new connection")
		}
		return nil, err
	}
	return c, nil
}
