package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func (f *fixture) put(name, spec string, headers ...string) *answer {
	f.t.Helper()
	return f.do("PUT", "/v1/functions/"+name, spec, headers...)
}

func TestPutRegistersChangesAndCountsGenerations(t *testing.T) {
	f := start(t)
	a := f.put("fn", `{"image":"i","executionMode":"LOCAL"}`).expect(201)
	if a.num("generation") != 1 || a.header.Get("ETag") != `"1"` || a.str("name") != "fn" {
		t.Errorf("registered: %s %v", a.body, a.header)
	}
	a = f.put("fn", `{"name":"fn","image":"i","executionMode":"LOCAL","concurrency":9,"queueSize":7}`, "If-Match", `"1"`).expect(200)
	if a.num("generation") != 2 || a.num("concurrency") != 9 || a.header.Get("ETag") != `"2"` {
		t.Errorf("changed: %s %v", a.body, a.header)
	}
	if st := f.get("/v1/functions/fn/stats").expect(200); st.num("effectiveConcurrency") != 9 || st.num("queueSize") != 7 {
		t.Errorf("in force: %s", st.body)
	}
	if g := f.get("/v1/functions/fn").expect(200); string(g.body) != string(a.body) || g.header.Get("ETag") != `"2"` {
		t.Errorf("read: %s", g.body)
	}

	for _, c := range []struct {
		name, spec, match string
		status            int
		code, detail      string
	}{
		{"fn", `{"image":"i","executionMode":"LOCAL"}`, `"1"`, 409, "GENERATION_CONFLICT", ""},
		{"fn", `{"image":"i","executionMode":"LOCAL"}`, `3`, 409, "GENERATION_CONFLICT", ""},
		{"none", `{"image":"i","executionMode":"LOCAL"}`, `"1"`, 409, "GENERATION_CONFLICT", ""},
		{"fn", `{"image":"i","executionMode":"LOCAL"}`, `"x"`, 400, "VALIDATION_ERROR", "If-Match"},
		{"fn", `{"image":"i","executionMode":"LOCAL"}`, `0`, 400, "VALIDATION_ERROR", "If-Match"},
		{"fn", `{"image":"i","executionMode":"POOL","endpointUrl":"http://127.0.0.1:1"}`, ``, 409, "EXECUTION_MODE_FIXED", ""},
		{"fn", `{"name":"other","image":"i","executionMode":"LOCAL"}`, ``, 400, "VALIDATION_ERROR", `name: must be "fn", as in the path, or left out`},
		{"fn", `{"image":"i","executionMode":"LOCAL","concurrency":0}`, ``, 400, "VALIDATION_ERROR", "concurrency"},
		{"fn", `{"image":"i"`, ``, 400, "MALFORMED_JSON", ""},
		{"f:n", `{"image":"i","executionMode":"LOCAL"}`, ``, 404, "NOT_FOUND", ""},
	} {
		var headers []string
		if c.match != "" {
			headers = []string{"If-Match", c.match}
		}
		if a := f.put(c.name, c.spec, headers...).refused(c.status, c.code); !strings.Contains(a.details(), c.detail) {
			t.Errorf("%s %s: %s", c.spec, c.match, a.body)
		}
	}
	if a := f.get("/v1/functions/fn").expect(200); a.num("generation") != 2 {
		t.Errorf("after refused changes: %s", a.body)
	}
}

// The name of a function that was registered or changed by PUT is its own, and
// not the memory of a request that others use again.
func TestPutKeepsTheNameOfThePath(t *testing.T) {
	f := start(t)
	for range 3 {
		for _, name := range []string{"one", "two", "six"} {
			f.put(name, `{"image":"i","executionMode":"LOCAL"}`)
		}
	}
	for _, name := range []string{"one", "two", "six"} {
		f.get("/v1/functions/no-"+name).refused(404, "NOT_FOUND")
		if a := f.get("/v1/functions/" + name).expect(200); a.str("name") != name {
			t.Errorf("%s is %s", name, a.body)
		}
		if list, _ := f.get("/v1/functions/" + name + "/revisions").expect(200).value().([]any); len(list) != 3 || list[0].(map[string]any)["spec"].(map[string]any)["name"] != name {
			t.Errorf("revisions of %s: %v", name, list)
		}
	}
}

