package server

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"simplane/core"
	"simplane/core/cluster"
	"testing"
)

func TestClusterServesAsOne(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3)
	for i := range c.nodes {
		defer c.stop(i)
	}
	names := map[string]bool{}
	for i := range 40 { // registered anywhere, called anywhere
		name := fmt.Sprint("fn", i)
		names[name] = true
		c.nodes[i%3].register(name, "LOCAL")
	}
	for i := range 40 {
		name := fmt.Sprint("fn", i)
		for _, f := range c.nodes {
			if got := f.invoke(name, fmt.Sprint(i)).expect(200); got.raw("output") != fmt.Sprint(i) {
				t.Fatalf("%s: %s", name, got.body)
			}
		}
		a := c.nodes[(i+1)%3].do("POST", "/v1/functions/"+name+":enqueue", `{"input":1}`).expect(202)
		id := a.str("executionId")
		for _, f := range c.nodes {
			f.eventually("it has ended", func() bool { return f.get("/v1/executions/"+id).expect(200).str("status") == "success" })
		}
	}
	for _, f := range c.nodes {
		var list []struct{ Name string }
		if err := json.Unmarshal(f.get("/v1/functions").expect(200).body, &list); err != nil || len(list) != len(names) {
			t.Fatalf("%d functions, %v", len(list), err)
		}
		f.get("/v1/functions/nobody").expect(404)
		f.invoke("nobody", "1").expect(404)
	}
}

// clusterLoad calls and enqueues through all nodes but those left out, until it is stopped.
type clusterLoad struct {
	t       *testing.T
	stop    chan struct{}
	workers sync.WaitGroup

	mu       sync.Mutex
	ids      []string // acknowledged
	refused  map[string]int
	answered int
}

func (c *trio) load(functions []string, through ...int) *clusterLoad {
	l := &clusterLoad{t: c.t, stop: make(chan struct{}), refused: map[string]int{}}
	for w := range 6 {
		f := c.nodes[through[w%len(through)]]
		l.workers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.stop:
					return
				default:
				}
				l.once(f, functions[(i*7+w)%len(functions)], (i+w)%2 == 0)
			}
		})
	}
	return l
}

func (l *clusterLoad) once(f *fixture, name string, enqueue bool) {
	action, want := ":invoke", 200
	if enqueue {
		action, want = ":enqueue", 202
	}
	a, err := f.try(f.api, "POST", "/v1/functions/"+name+action, `{"input":1}`)
	if err != nil {
		l.t.Errorf("%s%s: %v", name, action, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.status != want {
		l.refused[fmt.Sprint(action, " ", a.status, " ", string(a.body))]++
		return
	}
	l.answered++
	if enqueue {
		l.ids = append(l.ids, a.str("executionId"))
	} else if a.str("status") != "success" {
		l.t.Errorf("%s", a.body)
	}
}

// end stops the load and returns how many calls were answered and refused.
func (l *clusterLoad) end() (answered, refused int) {
	close(l.stop)
	l.workers.Wait()
	for what, n := range l.refused {
		refused += n
		l.t.Logf("%d times %s", n, what)
	}
	return l.answered, refused
}

// reconcile looks every acknowledged id up, through each of the nodes.
func (l *clusterLoad) reconcile(nodes ...*fixture) {
	l.t.Helper()
	for i, id := range l.ids {
		f := nodes[i%len(nodes)]
		f.eventually("an acknowledged execution ends", func() bool {
			a := f.get("/v1/executions/" + id)
			if a.status == 503 {
				return false
			}
			return a.expect(200).str("status") == "success"
		})
	}
}

func functions(c *trio, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("fn", i))
		c.nodes[0].eventually("it is registered", func() bool { // perhaps in vain once: leases may end
			status := c.nodes[0].put(names[i], `{"image":"img","executionMode":"LOCAL","queueSize":100000}`).status
			return status == http.StatusCreated || status == http.StatusOK
		})
	}
	return names
}

