package process

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"simplane/server/provider"
)

func TestHTTPDeliversInputMetadataAndHeaders(t *testing.T) {
	p := start(t, Options{})
	for _, role := range []string{"http", "http-no-health"} {
		provision(t, p, self(t, role))
		r := p.Invoke(context.Background(), role, provider.Invocation{
			ExecutionID: "e-9", TraceID: "trace", IdempotencyKey: "key",
			Input: json.RawMessage(`{"a":[1,2]}`), Metadata: json.RawMessage(`{"who":"me"}`),
		})
		var got map[string]any
		if err := json.Unmarshal(r.Output, &got); err != nil {
			t.Fatalf("%s: %v: %+v", role, err, r)
		}
		input, _ := json.Marshal(got["input"])
		metadata, _ := json.Marshal(got["metadata"])
		if string(input) != `{"a":[1,2]}` || string(metadata) != `{"who":"me"}` ||
			got["execution"] != "e-9" || got["trace"] != "trace" || got["key"] != "key" {
			t.Errorf("%s received %s", role, r.Output)
		}
	}
}

func TestHTTPWaitsUntilHealthIs2xx(t *testing.T) {
	p := start(t, Options{})
	d := self(t, "http")
	d.Env["SLOW_START"] = "200ms"
	provision(t, p, d)
	r := invoke(t, p, "http", `1`)
	if !r.OK() || !r.ColdStart || r.InitDuration < 200*time.Millisecond {
		t.Errorf("got %+v, want a cold start of at least 200ms", r)
	}
	if r := invoke(t, p, "http", `1`); !r.OK() || r.ColdStart || r.InitDuration != 0 {
		t.Errorf("second invocation: %+v, want a warm start", r)
	}
}

// With a TCP check no request is made before the first call; another path is asked
// as it is written.
func TestHealthChecks(t *testing.T) {
	p := start(t, Options{})
	d := self(t, "http-counts")
	d.Name, d.HealthCheck = "tcp", provider.HealthCheck{TCP: true}
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "tcp", `1`), `["POST /"]`)
	d.Name, d.HealthCheck = "path", provider.HealthCheck{Path: "/live//now?deep=%20"}
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "path", `1`), `["GET /live//now?deep=%20","POST /"]`)

	// The check belongs to the instances: another one starts new ones, and one that
	// never holds leaves the old.
	d.HealthCheck = provider.HealthCheck{Path: "/refused"}
	d.Name = "tcp"
	provision(t, p, d)
	eventually(t, "the rollout fails", func() bool {
		s, _ := p.Status("tcp")
		return s.Rollout.State == provider.RolloutFailed && strings.Contains(s.Rollout.Message, "asked at /refused")
	})
	wantOutput(t, invoke(t, p, "tcp", `1`), `["POST /","POST /"]`)
}

func TestHTTPFaults(t *testing.T) {
	p := start(t, Options{MaxOutputBytes: 1 << 20})
	provision(t, p, self(t, "http"))

	wantOutput(t, invoke(t, p, "http", `"do:text"`), `"say \"hi\""`)
	wantCode(t, invoke(t, p, "http", `"do:500"`), provider.CodeError, "500", "it went wrong")
	wantCode(t, invoke(t, p, "http", `"do:garbage"`), provider.CodeBadOutput, "not JSON", "<html>")
	wantCode(t, invoke(t, p, "http", `"do:huge"`), provider.CodeBadOutput, "1048576 bytes")
	wantCode(t, invoke(t, p, "http", `"do:hangup"`), provider.CodeError)

	before := p.Endpoints("http")
	r := invokeFor(t, p, "http", `"do:hang"`, 100*time.Millisecond)
	wantCode(t, r, provider.CodeTimeout)
	if !r.TimedOut {
		t.Error("TimedOut is not set")
	}
	if r := invoke(t, p, "http", `1`); !r.OK() {
		t.Errorf("after a timeout: %+v", r)
	}
	if now := p.Endpoints("http"); len(now) != 1 || now[0].ID != before[0].ID {
		t.Errorf("endpoints changed from %v to %v, though nothing crashed", before, now)
	}

	wantCode(t, invoke(t, p, "http", `"do:exit"`), provider.CodeCrashed, "code 7", "about to die")
	wantLog(t, p, "http", "about to die")
	wantLog(t, p, "http", "exited with code 7")
	if r := invoke(t, p, "http", `1`); !r.OK() || !r.ColdStart {
		t.Errorf("after the crash: %+v, want a cold start of the successor", r)
	}
	if s, _ := p.Status("http"); s.Restarts != 1 {
		t.Errorf("restarts = %d, want 1", s.Restarts)
	}
}

