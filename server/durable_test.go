package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"simplane/core"
)

// in has a server keep its state in dir.
func in(dir string) func(*Config) { return func(c *Config) { c.DataDir = dir } }

// abandon ends a server as a killed process would leave its directory, and
// returns a copy of that: its files are still open in this process.
func (f *fixture) abandon(dir string) string {
	f.t.Helper()
	copied := filepath.Join(f.t.TempDir(), "data")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		f.t.Fatal(err)
	}
	return copied
}

// What was acknowledged comes back: functions with their revisions, executions,
// keys, dead letters, runtime configuration.
func TestAnotherLifeGoesOnWithWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	f := start(t, in(dir))
	f.register("echo", "LOCAL", `"concurrency":2`)
	f.do("PUT", "/v1/functions/echo", `{"image":"i","executionMode":"LOCAL","concurrency":3}`).expect(200)
	f.register("gone", "LOCAL")
	f.do("DELETE", "/v1/functions/gone", "").expect(204)
	f.register("bad", "LOCAL", `"maxRetries":0`)
	f.s.HandleLocal("bad", func(core.Task) ([]byte, error) { return nil, errors.New("no") })
	g := f.hold("slow")
	f.register("slow", "LOCAL", `"concurrency":1`, `"maxRetries":1`)
	done := f.enqueue("echo", `{"n":1}`).expect(202).str("executionId")
	keyed := f.do("POST", "/v1/functions/echo:enqueue", `{"input":2}`, "Idempotency-Key", "k").expect(202).str("executionId")
	bad := f.enqueue("bad", `"letter"`).expect(202).str("executionId")
	running := f.enqueue("slow", `"first"`).expect(202).str("executionId")
	g.arrival(t)
	queued := f.enqueue("slow", `"second"`).expect(202).str("executionId")
	memory := f.do("POST", "/v1/functions/slow:enqueue", `{"input":"third"}`, "X-Durability", "memory").expect(202).str("executionId")
	f.onMgmt("PATCH", "/v1/admin/runtime-config", `{"expectedRevision":1,"syncQueueMaxDepth":77}`).expect(200)
	for _, id := range []string{done, keyed, bad} {
		f.eventually(id+" ends", func() bool {
			return f.get("/v1/executions/"+id).str("status") != "queued" && f.get("/v1/executions/"+id).str("status") != "running"
		})
	}
	copied := f.abandon(dir)
	g.open()

	f2 := launch(t, in(copied))
	defer func() { _ = f2.shutdown() }()
	f2.s.HandleLocal("slow", func(task core.Task) ([]byte, error) {
		return fmt.Appendf(nil, `{"attempt":%d}`, task.Attempt), nil
	})
	f2.eventually("it is ready", func() bool { return f2.get("/actuator/health/readiness").status == 200 })
	if spec := f2.get("/v1/functions/echo").expect(200); spec.num("concurrency") != 3 || spec.num("generation") != 2 {
		t.Errorf("echo came back as %s", spec.body)
	}
	var revisions []struct {
		Generation int
		Who        string
	}
	if err := json.Unmarshal(f2.get("/v1/functions/echo/revisions").expect(200).body, &revisions); err != nil || len(revisions) != 2 || revisions[1].Generation != 1 || revisions[1].Who == "" {
		t.Errorf("revisions %+v, %v", revisions, err)
	}
	f2.do("POST", "/v1/functions/echo:rollback", `{"generation":1}`).expect(200)
	f2.get("/v1/functions/gone").expect(404)
	for id, want := range map[string]string{done: "success", keyed: "success", bad: "error"} {
		if got := f2.get("/v1/executions/" + id).expect(200).str("status"); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	f2.get("/v1/executions/" + memory).expect(404)
	if again := f2.do("POST", "/v1/functions/echo:enqueue", `{"input":2}`, "Idempotency-Key", "k").expect(202).str("executionId"); again != keyed {
		t.Errorf("the key leads to %s, not %s", again, keyed)
	}
	if letters := string(f2.get("/v1/functions/bad/dead-letters?include=input").expect(200).body); !strings.Contains(letters, bad) || !strings.Contains(letters, `"input":"letter"`) {
		t.Errorf("dead letters %s", letters)
	}
	config := f2.onMgmt("GET", "/v1/admin/runtime-config", "").expect(200)
	if config.num("revision") != 2 || config.num("syncQueueMaxDepth") != 77 {
		t.Errorf("runtime configuration %s", config.body)
	}
	// The interrupted attempt is followed by another one, the queued work by its
	// first.
	for id, attempt := range map[string]float64{running: 2, queued: 1} {
		f2.eventually(id+" ends", func() bool { return f2.get("/v1/executions/"+id).str("status") == "success" })
		if got := f2.get("/v1/executions/" + id).num("attempt"); got != attempt {
			t.Errorf("%s took %v attempts, not %v", id, got, attempt)
		}
	}
}

