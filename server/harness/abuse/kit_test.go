// Package abuse attacks a real simplane as a stranger, a local user, a web page
// or a hostile function would, and holds what that costs to a bound: one file a
// finding. Memory is read from /proc, so the binary is one without the race
// detector in any case.
package abuse

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"simplane/server/harness/node"
)

// hangGuard ends a wait for something that never comes. It is no time limit on
// correct behaviour.
const hangGuard = 2 * time.Minute

const (
	kib = 1 << 10
	mib = 1 << 20
)

var binary string

func TestMain(m *testing.M) {
	if raceEnabled { // the server would be the same, only this side slower
		fmt.Println("the abuse suite runs without the race detector only")
		os.Exit(0)
	}
	os.Exit(node.RunTests(m, node.BuildPlain, &binary))
}

// victim is a running server and a client that means well.
type victim struct {
	t *testing.T
	*node.Node
	client *http.Client
}

// start runs a server with further flags of serve. It must still be alive, and
// stop cleanly, at the test's end.
func start(t *testing.T, args ...string) *victim {
	t.Helper()
	return startNode(t, node.Options{Binary: binary, Args: append([]string{
		"--rate-max-per-second", "0", "--ttl", "24h", "--cleanup-ttl", "24h", // nothing goes while a slow machine fills it
	}, args...)})
}

// startNode is start with other options.
func startNode(t *testing.T, o node.Options) *victim {
	t.Helper()
	n, err := node.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, Node: n, client: &http.Client{Timeout: hangGuard}}
	t.Cleanup(func() {
		v.client.CloseIdleConnections()
		if err := n.Stop(); err != nil {
			t.Errorf("stopping: %v; log:\n%s", err, n.Log())
		}
	})
	return v
}

// call makes a request that must be answered, with any status. Headers are
// pairs of name and value.
func (v *victim) call(method, url, body string, headers ...string) node.Answer {
	v.t.Helper()
	a, err := node.Call(v.client, method, url, strings.NewReader(body), headers...)
	if err != nil {
		v.t.Fatalf("%s %s: %v; log:\n%s", method, url, err, v.Log())
	}
	return a
}

// register makes a function from its spec, which must succeed.
func (v *victim) register(spec string, headers ...string) {
	v.t.Helper()
	if a := v.call("POST", v.API+"/v1/functions", spec, headers...); a.Status != http.StatusCreated {
		v.t.Fatalf("registering %.200s: %d %.500s", spec, a.Status, a.Body)
	}
}

// healthy checks that a stranger's question about health is answered well.
func (v *victim) healthy() {
	v.t.Helper()
	if a := v.call("GET", v.API+"/actuator/health", ""); a.Status != http.StatusOK {
		v.t.Errorf("health: %d %.500s", a.Status, a.Body)
	}
}

// dial opens a raw connection to the API, closed at the test's end.
func (v *victim) dial() net.Conn {
	v.t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(v.API, "http://"), hangGuard)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	return c
}

// memory is what the server has in RAM.
func (v *victim) memory() node.Memory {
	v.t.Helper()
	m, err := node.MemoryOf(v.PID())
	if err != nil {
		v.t.Fatal(err)
	}
	return m
}

// peakGrowth runs attack and returns by how many bytes the server's memory
// grew at its peak.
func (v *victim) peakGrowth(attack func()) int64 {
	v.t.Helper()
	before := v.memory().Resident
	peak := v.watchPeak()
	attack()
	grown := peak() - before
	v.t.Logf("memory grew by %.1f MiB at its peak", float64(grown)/mib)
	return grown
}

// watchPeak begins to measure, and returns what tells the peak and ends it. The
// kernel keeps it; but as simplane is not dumpable, only root can have it count
// anew. Without that memory is looked at all the time.
func (v *victim) watchPeak() func() int64 {
	v.t.Helper()
	err := node.ForgetPeak(v.PID())
	switch {
	case err == nil:
		return func() int64 { return v.memory().Peak }
	case !errors.Is(err, fs.ErrPermission):
		v.t.Fatal(err)
	}
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		for {
			if m, err := node.MemoryOf(v.PID()); err == nil {
				peak = max(peak, m.Resident)
			}
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() int64 { close(stop); return <-most }
}

// atMost fails the test when a growth is above its bound, both in bytes.
func (v *victim) atMost(what string, grown, bound int64) {
	v.t.Helper()
	if grown > bound {
		v.t.Errorf("%s cost %.1f MiB of memory, %.1f MiB are allowed", what, float64(grown)/mib, float64(bound)/mib)
	}
}