func TestHTTPPortThatNeverOpens(t *testing.T) {
	p := start(t, Options{StartTimeout: 150 * time.Millisecond})
	provision(t, p, provider.Deployment{Name: "mute", Replicas: 1, RuntimeCommand: "echo no server here >&2; exec sleep 1000"})
	wantCode(t, invoke(t, p, "mute", `1`), provider.CodeStartFailed, "GET /health", "150ms")
	wantLog(t, p, "mute", "no server here")
	wantLog(t, p, "mute", provider.CodeStartFailed)
}

func TestHungProcessIsReplaced(t *testing.T) {
	p := start(t, Options{HealthInterval: 20 * time.Millisecond, HealthTimeout: 100 * time.Millisecond})
	provision(t, p, self(t, "http"))
	var answer struct{ PID int }
	if err := json.Unmarshal(invoke(t, p, "http", `1`).Output, &answer); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(answer.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the instance is suspected", func() bool { // its threads do not stop all at once
		invokeFor(t, p, "http", `1`, 20*time.Millisecond)
		s, _ := p.Status("http")
		e := p.Endpoints("http")
		return s.Restarts > 0 || len(e) == 1 && p.Function("http").Pool.Ejected(e[0].ID)
	})
	wantLog(t, p, "http", "does not answer GET /health")
	if r := invoke(t, p, "http", `1`); !r.OK() {
		t.Errorf("after the replacement: %+v", r)
	}
	if exists(answer.PID) {
		t.Error("the hung process is still there")
	}
}

func TestFailingButHealthyProcessStays(t *testing.T) {
	p := start(t, Options{HealthInterval: time.Millisecond, HealthTimeout: hang})
	provision(t, p, self(t, "http"))
	invoke(t, p, "http", `1`)
	before := p.Endpoints("http")
	for range 20 {
		invoke(t, p, "http", `"do:500"`)
		time.Sleep(time.Millisecond)
	}
	if !p.Function("http").Pool.Ejected(p.Endpoints("http")[0].ID) {
		t.Error("it failed 20 times in a row and is not even suspected")
	}
	if now := p.Endpoints("http"); now[0].ID != before[0].ID {
		t.Error("a process that answers GET /health was replaced")
	}
	if r := invoke(t, p, "http", `1`); !r.OK() {
		t.Errorf("%+v", r)
	}
}

func TestConcurrencyLimitOfAnEndpointHolds(t *testing.T) {
	p := start(t, Options{})
	d := self(t, "http")
	d.EndpointConcurrency = 2
	d.Replicas = 2
	provision(t, p, d)
	eventually(t, "two instances are ready", func() bool { return len(p.Endpoints("http")) == 2 })

	var wg sync.WaitGroup
	pids := make([]string, 12)
	for i := range pids {
		wg.Go(func() {
			r := invoke(t, p, "http", `"do:wait"`)
			_, pids[i], _ = strings.Cut(string(r.Output), `"pid":`)
		})
	}
	stop := make(chan struct{})
	most := 0
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, e := range p.Endpoints("http") {
				most = max(most, e.InFlight)
			}
		}
	})
	wg.Wait()
	close(stop)
	watch.Wait()
	if most != 2 {
		t.Errorf("an instance ran %d invocations at a time, want its limit of 2 reached and held", most)
	}
	used := map[string]int{}
	for _, pid := range pids {
		used[pid]++
	}
	if len(used) != 2 {
		t.Errorf("invocations by process: %v, want both used", used)
	}
}