func TestRevisionsAndRollback(t *testing.T) {
	f := start(t)
	for i := 1; i <= 12; i++ {
		f.put("fn", fmt.Sprintf(`{"image":"i","executionMode":"LOCAL","concurrency":%d}`, i))
	}
	revisions := func() []any {
		list, _ := f.get("/v1/functions/fn/revisions").expect(200).value().([]any)
		return list
	}
	list := revisions()
	if len(list) != 10 {
		t.Fatalf("%d revisions", len(list))
	}
	for i, r := range list {
		rev := r.(map[string]any)
		if fmt.Sprint(rev["generation"]) != fmt.Sprint(12-i) || fmt.Sprint(rev["spec"].(map[string]any)["concurrency"]) != fmt.Sprint(12-i) || rev["who"] != "anonymous" || rev["at"] == "" {
			t.Errorf("revision %d: %v", i, rev)
		}
	}
	a := f.post("/v1/functions/fn:rollback", `{"generation":4}`).expect(200)
	if a.num("generation") != 13 || a.num("concurrency") != 4 {
		t.Errorf("rolled back: %s", a.body)
	}
	if first := revisions()[0].(map[string]any); fmt.Sprint(first["generation"]) != "13" {
		t.Errorf("the newest revision: %v", first)
	}
	f.post("/v1/functions/fn:rollback", `{"generation":2}`).refused(404, "NOT_FOUND") // no longer kept
	f.post("/v1/functions/fn:rollback", `{"generation":99}`).refused(404, "NOT_FOUND")
	f.post("/v1/functions/fn:rollback", `{"generation":12}`, "If-Match", `"12"`).refused(409, "GENERATION_CONFLICT")
	f.post("/v1/functions/fn:rollback", `{"generation":0}`).refused(400, "VALIDATION_ERROR")
	f.post("/v1/functions/fn:rollback", `{}`).refused(400, "VALIDATION_ERROR")
	f.post("/v1/functions/none:rollback", `{"generation":1}`).refused(404, "NOT_FOUND")
	f.get("/v1/functions/none/revisions").refused(404, "NOT_FOUND")

	f.do("DELETE", "/v1/functions/fn", "").expect(204)
	f.put("fn", `{"image":"i","executionMode":"LOCAL"}`).expect(201)
	if list := revisions(); len(list) != 1 {
		t.Errorf("%d revisions of a function registered anew", len(list))
	}
}

// Under load no caller sees a change, and no queued work is lost.
func TestUpdateUnderLoad(t *testing.T) {
	f := start(t)
	var served atomic.Int64
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		served.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `1`)
	})
	spec := func(concurrency int) string {
		return fmt.Sprintf(`{"image":"i","executionMode":"POOL","endpointUrl":%q,"queueSize":1000,"concurrency":%d}`, url, concurrency)
	}
	f.put("fn", spec(2)).expect(201)
	var wg sync.WaitGroup
	var stop atomic.Bool
	var calls, jobs atomic.Int64
	for range 12 {
		wg.Go(func() {
			for !stop.Load() {
				a, err := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":1}`)
				if err != nil || a.status != 200 || a.str("status") != "success" {
					t.Errorf("a caller saw %v %+v", err, a)
					return
				}
				calls.Add(1)
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			a, err := f.try(f.api, "POST", "/v1/functions/fn:enqueue", `{"input":2}`)
			if err != nil || a.status != 202 && a.status != 429 {
				t.Errorf("an enqueuer saw %v %+v", err, a)
				return
			}
			if a.status == 202 {
				jobs.Add(1)
			}
		}
	})
	for n := range 8 {
		before := calls.Load()
		f.eventually("calls between two changes", func() bool { return calls.Load() > before+20 })
		f.put("fn", spec(3+n)).expect(200)
	}
	stop.Store(true)
	wg.Wait()
	f.eventually("all work is done", func() bool {
		st := f.get("/v1/functions/fn/stats").expect(200)
		return st.num("queueDepth") == 0 && st.num("inFlight") == 0
	})
	st := f.get("/v1/functions/fn/stats").expect(200)
	if want := float64(calls.Load() + jobs.Load()); st.num("success") != want || st.num("error") != 0 || float64(served.Load()) != want {
		t.Errorf("%d calls and %d jobs, %d served: %s", calls.Load(), jobs.Load(), served.Load(), st.body)
	}
}