// Queued durable work may stay behind; work in memory may not.
func TestShutdownLeavesDurableWorkBehind(t *testing.T) {
	dir := t.TempDir()
	f := launch(t, in(dir), func(c *Config) { c.ShutdownGrace, c.Core.SchedulerOff = 50*ms, true })
	f.register("fn", "LOCAL")
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	if err := f.shutdown(); err != nil {
		t.Errorf("with durable work only: %v", err)
	}
	f = launch(t, in(dir), func(c *Config) { c.ShutdownGrace = 50 * ms })
	f.eventually("it is done after the restart", func() bool {
		a := f.get("/v1/executions/" + id)
		return a.status == 200 && a.str("status") == "success"
	})
	g := f.hold("held")
	f.register("held", "LOCAL", `"concurrency":1`)
	f.do("POST", "/v1/functions/held:enqueue", `{"input":1}`, "X-Durability", "memory").expect(202)
	g.arrival(t)
	if err := f.shutdown(); err == nil {
		t.Error("work in memory is left behind, and nothing is said")
	}
	g.open()
}

// A shutdown waits for what runs, and not for a queue that the next start goes on
// with: nothing more of it is started.
func TestAShutdownStartsNoMoreDurableWork(t *testing.T) {
	dir, jobs := t.TempDir(), 200
	f := launch(t, in(dir))
	g := f.hold("slow")
	f.register("slow", "LOCAL", `"concurrency":1`, `"queueSize":1000`)
	ids := make([]string, jobs)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := worker; i < jobs; i += 8 {
				ids[i] = f.enqueue("slow", `1`).expect(202).str("executionId")
			}
		})
	}
	all.Wait()
	g.arrival(t)
	f.stop()
	f.eventually("the shutdown begins", f.s.draining.Load)
	g.one(t)
	if err := receive(t, "Serve returns", f.served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if n := len(g.entered); n > 0 {
		t.Errorf("%d more were started", n)
	}
	f2 := start(t, in(dir))
	for _, id := range ids {
		f2.eventually(id+" ends", func() bool { return f2.get("/v1/executions/"+id).str("status") == "success" })
		if got := f2.get("/v1/executions/" + id).num("attempt"); got != 1 {
			t.Errorf("%s took %v attempts", id, got)
		}
	}
}

func TestDurabilityWithoutADataDirectory(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	f.do("POST", "/v1/functions/fn:enqueue", `{"input":1}`, "X-Durability", "disk").refused(422, "NO_JOURNAL")
	f.do("POST", "/v1/functions/fn:enqueue", `{"input":1}`, "X-Durability", "paper").refused(400, "VALIDATION_ERROR")
	f.do("POST", "/v1/functions/fn:enqueue", `{"input":1}`, "X-Durability", "memory").expect(202)
	f.do("POST", "/v1/functions", `{"name":"disk","image":"i","executionMode":"LOCAL","durability":"disk"}`).refused(422, "NO_JOURNAL")
	f.do("POST", "/v1/functions", `{"name":"paper","image":"i","executionMode":"LOCAL","durability":"paper"}`).refused(400, "VALIDATION_ERROR")
	f.do("PUT", "/v1/functions/fn", `{"image":"i","executionMode":"LOCAL","durability":"disk"}`).refused(422, "NO_JOURNAL")
	f.do("PUT", "/v1/functions/fn", `{"image":"i","executionMode":"LOCAL","durability":"memory"}`).expect(200)
}

// A call of the former life may still be completed with the token it had.
func TestACompletionTokenOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	secret := func(c *Config) { c.InternalToken = "secret" }
	f := start(t, in(dir), secret)
	id := core.ID{15: 1}
	token := f.s.guard.CompletionToken(id)
	info, err := os.Stat(filepath.Join(dir, "completion-key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	copied := f.abandon(dir)
	f2 := start(t, in(copied), secret)
	if again := f2.s.guard.CompletionToken(id); again != token {
		t.Error("another life has other tokens")
	}
}

// Until all is back, only health is answered.
func TestWhileRecovering(t *testing.T) {
	f := build(t, in(t.TempDir()))
	f.s.durable.done.Store(false)
	go func() { _ = f.s.api.Serve(f.s.apiAddr) }()
	if a := f.get("/actuator/health/readiness").expect(503); a.str("status") != "OUT_OF_SERVICE" || !strings.Contains(string(a.body), `"recovery":{`) {
		t.Errorf("readiness: %s", a.body)
	}
	f.get("/actuator/health/liveness").expect(200)
	a := f.do("POST", "/v1/functions/fn:enqueue", `{"input":1}`)
	a.refused(503, "RECOVERING")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	_ = f.s.close()
}