// A node that leaves in order loses no call, not even one that is refused.
func TestClusterHandsOverWithoutALostCall(t *testing.T) {
	t.Parallel()
	patient := func(cfg *Config) { cfg.hold = hangGuard }
	c := startCluster(t, 3, patient)
	names := functions(c, 30)
	l := c.load(names, 0, 1, 2)
	time.Sleep(200 * ms)
	l2 := c.load(names, 1, 2)
	l.end()
	c.stop(0)
	c.settle()
	time.Sleep(100 * ms)
	if _, refused := l2.end(); refused > 0 {
		t.Errorf("%d calls were refused", refused)
	}
	l.reconcile(c.nodes[1:]...)
	l2.reconcile(c.nodes[1:]...)
	l3 := c.load(names, 1, 2)
	f := c.build(3, patient)
	f.begin()
	f.awaitReady()
	c.settle()
	if _, refused := l3.end(); refused > 0 {
		t.Errorf("%d calls were refused while a node joined", refused)
	}
	l3.reconcile(c.nodes[1:]...)
	for i := 1; i < 4; i++ {
		c.stop(i)
	}
}

// A node that is cut off from the engine stops, the others take over, and nothing
// acknowledged is lost.
func TestClusterTakesOverFromANodeThatIsCutOff(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, shortLeases)
	names := functions(c, 30)
	l := c.load(names, 0, 1, 2)
	time.Sleep(200 * ms)
	own := slices.IndexFunc(names, func(name string) bool { owner, _ := c.owner(name); return owner == 0 })
	if own < 0 {
		t.Fatal("node 0 owns no function")
	}
	c.links[0].Cut()
	f := c.nodes[0]
	f.eventually("it says that it does not serve", func() bool { return f.get("/actuator/health/readiness").status == 503 })
	f.get("/actuator/health").expect(200)
	c.nodes[1].eventually("the others have all", func() bool {
		open := 0
		for _, n := range c.nodes[1:] {
			open += n.s.member.Open().Len()
		}
		return open == cluster.Partitions
	})
	// It knows no owner of what was its own. What it knows to be another's it passes on.
	f.refused503(f.do("POST", "/v1/functions/"+names[own]+":invoke", `{"input":1}`))
	answered, refused := l.end()
	t.Logf("%d answered, %d refused", answered, refused)
	l.reconcile(c.nodes[1:]...)
	c.links[0].Heal()
	f.awaitServing()
	c.settle()
	l.reconcile(c.nodes...)
	for i := range c.nodes {
		c.stop(i)
	}
}

// refused503 wants an answer of a node that cannot serve.
func (f *fixture) refused503(a *answer) {
	f.t.Helper()
	if a.status != 503 || !strings.Contains(string(a.body), "NO_OWNER") && !strings.Contains(string(a.body), "OWNER_LOST") {
		f.t.Errorf("%d %s", a.status, a.body)
	}
}

func (f *fixture) awaitServing() {
	f.t.Helper()
	f.eventually("it serves again", func() bool { return f.get("/actuator/health/readiness").status == 200 })
}

// What the engine has lost of what it had acknowledged is noticed: the partition
// stays closed, and the others are served.
func TestClusterServesNothingThatTheEngineHasLost(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	names := functions(c, 20)
	i, other := c.owner(names[0])
	for range 5 {
		c.nodes[i].do("POST", "/v1/functions/"+names[0]+":enqueue", `{"input":1}`).expect(202)
	}
	c.nodes[i].eventually("all is committed", func() bool { return c.nodes[i].s.member.lag() == 0 })
	p := core.PartitionOf(names[0])
	if !c.hub.Lose(p) {
		t.Fatal("there was nothing to lose")
	}
	c.stop(i)
	f := c.nodes[other]
	f.eventually("it is known to be lost", func() bool {
		var st struct {
			Partitions []struct{ State string }
		}
		_ = json.Unmarshal(f.onMgmt("GET", "/v1/admin/cluster", "").expect(200).body, &st)
		return st.Partitions[p].State == "lost"
	})
	if !strings.Contains(f.log.String(), "lost acknowledged data") {
		t.Errorf("the log says nothing:\n%s", f.log)
	}
	f.refused503(f.do("POST", "/v1/functions/"+names[0]+":invoke", `{"input":1}`))
	served := 0
	for _, name := range names {
		if core.PartitionOf(name) != p {
			f.eventually("others are served", func() bool { return f.invoke(name, "1").status == 200 })
			served++
		}
	}
	if served == 0 {
		t.Error("no other function")
	}
	f.get("/v1/functions").refused(503, "NO_OWNER") // a list would not be whole
	c.stop(other)
}

