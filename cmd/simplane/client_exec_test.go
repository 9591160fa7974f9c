package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/server/client"
)

// An execution that pauses says when it is tried again and what has failed, and
// can be cancelled.
func TestAPausingExecutionIsShownAndCancelled(t *testing.T) {
	p := startPlane(t)
	f := startFlaky(t, true)
	p.cliWith(f.spec("pool", "5")+"retryBackoff: {initialMs: 600000, maxMs: 600000}\n", "fn", "apply", "-f", "-").ok()
	id := strings.TrimSpace(p.cli("enqueue", "pool", "-d", "1").ok().out)
	var e client.Execution
	p.waitFor(func() bool {
		must(t, json.Unmarshal([]byte(p.cli("exec", "get", id, "-o", "json").ok().out), &e))
		return e.RetryAtMillis > 0
	})
	for _, verb := range []string{"get", "describe"} {
		p.cli("exec", verb, id).ok().prints("status:", "queued", "next attempt:", ", in ", "failed attempts:\n", "POOL_ERROR")
	}
	p.cli("exec", "cancel", "nope", id, "12345678-1234-1234-1234-123456789012").
		fails(1, "2 of 3 were not cancelled: nope: ", "NOT_FOUND").prints(id + " cancelled\n")
	p.cli("exec", "get", id).ok().prints("error", "CANCELLED", "failed attempts:\n")
	p.cli("exec", "cancel", id).fails(1, id, "ALREADY_ENDED")
	p.cli("exec", "watch", id).fails(1, "CANCELLED")
	p.cli("exec", "cancel").fails(2, "ID is missing")
}

func TestWatchTellsOfPauses(t *testing.T) {
	p := startPlane(t)
	f := startFlaky(t, true)
	p.cliWith(f.spec("pool", "1")+"retryBackoff: {initialMs: 300, jitter: 0}\n", "fn", "apply", "-f", "-").ok()
	id := strings.TrimSpace(p.cli("enqueue", "pool", "-d", "1").ok().out)
	p.cli("exec", "watch", id).fails(1, "POOL_ERROR").prints("attempt 2, after a pause until ", "(POOL_ERROR)\n")
}

func (p *plane) waitFor(done func() bool) {
	p.t.Helper()
	for end := time.Now().Add(hangGuard); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("it did not come")
		}
	}
}

// gate is the endpoint of a POOL function that fails while it is broken, and
// otherwise holds each call until it is told to answer one.
type gate struct {
	*httptest.Server
	mu     sync.Mutex
	broken bool
	inputs []string
	answer chan struct{}
}

func startGate(t *testing.T) *gate {
	g := &gate{broken: true, answer: make(chan struct{})}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Input json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&body)
		g.mu.Lock()
		broken := g.broken
		if !broken {
			g.inputs = append(g.inputs, string(body.Input))
		}
		g.mu.Unlock()
		if broken {
			http.Error(w, "away", http.StatusInternalServerError)
			return
		}
		select {
		case <-g.answer:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// deadLetters leaves n dead letters of a function with one slot and a queue of
// one, and returns their ids, oldest first.
func (p *plane) deadLetters(g *gate, n int) (ids []string) {
	p.cliWith("name: pool\nimage: none\nexecutionMode: POOL\nendpointUrl: "+g.URL+"\nmaxRetries: 0\nconcurrency: 1\nqueueSize: 1\ntimeoutMillis: 60000\n", "fn", "apply", "-f", "-").ok()
	for i := range n {
		id := strings.TrimSpace(p.cli("enqueue", "pool", "-d", string(rune('0'+i))).ok().out)
		p.cli("exec", "watch", id).fails(1)
		ids = append(ids, id)
	}
	g.mu.Lock()
	g.broken = false
	g.mu.Unlock()
	return ids
}

// With a full queue paced re-driving waits, loses none, and keeps the order.
func TestPacedRedriveWaitsForRoom(t *testing.T) {
	p := startPlane(t)
	g := startGate(t)
	ids := p.deadLetters(g, 6)
	go func() {
		for range ids {
			time.Sleep(20 * time.Millisecond)
			g.answer <- struct{}{}
		}
	}()
	out := p.cli("dlq", "redrive", "pool", "--all", "--rate", "500").ok().prints(ids...).out
	if strings.Count(out, "execution ") != len(ids) {
		t.Errorf("re-driven: %s", out)
	}
	p.waitFor(func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.inputs) == len(ids) })
	if got := strings.Join(g.inputs, ""); got != "012345" {
		t.Errorf("they came in the order %s", got)
	}
	if out := p.cli("dlq", "list", "pool").ok().out; strings.Count(out, "\n") != 1 {
		t.Errorf("left: %s", out)
	}
}

// What the full queue does not take stays and is named, with and without a rate.
func TestRedriveNamesWhatStays(t *testing.T) {
	for _, flags := range [][]string{nil, {"--rate", "200", "--patience", "50ms"}} {
		p := startPlane(t)
		g := startGate(t)
		ids := p.deadLetters(g, 5)
		r := p.cli(append([]string{"dlq", "redrive", "pool", "--all"}, flags...)...).
			fails(1, "3 of 5 dead letters were not accepted; they are still there: "+strings.Join(ids[2:], ", ")).prints(ids...).prints("QUEUE_FULL")
		if strings.Count(r.out, "execution ") != 2 {
			t.Errorf("%v: %s", flags, r.out)
		}
		left := p.cli("dlq", "list", "pool").ok().prints(ids[2:]...).out
		if strings.Count(left, "\n") != 4 {
			t.Errorf("%v left: %s", flags, left)
		}
		var one client.Redriven
		raw := p.cli(append([]string{"dlq", "redrive", "pool", ids[3], ids[0], "-o", "json"}, flags...)...).fails(1, "2 of 2").out
		if err := json.Unmarshal([]byte(raw), &one); err != nil || len(one.Failed) != 2 || len(one.Redriven) != 0 {
			t.Errorf("%v: %s %v", flags, raw, err)
		}
		close(g.answer)
	}
}

func TestRedriveRatesAreChecked(t *testing.T) {
	p := startPlane(t)
	for _, bad := range [][]string{{"--rate", "0"}, {"--rate", "-1"}, {"--rate", "NaN"}, {"--rate", "1e9"}, {"--rate", "many"}, {"--patience", "1s"}, {"--rate", "1", "--patience", "0s"}} {
		p.cli(append([]string{"dlq", "redrive", "pool", "--all"}, bad...)...).fails(2, "--")
	}
	p.cli("dlq", "redrive", "none", "--all", "--rate", "5").fails(1, "NOT_FOUND")
}
