package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestIncidentOfARealServer: what a server's function calls gets slow and then
// fails, under calls from several clients. The dump replays, tells what the callers
// were told, and becomes a scenario that says what a longer queue had brought.
func TestIncidentOfARealServer(t *testing.T) {
	var slow, failing atomic.Bool
	var failed atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if slow.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		if failing.Load() {
			failed.Add(1)
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	defer backend.Close()
	p := serve(t)
	p.register("orders", backend.URL, `,"concurrency":2,"queueSize":30,"maxRetries":2,"retryBackoff":{"initialMs":0}`)

	var accepted, refused atomic.Int64
	calls := func(n int) {
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for range n / 4 {
					switch status, _, err := p.try("POST", "/v1/functions/orders:enqueue", `{"input":{"n":1}}`); {
					case err != nil:
						t.Error(err)
					case status == http.StatusAccepted:
						accepted.Add(1)
					case status == http.StatusTooManyRequests:
						refused.Add(1)
					default:
						t.Errorf("status %d", status)
					}
				}
			})
		}
		callers.Wait()
	}
	calls(100)
	slow.Store(true)
	calls(400)
	failing.Store(true)
	calls(200)
	p.eventually("failures", func() bool { return failed.Load() > 20 })
	slow.Store(false)
	failing.Store(false)
	calls(100)
	if refused.Load() == 0 {
		t.Fatal("nothing was refused: there was no incident")
	}

	file := filepath.Join(t.TempDir(), "incident.rec")
	runCLI(t, "", "record", "dump", "-o", file, "--server", p.api).ok()
	page := filepath.Join(t.TempDir(), "incident.html")
	if code, stdout, stderr := simulate(t, "replay", file, "--html", page); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	holds(t, page, "orders", "Queue depth", "Refusals", "One execution")

	scenario := filepath.Join(t.TempDir(), "incident.yaml")
	code, stdout, stderr := simulate(t, "replay", file, "--function", "orders", "--json", "--seeds", "2", "--to-scenario", scenario,
		"--what-if", "queueSize=100000", "--what-if", "maxRetries=0")
	type figures struct {
		Accepted, Retries int64
		Refused           map[string]int64
	}
	var c struct {
		Recorded  figures
		Simulated []struct{ Runs []figures }
	}
	if err := json.Unmarshal([]byte(stdout), &c); err != nil || code != 0 {
		t.Fatal(code, err, stderr)
	}
	if c.Recorded.Accepted != accepted.Load() || c.Recorded.Refused["QUEUE_FULL"] != refused.Load() || c.Recorded.Retries == 0 {
		t.Errorf("recorded are %+v; callers were told of %d and %d refused", c.Recorded, accepted.Load(), refused.Load())
	}
	for i, run := range c.Simulated[1].Runs {
		if run.Refused["QUEUE_FULL"] != 0 || run.Accepted != accepted.Load()+refused.Load() {
			t.Errorf("with room for all, run %d: %+v", i, run)
		}
		if retries := c.Simulated[2].Runs[i].Retries; retries != 0 {
			t.Errorf("without retries there are %d", retries)
		}
	}
	if code, stdout, stderr = simulate(t, "run", scenario); code != 0 || !strings.Contains(stdout, "orders") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}