// The configuration is one for all nodes, and so is the rate limit.
func TestClusterHasOneConfiguration(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3)
	names := functions(c, 12)
	const limit = 50
	revision := c.nodes[0].get("/v1/admin/runtime-config").expect(200).num("revision")
	c.nodes[1].do("PATCH", "/v1/admin/runtime-config", fmt.Sprintf(`{"expectedRevision":%v,"rateMaxPerSecond":%d}`, revision, limit)).expect(200)
	for _, f := range c.nodes {
		if got := f.get("/v1/admin/runtime-config").expect(200).num("rateMaxPerSecond"); got != limit {
			t.Errorf("a node says %v", got)
		}
		f.eventually("every node follows", func() bool { return f.s.member.limiter.Limit() == limit })
	}
	c.nodes[2].do("PATCH", "/v1/admin/runtime-config", fmt.Sprintf(`{"expectedRevision":%v,"rateMaxPerSecond":1}`, revision)).refused(409, "REVISION_CONFLICT")
	var mu sync.Mutex
	windows := map[int64]int{}
	var workers sync.WaitGroup
	until := time.Now().Add(2500 * ms)
	for w := range 6 {
		f := c.nodes[w%3]
		workers.Go(func() {
			for i := w; time.Now().Before(until); i++ {
				a, err := f.try(f.api, "POST", "/v1/functions/"+names[i%len(names)]+":enqueue", `{"input":1}`)
				if err != nil {
					t.Error(err)
					return
				}
				if a.status != 202 {
					continue
				}
				d, err := f.try(f.api, "GET", "/v1/executions/"+a.str("executionId"), "")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				windows[int64(d.num("createdAtMillis"))/1000]++
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	total := 0
	for second, n := range windows {
		total += n
		// A call may read the clock at the end of a window and be so late that it has a place
		// of the next one.
		if next := windows[second+1]; n+next > 2*limit {
			t.Errorf("%d in second %d and %d in the next, the limit is %d", n, second, next, limit)
		}
	}
	if total == 0 {
		t.Error("nothing was admitted")
	}
	// It holds for whoever comes later, and for the next owner.
	i, other := c.ofConfig()
	c.stop(i)
	owner := c.nodes[other]
	owner.eventually("the next owner has it", func() bool {
		a := owner.get("/v1/admin/runtime-config")
		return a.status == 200 && a.num("rateMaxPerSecond") == limit && a.num("revision") == revision+1
	})
	for i, f := range c.nodes {
		if f.served != nil {
			c.stop(i)
		}
	}
}

// Lists are those of all nodes, page after page.
func TestClusterListsAreWhole(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3)
	names := functions(c, 25)
	want := map[string]bool{}
	for i := range 120 {
		a := c.nodes[i%3].do("POST", "/v1/functions/"+names[i*i%25]+":enqueue", `{"input":1}`).expect(202)
		want[a.str("executionId")] = true
	}
	f := c.nodes[1]
	for _, limit := range []int{7, 120, 1000} {
		seen := map[string]bool{}
		cursor := ""
		for more := true; more; {
			var page struct {
				Executions []struct{ ExecutionID string }
				Truncated  bool
				NextCursor string
			}
			if err := json.Unmarshal(f.get(fmt.Sprintf("/v1/admin/executions?limit=%d&cursor=%s", limit, cursor)).expect(200).body, &page); err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Executions {
				if seen[e.ExecutionID] {
					t.Fatalf("%s comes twice", e.ExecutionID)
				}
				seen[e.ExecutionID] = true
			}
			more, cursor = page.Truncated, page.NextCursor
		}
		if len(seen) != len(want) {
			t.Errorf("limit %d: %d of %d", limit, len(seen), len(want))
		}
	}
	var listed []string
	for cursor := ""; ; {
		a := f.get("/v1/functions?limit=4&cursor=" + cursor).expect(200)
		var page []struct{ Name string }
		if err := json.Unmarshal(a.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, fn := range page {
			listed = append(listed, fn.Name)
		}
		if cursor = a.header.Get("X-Next-Cursor"); cursor == "" {
			break
		}
	}
	slices.Sort(names)
	if !slices.Equal(listed, names) {
		t.Errorf("listed %v", listed)
	}
	st := f.get("/v1/admin/stats").expect(200)
	if st.num("functionCount") != 25 || st.num("storedExecutions") != 120 || st.num("functions", names[0], "enqueued") == 0 {
		t.Errorf("%s", st.body)
	}
	one := f.get("/v1/admin/executions?function=" + names[0] + "&include=output").expect(200)
	if !strings.Contains(string(one.body), names[0]) {
		t.Errorf("%s", one.body)
	}
	f.get("/v1/admin/executions?function=nobody").expect(404)
	f.get("/v1/admin/executions?limit=x").expect(400)
	for i := range c.nodes {
		c.stop(i)
	}
}

// A call that runs on while its partition is handed over ends at the next owner, with
// the attempt that it is.
func TestClusterCallOutlivesItsOwner(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	names := functions(c, 1)
	i, other := c.owner(names[0])
	gate, attempts := make(chan struct{}), make(chan int, 10)
	for _, f := range c.nodes {
		f.s.HandleLocal(names[0], func(task core.Task) ([]byte, error) {
			attempts <- task.Attempt
			<-gate
			return []byte(`"done"`), nil
		})
	}
	id := c.nodes[other].do("POST", "/v1/functions/"+names[0]+":enqueue", `{"input":1}`).expect(202).str("executionId")
	if n := <-attempts; n != 1 {
		t.Fatalf("attempt %d", n)
	}
	stopped := make(chan struct{})
	go func() {
		c.stop(i)
		close(stopped)
	}()
	f := c.nodes[other]
	f.eventually("the other one owns it", func() bool { return f.s.member.Local(core.PartitionOf(names[0])) != nil })
	if got := f.get("/v1/executions/" + id).expect(200).str("status"); got != "running" {
		t.Errorf("it is %s", got)
	}
	close(gate)
	f.eventually("it ends at the next owner", func() bool {
		a := f.get("/v1/executions/" + id).expect(200)
		return a.str("status") == "success" && a.str("output") == "done" && a.num("attempt") == 1
	})
	<-stopped
	if len(attempts) != 0 {
		t.Error("there was another attempt")
	}
	c.stop(other)
}

// Callers who wait for a node that loses its partitions are told so at once.
func TestClusterCallersOfALostOwnerAreTold(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, shortLeases)
	names := functions(c, 1)
	i, other := c.owner(names[0])
	gate, began := make(chan struct{}), make(chan struct{}, 10)
	c.nodes[i].s.HandleLocal(names[0], func(core.Task) ([]byte, error) {
		began <- struct{}{}
		<-gate
		return []byte("1"), nil
	})
	defer close(gate)
	type told struct {
		status int
		body   string
	}
	answers := make(chan told, 2)
	for _, through := range []int{i, other} {
		f := c.nodes[through]
		go func() {
			a, err := f.try(f.api, "POST", "/v1/functions/"+names[0]+":invoke", `{"input":1}`)
			if err != nil {
				t.Error(err)
				return
			}
			answers <- told{a.status, string(a.body)}
		}()
		<-began
	}
	c.links[i].Cut()
	for range 2 {
		select {
		case a := <-answers:
			if a.status != 503 || !strings.Contains(a.body, "OWNER_LOST") {
				t.Errorf("%d %s", a.status, a.body)
			}
		case <-time.After(hangGuard):
			t.Fatal("nobody told them")
		}
	}
	c.links[i].Heal()
	c.nodes[i].awaitServing()
	for n := range c.nodes {
		c.stop(n)
	}
}

// A raw call whose owner is lost is not made again, whatever its method.
func TestClusterRawCallsAreMadeOnce(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, shortLeases)
	began, gate := make(chan struct{}, 10), make(chan struct{})
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		if r.URL.Path == "/begun" {
			fmt.Fprint(w, "some")
			w.(http.Flusher).Flush()
		}
		<-gate
	})
	defer close(gate)
	c.nodes[0].register("raw", "POOL", fmt.Sprintf(`"endpointUrl":%q`, url))
	i, other := c.owner("raw")
	waits, begun := c.nodes[other].caller(), c.nodes[other].caller()
	waits.say("GET /function/raw HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	receive(t, "the call", began)
	begun.say("GET /function/raw/begun HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	receive(t, "the other call", began)
	if head := begun.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		t.Error(head)
	}
	c.links[i].Cut()
	if resp, body := waits.response("GET"); resp.StatusCode != 503 || !strings.Contains(string(body), "OWNER_LOST") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if rest, err := io.ReadAll(begun.in); strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Errorf("the answer looks whole: %q, %v", rest, err)
	}
	if len(began) > 0 {
		t.Error("a call was made again")
	}
	c.links[i].Heal()
	c.nodes[i].awaitServing()
	for n := range c.nodes {
		c.stop(n)
	}
}

