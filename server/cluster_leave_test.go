package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"simplane/core"
)

// halfClosed is how many connections of a node's port for other members have heard that
// nothing more will come, and are still open.
func (f *fixture) halfClosed() (n int) {
	f.t.Helper()
	port := f.s.member.addr.Addr().(*net.TCPAddr).Port
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		f.t.Skip(err)
	}
	for line := range bytes.Lines(table) {
		const closeWait = "08"
		if fields := bytes.Fields(line); len(fields) > 3 && bytes.HasSuffix(fields[1], fmt.Appendf(nil, ":%04X", port)) && string(fields[3]) == closeWait {
			n++
		}
	}
	return n
}

// atGate is a function of two nodes, one call at a time, whose calls come by way of the node
// that does not own it.
type atGate struct {
	*trio
	owner, way *fixture
	arrived    chan string
	leave      chan struct{}
}

func startAtGate(t *testing.T, change ...func(*Config)) *atGate {
	g := &atGate{arrived: make(chan string, 100), leave: make(chan struct{}, 100)}
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		g.arrived <- string(body)
		<-g.leave
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`"done"`))
	})
	t.Cleanup(func() { close(g.leave) })
	g.trio = startCluster(t, 2, change...)
	g.nodes[0].register("fn", "POOL", fmt.Sprintf(`"endpointUrl":%q`, url), `"concurrency":1`)
	i, other := g.trio.owner("fn")
	g.owner, g.way = g.nodes[i], g.nodes[other]
	return g
}

func (g *atGate) queued(n int) {
	g.t.Helper()
	g.owner.eventually(fmt.Sprintf("%d are queued", n), func() bool {
		return g.owner.s.member.coreOf(core.PartitionOf("fn")).Function("fn").QueueDepth() == n
	})
}

func (g *atGate) arrival(input string) {
	g.t.Helper()
	if got := receive(g.t, "a call", g.arrived); !strings.Contains(got, input) {
		g.t.Errorf("called with %s, want %s", got, input)
	}
}

func (l *line) answer() (int, string) {
	l.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(l), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// The owner hears of callers that leave the node that has passed their calls on: what is
// queued for them does not run. A call that runs goes on, and who can still be answered is.
func TestClusterCallersThatLeave(t *testing.T) {
	g := startAtGate(t)
	running, gone, raw, stays := g.way.dial(nil), g.way.dial(nil), g.way.dial(nil), g.way.dial(nil)
	running.invoke("fn", `"first"`)
	g.arrival("first")
	gone.invoke("fn", `"second"`)
	g.queued(1)
	fmt.Fprintf(raw, "POST /function/fn HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nthird")
	g.queued(2)
	stays.invoke("fn", `"fourth"`)
	g.queued(3)
	before := g.owner.halfClosed()
	for _, l := range []*line{running, gone, raw} {
		l.hangUp()
	}
	gone.Close()
	raw.Close()
	g.owner.eventually("the owner has heard of those who leave", func() bool { return g.owner.halfClosed() == before+3 })
	g.leave <- struct{}{}
	if status, body := running.answer(); status != 200 || !strings.Contains(body, `"done"`) {
		t.Errorf("the call that ran: %d %s", status, body)
	}
	g.arrival("fourth")
	g.leave <- struct{}{}
	if status, body := stays.answer(); status != 200 || !strings.Contains(body, `"done"`) {
		t.Errorf("who has stayed: %d %s", status, body)
	}
	list, _ := g.way.get("/v1/admin/executions?function=fn&status=error").expect(200).value("executions").([]any)
	if len(list) != 2 {
		t.Errorf("%d calls ended as errors", len(list))
	}
	for _, e := range list {
		a := g.way.get("/v1/executions/" + e.(map[string]any)["executionId"].(string)).expect(200)
		if a.str("error", "code") != core.CodeCancelled {
			t.Errorf("%s", a.body)
		}
	}
	g.owner.eventually("their connections are closed", func() bool { return g.owner.halfClosed() == before })
	g.way.invoke("nobody", "1").expect(404)
	g.end()
}

// Where calls are not to end with their callers the owner hears nothing.
func TestClusterCallersThatLeaveAreNotNoticed(t *testing.T) {
	g := startAtGate(t, func(cfg *Config) { cfg.CancelOnDisconnect = false })
	running, gone := g.way.dial(nil), g.way.dial(nil)
	running.invoke("fn", `"first"`)
	g.arrival("first")
	gone.invoke("fn", `"second"`)
	g.queued(1)
	before := g.owner.halfClosed()
	gone.hangUp()
	gone.Close()
	time.Sleep(500 * ms) // it would have heard
	if g.owner.halfClosed() != before {
		t.Error("it was told")
	}
	g.leave <- struct{}{}
	g.arrival("second")
	g.leave <- struct{}{}
	running.answer()
	g.end()
}
