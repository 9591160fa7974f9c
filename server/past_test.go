package server

import (
	"encoding/json"
	"fmt"
	"testing"

	"simplane/server/funcspec"
	"simplane/server/internal/history"
	"simplane/server/internal/overview"
)

// lookAt takes a look after an interval.
func (f *fixture) lookAt(n int) {
	f.s.past.samples.Look(f.s.clock.Now().WallMillis()+int64(n)*history.Interval.Milliseconds(), f.s.readings())
}

func pageOf(t *testing.T, a *answer) (p overview.Page) {
	t.Helper()
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// The history of a function has what it did, with marks of what was done to it.
func TestHistoryAndOverview(t *testing.T) {
	f := start(t)
	f.register("a", "LOCAL")
	f.register("b", "LOCAL", `"queueSize":7`)
	f.lookAt(1)
	for range 10 {
		f.do("POST", "/v1/functions/a:invoke", `{"input":1}`).expect(200)
	}
	f.do("PUT", "/v1/functions/a", `{"executionMode":"LOCAL","concurrency":9}`).expect(200)
	f.lookAt(2)
	var past struct {
		Accepted []*float64
		Slots    []*int
		P99      []*float64
		Marks    []history.Mark
	}
	raw := f.get("/v1/functions/a/history").expect(200).body
	if err := json.Unmarshal(raw, &past); err != nil {
		t.Fatal(err)
	}
	last := len(past.Accepted) - 1
	if last < 0 || past.Accepted[last] == nil || *past.Accepted[last] != 2 || *past.Slots[last] != 9 || past.P99[last] == nil {
		t.Errorf("10 calls in 5 s: %s", raw)
	}
	kinds := ""
	for _, m := range past.Marks {
		kinds += m.Kind + " "
	}
	if kinds != "start registered updated " && kinds != "registered updated " { // the server's own comes from another goroutine
		t.Errorf("marks: %s", kinds)
	}
	p := pageOf(t, f.get("/v1/admin/overview?sort=-accepted&limit=1").expect(200))
	if p.Matching != 2 || len(p.Rows) != 1 || p.Rows[0].Name != "a" || p.Rows[0].Accepted != 2 || p.Rows[0].Slots != 9 || p.Server.Functions != 2 || p.Server.Accepted != 2 {
		t.Errorf("%+v", p)
	}
	if p = pageOf(t, f.get("/v1/admin/overview?search=B").expect(200)); len(p.Rows) != 1 || p.Rows[0].Name != "b" || p.Rows[0].QueueSize != 7 {
		t.Errorf("searched: %+v", p)
	}
	f.get("/v1/admin/overview?sort=size").expect(400)
	f.get("/v1/functions/nope/history").expect(404)
	f.get("/v1/functions/nope/instances").expect(404)
}

// A page of ten thousand functions is a small answer.
func TestOverviewOfManyFunctions(t *testing.T) {
	f := start(t)
	for i := range 10_000 {
		spec, err := funcspec.Resolve(funcspec.Input{Name: new(fmt.Sprintf("f-%05d", i)), ExecutionMode: new(funcspec.ModeLocal)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.s.only.core.Register(spec); err != nil {
			t.Fatal(err)
		}
	}
	f.lookAt(1)
	f.lookAt(2)
	a := f.get("/v1/admin/overview?offset=5000").expect(200)
	if p := pageOf(t, a); p.Matching != 10_000 || len(p.Rows) != 50 || p.Rows[0].Name != "f-05000" {
		t.Errorf("%d matching, %d rows", p.Matching, len(p.Rows))
	}
	if len(a.body) > 32<<10 {
		t.Errorf("a page of 50 has %d bytes", len(a.body))
	}
	if n := f.s.past.samples.Bytes(); n > 2<<20 {
		t.Errorf("10,000 functions at rest take %d bytes of history", n)
	}
}

// The instances of a function are those of its provider.
func TestFunctionInstances(t *testing.T) {
	f := start(t, func(c *Config) { c.Provider = ProviderProcess })
	f.register("f", "DEPLOYMENT", stdioAnswer)
	f.do("POST", "/v1/functions/f:invoke", `{"input":1}`).expect(200)
	var all struct {
		Provider  string
		Ready     int
		Instances []struct{ ID string }
	}
	f.eventually("there is an instance", func() bool {
		if err := json.Unmarshal(f.get("/v1/functions/f/instances").expect(200).body, &all); err != nil {
			t.Fatal(err)
		}
		return all.Ready == 1 && len(all.Instances) == 1
	})
	if all.Provider != "process" || all.Instances[0].ID == "" {
		t.Errorf("%+v", all)
	}
	f.register("local", "LOCAL")
	if err := json.Unmarshal(f.get("/v1/functions/local/instances").expect(200).body, &all); err != nil || len(all.Instances) != 0 {
		t.Errorf("%+v %v", all, err)
	}
}

// In a cluster the page is of all nodes, from any.
func TestOverviewOfACluster(t *testing.T) {
	c := startCluster(t, 3)
	for i := range 12 {
		c.nodes[i%3].register(fmt.Sprint("f", i), "LOCAL")
	}
	for i := range c.nodes {
		p := pageOf(t, c.nodes[i].get("/v1/admin/overview?limit=5&offset=5").expect(200))
		if p.Matching != 12 || len(p.Rows) != 5 || !p.Server.Cluster || p.Server.Functions != 12 {
			t.Errorf("node %d: %+v", i, p)
		}
	}
}
