package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/core"
)

// attemptGates are the attempts of a function, wherever they run: each waits to be told
// how it ends.
type attemptGates struct {
	t       *testing.T
	arrived chan *heldAttempt
}

type heldAttempt struct {
	node, number int
	id           core.ID
	end          chan attemptEnd
}

type attemptEnd struct {
	output string
	failed error
}

// gates has the attempts of a LOCAL function wait, at all nodes.
func (c *trio) gates(name string) *attemptGates {
	g := &attemptGates{t: c.t, arrived: make(chan *heldAttempt, 100)}
	for i := range c.nodes {
		c.gate(g, i, name)
	}
	return g
}

func (c *trio) gate(g *attemptGates, node int, name string) {
	c.nodes[node].s.HandleLocal(name, func(task core.Task) ([]byte, error) {
		a := &heldAttempt{node: node, number: task.Attempt, id: task.ID, end: make(chan attemptEnd, 1)}
		g.arrived <- a
		end := <-a.end
		return []byte(end.output), end.failed
	})
}

func (g *attemptGates) next(node, number int) *heldAttempt {
	g.t.Helper()
	a := receive(g.t, fmt.Sprint("attempt ", number), g.arrived)
	if a.number != number || node >= 0 && a.node != node {
		g.t.Fatalf("attempt %d at node %d, want %d at %d", a.number, a.node, number, node)
	}
	return a
}

func (a *heldAttempt) fails(message string) { a.end <- attemptEnd{failed: errors.New(message)} }
func (a *heldAttempt) ends(output string)   { a.end <- attemptEnd{output: output} }

// leaves has a node leave, and waits until the other one owns the function; over is
// closed when it has left.
func (c *trio) leaves(i, next int, function string) (over chan struct{}) {
	c.t.Helper()
	over = make(chan struct{})
	go func() {
		c.stop(i)
		close(over)
	}()
	c.nodes[next].eventually("the next one owns it", func() bool {
		return c.nodes[next].s.member.Local(core.PartitionOf(function)) != nil
	})
	return over
}

// An attempt that fails after its partition was handed over counts as it would have
// before: it is retried while there are retries, and a dead letter then.
func TestClusterAttemptFailsAfterTheHandOver(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	const quick = `"retryBackoff":{"initialMs":1,"jitter":0}`
	c.nodes[0].register("fn", "LOCAL", `"maxRetries":2`, quick)
	i, other := c.owner("fn")
	g, f := c.gates("fn"), c.nodes[other]
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	first := g.next(i, 1)
	over := c.leaves(i, other, "fn")
	first.fails("the first")
	second := g.next(other, 2)
	<-over
	a := f.get("/v1/executions/" + id).expect(200)
	if a.str("status") != "running" || a.num("attempt") != 2 {
		t.Errorf("%s", a.body)
	}
	second.fails("the second")
	g.next(other, 3).fails("the third")
	a = f.ended(id)
	attempts, _ := a.value("failedAttempts").([]any)
	if a.str("status") != "error" || a.num("attempt") != 3 || a.str("error", "code") != "LOCAL_ERROR" || a.str("error", "message") != "the third" || len(attempts) != 2 {
		t.Fatalf("%s", a.body)
	}
	for i, want := range []string{"the first", "the second"} {
		e := attempts[i].(map[string]any)["error"].(map[string]any)
		if e["code"] != "LOCAL_ERROR" || e["message"] != want {
			t.Errorf("attempt %d: %v", i+1, e)
		}
	}
	if letters := f.get("/v1/functions/fn/dead-letters").expect(200); !strings.Contains(string(letters.body), id) {
		t.Errorf("dead letters: %s", letters.body)
	}
	c.stop(other)
}

// What the answer of a function says of retries holds after a hand-over, too.
func TestClusterAnswerAfterTheHandOverKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	big := `"` + strings.Repeat("x", 4<<20-2) + `"` // as long as a function's answer may be
	arrived, leave := make(chan string, 10), make(chan struct{})
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- r.URL.Path
		<-leave
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/never":
			w.WriteHeader(http.StatusBadRequest)
		case "/later":
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/spaces":
			fmt.Fprint(w, ` {"a": "<b>",  "c":1.0} `)
		case "/big":
			fmt.Fprint(w, big)
		}
	})
	ids := map[string]string{}
	i, other := c.owner("fn")
	f := c.nodes[other]
	names := map[string]string{}
	for _, path := range []string{"never", "later", "spaces", "big", "slow"} {
		names[path] = c.named(i, path)
		timeout := `"timeoutMs":60000`
		if path == "slow" {
			timeout = `"timeoutMs":3000`
		}
		f.pool(names[path], url+"/"+path, `"maxRetries":1`, timeout, `"retryBackoff":{"initialMs":1,"jitter":0}`)
		ids[path] = f.enqueue(names[path], `1`).expect(202).str("executionId")
		receive(t, "the call", arrived)
	}
	over := c.leaves(i, other, names["never"])
	f.eventually("the slow one has timed out", func() bool {
		return f.get("/v1/executions/"+ids["slow"]).expect(200).str("status") != "running"
	})
	close(leave)
	want := map[string]string{"never": "error", "spaces": "success", "big": "success", "slow": "timeout"}
	for path, status := range want {
		a := f.ended(ids[path])
		if a.str("status") != status || a.num("attempt") != 1 {
			t.Errorf("%s: %s attempt %v, %.300s", path, a.str("status"), a.num("attempt"), a.body)
		}
		switch path {
		case "spaces":
			if !strings.Contains(string(a.body), `"output":{"a": "<b>",  "c":1.0}`) {
				t.Errorf("%s", a.body)
			}
		case "big":
			if len(a.str("output")) != 4<<20-2 {
				t.Errorf("output of %d bytes", len(a.str("output")))
			}
		}
	}
	f.eventually("the retry pauses as long as the function has said", func() bool {
		a := f.get("/v1/executions/" + ids["later"]).expect(200)
		if a.str("status") == "running" {
			return false
		}
		if a.str("status") != "queued" || a.num("attempt") != 2 || a.num("retryAtMillis")-float64(time.Now().UnixMilli()) < 60_000 {
			t.Fatalf("%s", a.body)
		}
		return true
	})
	<-over
	c.stop(other)
}

// A sync caller that has joined an enqueued execution is told of its end by the owner
// that decides it.
func TestClusterCallerWhoJoinedIsToldByTheNextOwner(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, func(cfg *Config) { cfg.hold = hangGuard })
	c.nodes[0].register("fn", "LOCAL", `"maxRetries":1`, `"retryBackoff":{"initialMs":1,"jitter":0}`)
	i, other := c.owner("fn")
	g, f := c.gates("fn"), c.nodes[other]
	f.enqueue("fn", `1`, "Idempotency-Key", "k").expect(202)
	first := g.next(i, 1)
	answers := make(chan *answer, 2)
	var callers sync.WaitGroup
	for _, through := range c.nodes {
		callers.Go(func() {
			a, err := through.try(through.api, "POST", "/v1/functions/fn:invoke", `{"input":1}`, "Idempotency-Key", "k")
			if err != nil {
				t.Error(err)
				return
			}
			answers <- a
		})
	}
	time.Sleep(300 * ms) // those who come later find the next owner
	over := c.leaves(i, other, "fn")
	first.fails("the first")
	g.next(other, 2).ends(`"second"`)
	callers.Wait()
	close(answers)
	for a := range answers {
		if a.status != 200 || a.str("output") != "second" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	<-over
	c.stop(other)
}