// A function that answers as a node does that is not the owner is taken at its word.
func TestClusterFunctionsAnswerForThemselves(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	hits := atomic.Int32{}
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMisdirectedRequest)
		fmt.Fprint(w, `{"error":"NOT_OWNER","message":"forged"}`)
	})
	c.nodes[0].register("raw", "POOL", fmt.Sprintf(`"endpointUrl":%q`, url))
	_, other := c.owner("raw")
	if a := c.nodes[other].do("POST", "/function/raw", "x"); a.status != 421 || hits.Load() != 1 || a.str("message") != "forged" {
		t.Errorf("%d %s, called %d times", a.status, a.body, hits.Load())
	}
	for n := range c.nodes {
		c.stop(n)
	}
}

// A raw call gets to the owner, and is what it was.
func TestClusterPassesRawCallsOn(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	var last http.Header
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.Header.Clone()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Made-By", "function")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, r.Method, " ", r.URL.RequestURI(), " ", len(body))
	}))
	defer back.Close()
	c.nodes[0].register("raw", "POOL", fmt.Sprintf(`"endpointUrl":%q`, back.URL))
	i, other := c.owner("raw")
	for _, through := range []int{i, other} {
		a := c.nodes[through].do("PATCH", "/function/raw/some/path?q=1", strings.Repeat("x", 100_000), "Content-Type", "image/png")
		if a.status != http.StatusTeapot || string(a.body) != "PATCH /some/path?q=1 100000" || a.header.Get("X-Made-By") != "function" {
			t.Errorf("through node %d: %d %s %v", through, a.status, a.body, a.header)
		}
		if last.Get("Content-Type") != "image/png" || !strings.HasPrefix(last.Get("X-Forwarded-For"), "127.0.0.1") || last.Get("X-Fencing-Token") == "" {
			t.Errorf("the function got %v", last)
		}
	}
	for n := range c.nodes {
		c.stop(n)
	}
}
