package server

import (
	"fmt"
	"net/http"
	"testing"
)

func (f *fixture) drainOnce(name string) bool {
	f.t.Helper()
	return f.post("/v1/internal/functions/"+name+":drain-once", "").expect(200).raw("dispatched") == "true"
}

func TestSchedulerAPIDrainOnce(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.SchedulerOff = true })
	f.post("/v1/internal/functions/none:drain-once", "").refused(404, "NOT_FOUND")
	f.register("fn", "LOCAL")
	if f.drainOnce("fn") {
		t.Error("dispatched from an empty queue")
	}
	var ids []string
	for i := range 3 {
		ids = append(ids, f.enqueue("fn", fmt.Sprint(i)).expect(202).str("executionId"))
	}
	for i := range ids {
		for j, id := range ids {
			want := "queued"
			if j < i {
				want = "success"
			}
			if s := f.get("/v1/executions/" + id).str("status"); s != want {
				t.Errorf("after %d calls execution %d is %s, want %s", i, j, s, want)
			}
		}
		if !f.drainOnce("fn") {
			t.Errorf("call %d dispatched nothing", i)
		}
	}
	if f.drainOnce("fn") {
		t.Error("dispatched a fourth time")
	}
}

// The answer comes after that dispatch has finished, also when it fails and
// is requeued, or times out.
func TestDrainOnceWaitsForTheDispatch(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.SchedulerOff = true })
	entered, leave := make(chan struct{}, 1), make(chan int, 1)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		w.WriteHeader(<-leave)
	})
	f.pool("fn", url, `"maxRetries":1,"concurrency":1,"retryBackoff":{"initialMs":0}`)
	id := f.enqueue("fn", `1`).expect(202).str("executionId")

	drained := make(chan *answer, 1)
	drain := func() {
		a, _ := f.try(f.api, "POST", "/v1/internal/functions/fn:drain-once", "")
		drained <- a
	}
	go drain()
	receive(t, "the function is called", entered)
	if f.drainOnce("fn") {
		t.Error("dispatched, though the only slot is taken and the queue empty")
	}
	select {
	case <-drained:
		t.Error("answered before the dispatch has finished")
	default:
	}
	leave <- 500
	if a := receive(t, "drain-once", drained); a == nil || a.raw("dispatched") != "true" {
		t.Errorf("%+v", a)
	}
	if e := f.get("/v1/executions/" + id); e.str("status") != "queued" || e.num("attempt") != 2 {
		t.Errorf("after the failed attempt: %s", e.body)
	}
	go drain()
	receive(t, "the function is called again", entered)
	leave <- 200
	receive(t, "drain-once", drained)
	if e := f.get("/v1/executions/" + id); e.str("status") != "success" || e.num("attempt") != 2 {
		t.Errorf("after the second attempt: %s", e.body)
	}
}

// With the scheduler off a sync invocation still drives its own function's
// queue, and no other's.
func TestSchedulerOffSyncDrivesItsOwnFunction(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.SchedulerOff = true })
	f.register("fn", "LOCAL", `"concurrency":1`)
	f.register("other", "LOCAL")
	before := f.enqueue("fn", `1`).expect(202).str("executionId")
	other := f.enqueue("other", `1`).expect(202).str("executionId")
	if a := f.invoke("fn", `2`).expect(200); a.str("status") != "success" {
		t.Errorf("sync: %s", a.body)
	}
	if s := f.get("/v1/executions/" + before).str("status"); s != "success" {
		t.Errorf("what stood before the sync invocation is %s", s)
	}
	if s := f.get("/v1/executions/" + other).str("status"); s != "queued" {
		t.Errorf("the other function's work is %s", s)
	}
	if !f.drainOnce("other") {
		t.Error("the other function's work was not there to drain")
	}
}

// The same when the sync invocation joins what is queued, by idempotency key.
func TestSchedulerOffSyncDrivesWhatItJoins(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.SchedulerOff = true })
	f.register("fn", "LOCAL", `"concurrency":1`)
	id := f.enqueue("fn", `1`, "Idempotency-Key", "k").expect(202).str("executionId")
	if a := f.invoke("fn", `1`, "Idempotency-Key", "k").expect(200); a.str("status") != "success" || a.str("executionId") != id {
		t.Errorf("joined %s: %s", id, a.body)
	}
}

// A function with more ready work than one call may serve is served on by the
// scheduler goroutine.
func TestSchedulerWorksOffABacklog(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1,"queueSize":1000`)
	first := f.enqueue("fn", `0`).expect(202).str("executionId")
	g.arrival(t)
	var last string
	for i := range 500 {
		last = f.enqueue("fn", fmt.Sprint(i)).expect(202).str("executionId")
	}
	g.open()
	for _, id := range []string{first, last} {
		if e := f.ended(id); e.str("status") != "success" {
			t.Errorf("%s", e.body)
		}
	}
	f.eventually("all done", func() bool { q, r := f.s.only.core.Unfinished(); return q+r == 0 })
}
