package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simplane/bench/arrival"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

func options(url string) Options {
	return Options{
		Targets:     []Target{URLTarget(Defaults{}, url)},
		Connections: 4, Duration: 200 * time.Millisecond, Timeout: 5 * time.Second, Seed: 1,
	}
}

func mustRun(t *testing.T, o Options) *Result {
	t.Helper()
	res, _, err := Run(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// stalling serves at once, except that half a second in everything stands
// still for 200 ms.
func stalling() http.HandlerFunc {
	var once sync.Once
	var first time.Time
	return func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { first = time.Now() })
		since := time.Since(first)
		if from, to := 500*time.Millisecond, 700*time.Millisecond; since > from && since < to {
			time.Sleep(to - since)
		}
		_, _ = io.WriteString(w, "fine")
	}
}

// A stall of 200 ms in two seconds hits a tenth of the users. An open loop
// says so; a closed loop stops asking meanwhile and hides it.
func TestStallShowsInOpenLoopOnly(t *testing.T) {
	open := options(serve(t, stalling()))
	open.Rate, open.Duration = 500, 2*time.Second
	closed := options(serve(t, stalling()))
	closed.Duration = 2 * time.Second

	o, c := mustRun(t, open), mustRun(t, closed)
	if o.Latency.P99Ms < 120 {
		t.Errorf("open loop: corrected p99 is %.1f ms, the 200 ms stall is missing", o.Latency.P99Ms)
	}
	if o.Service.P99Ms > o.Latency.P99Ms/2 {
		t.Errorf("open loop: uncorrected p99 %.1f ms should hide most of the corrected %.1f ms", o.Service.P99Ms, o.Latency.P99Ms)
	}
	if c.Latency.MaxMs < 120 {
		t.Errorf("closed loop: max %.1f ms, the stall did not happen", c.Latency.MaxMs)
	}
	if c.Latency.P99Ms > o.Latency.P99Ms/2 {
		t.Errorf("closed loop: p99 %.1f ms should hide the stall the open loop puts at %.1f ms", c.Latency.P99Ms, o.Latency.P99Ms)
	}
	if o.Failed+o.Unsent+c.Failed != 0 {
		t.Errorf("failures: open %d unsent %d, closed %d", o.Failed, o.Unsent, c.Failed)
	}
	if !strings.Contains(strings.Join(o.Findings, "\n"), "connections were busy") {
		t.Errorf("findings do not mention the busy connections: %q", o.Findings)
	}
}

func TestEveryScheduledRequestIsSentOnce(t *testing.T) {
	var served atomic.Int64
	o := options(serve(t, func(w http.ResponseWriter, r *http.Request) { served.Add(1); ok(w, r) }))
	o.Rate, o.Arrival, o.Warmup, o.Duration = 1000, arrival.Poisson, 200*time.Millisecond, 500*time.Millisecond
	res := mustRun(t, o)

	s, _ := arrival.New(o.Arrival, o.Rate, o.Seed)
	var warm, measured int64
	for at := s.Next(); at < o.Warmup+o.Duration; at = s.Next() {
		if at < o.Warmup {
			warm++
		} else {
			measured++
		}
	}
	if res.OK != measured || res.Latency.Count != measured || res.Service.Count != measured {
		t.Errorf("recorded %d (latency %d, service %d), the schedule has %d after the warm-up", res.OK, res.Latency.Count, res.Service.Count, measured)
	}
	if served.Load() != warm+measured {
		t.Errorf("server saw %d, the schedule has %d", served.Load(), warm+measured)
	}
	if res.Latency.MinMs < res.Service.MinMs {
		t.Errorf("latency from the intended time (%v) is below the service time (%v)", res.Latency.MinMs, res.Service.MinMs)
	}
}

func TestSeriesAddsUp(t *testing.T) {
	o := options(serve(t, ok))
	o.Duration = 600 * time.Millisecond
	var glimpses atomic.Int64
	res, _, err := Run(context.Background(), o, func(Progress) { glimpses.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	var sum, last float64
	for _, iv := range res.Series {
		sum += iv.Rate * (iv.AtSeconds - last)
		last = iv.AtSeconds
	}
	// The sliver after the last interval is left out of the series.
	if total := float64(res.Total()); sum > total*1.0001 || sum < total*0.7 {
		t.Errorf("series holds %.0f of %.0f requests", sum, total)
	}
	if len(res.Series) < 3 || glimpses.Load() == 0 {
		t.Errorf("%d intervals, %d progress calls", len(res.Series), glimpses.Load())
	}
}

func TestAssertions(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 3 {
		case 0:
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, "slow down")
		case 1:
			_, _ = io.WriteString(w, "nonsense")
		default:
			_, _ = io.WriteString(w, "all fine here")
		}
	})
	o := options(url)
	o.Targets[0].ExpectBody = "fine"
	res := mustRun(t, o)
	kinds := map[string]Failure{}
	for _, f := range res.Failures {
		kinds[f.Kind] = f
	}
	total := n.Load()
	for kind, sample := range map[string]string{"status 429": "slow down", "body without the expected text": "nonsense"} {
		if f := kinds[kind]; f.Count < total/3-1 || f.Count > total/3+1 || f.Sample != sample {
			t.Errorf("%s: %+v of %d requests", kind, f, total)
		}
	}
	if res.OK+res.Failed != total || res.Statuses["429"] != kinds["status 429"].Count {
		t.Errorf("ok %d + failed %d of %d; statuses %v", res.OK, res.Failed, total, res.Statuses)
	}
	o.Targets[0].ExpectBody, o.Targets[0].ExpectStatus = "", []int{200, 429}
	if res := mustRun(t, o); res.Failed != 0 {
		t.Errorf("%d failures though both statuses are expected", res.Failed)
	}
}

func TestMixFollowsWeights(t *testing.T) {
	var a, b atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			a.Add(1)
		} else {
			b.Add(1)
		}
		ok(w, r)
	})
	o := options(url)
	o.Rate, o.Duration = 2000, time.Second
	o.Targets = []Target{URLTarget(Defaults{}, url+"/a"), URLTarget(Defaults{}, url+"/b")}
	o.Targets[0].Weight = 3
	res := mustRun(t, o)
	if share := float64(a.Load()) / float64(a.Load()+b.Load()); share < 0.70 || share > 0.80 {
		t.Errorf("weight 3 of 4 got a share of %.3f", share)
	}
	if res.Targets[0].Latency.Count != a.Load() || res.Targets[1].Latency.Count != b.Load() {
		t.Errorf("per-target counts %d/%d, server saw %d/%d", res.Targets[0].Latency.Count, res.Targets[1].Latency.Count, a.Load(), b.Load())
	}
}

func TestIdempotencyKeys(t *testing.T) {
	var mu sync.Mutex
	keys := map[string]int{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		keys[r.Header.Get("Idempotency-Key")]++
		mu.Unlock()
		ok(w, r)
	})
	for _, c := range []struct {
		setting int
		check   func(distinct, total int) bool
	}{
		{0, func(distinct, _ int) bool { return distinct == 1 && keys[""] > 0 }},
		{-1, func(distinct, total int) bool { return distinct == total && keys[""] == 0 }},
		{5, func(distinct, total int) bool { return distinct == 5 && total > 5 && keys[""] == 0 }},
	} {
		clear(keys)
		o := options(url)
		o.Rate, o.Idempotency = 1000, c.setting
		res := mustRun(t, o)
		// A second run must not meet the keys of the first one.
		first := len(keys)
		if c.setting != 0 {
			if mustRun(t, o); len(keys) != 2*first {
				t.Errorf("setting %d: the second run reused keys: %d then %d", c.setting, first, len(keys))
			}
			continue
		}
		if !c.check(first, int(res.Total())) {
			t.Errorf("setting %d: %d distinct keys in %d requests", c.setting, first, res.Total())
		}
	}
}

func TestOverflowIsUnsentNotForgotten(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-release; ok(w, r) })
	o := options(url)
	o.Rate, o.Connections, o.Backlog = 500, 1, 10
	time.AfterFunc(o.Duration, func() { close(release) })
	res := mustRun(t, o)
	if res.Unsent == 0 || res.OK+res.Failed+res.Unsent != 100 {
		t.Errorf("ok %d, failed %d, unsent %d: want 100 in all and some unsent", res.OK, res.Failed, res.Unsent)
	}
	if res.ErrorShare() <= 0 || !strings.Contains(strings.Join(res.Findings, "\n"), "never sent") {
		t.Errorf("error share %v, findings %q", res.ErrorShare(), res.Findings)
	}
	o.StopOnUnsent = true
	release = make(chan struct{})
	time.AfterFunc(o.Duration, func() { close(release) })
	if early := mustRun(t, o); early.Unsent != 1 {
		t.Errorf("StopOnUnsent left %d unsent, want it to stop at the first", early.Unsent)
	}
}

func TestTimeoutsCountWithTheirTime(t *testing.T) {
	block := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-block })
	t.Cleanup(func() { close(block) }) // before the server waits for its handlers
	o := options(url)
	o.Timeout, o.Duration = 100*time.Millisecond, 300*time.Millisecond
	res := mustRun(t, o)
	if len(res.Failures) != 1 || res.Failures[0].Kind != "timeout" || res.Failures[0].Count == 0 {
		t.Fatalf("failures %+v", res.Failures)
	}
	if res.Latency.MinMs < 99 {
		t.Errorf("a timeout was recorded at %.1f ms, below the timeout", res.Latency.MinMs)
	}
}

func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	o := options("http://" + addr + "/")
	o.Duration = 100 * time.Millisecond
	res := mustRun(t, o)
	if res.OK != 0 || len(res.Failures) != 1 || res.Failures[0].Kind != "connection refused" {
		t.Errorf("ok %d, failures %+v", res.OK, res.Failures)
	}
}

func TestCancelEndsEarly(t *testing.T) {
	o := options(serve(t, ok))
	o.Duration = time.Hour
	for _, rate := range []float64{0, 100} {
		o.Rate = rate
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(100*time.Millisecond, cancel)
		res, _, err := Run(ctx, o, nil)
		if err != nil || !res.Interrupted || res.Unsent != 0 {
			t.Errorf("rate %v: interrupted %v, unsent %d, %v", rate, res.Interrupted, res.Unsent, err)
		}
		if res.ElapsedSeconds > 60 {
			t.Errorf("rate %v: %v s were measured of a run that was cut short", rate, res.ElapsedSeconds)
		}
	}
}

func TestFunctionTargetOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		select {
		case got <- fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), b):
		default:
		}
		ok(w, r)
	})
	target, err := FunctionTarget(Defaults{Server: server + "/", Body: []byte(`[1,2]`)}, "echo", "enqueue")
	if err != nil {
		t.Fatal(err)
	}
	o := options(server)
	o.Targets = []Target{target}
	mustRun(t, o)
	if line, want := <-got, `POST /v1/functions/echo:enqueue application/json {"input":[1,2]}`; line != want {
		t.Errorf("got %s, want %s", line, want)
	}
}

// A server may close a connection that is idle. A request that would have gone
// out on it goes out on another one, over TLS too, and each goes out once.
func TestIdleConnectionsThatTheServerCloses(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var served atomic.Int64
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			ok(w, r)
		}))
		if secure {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		defer srv.Close()
		o := options(srv.URL)
		o.Insecure = secure
		clients, err := newClients(o)
		if err != nil {
			t.Fatal(err)
		}
		s := newShooter(0, 0, &o, clients)
		defer s.release()
		for n := range int64(5) {
			if err := s.shoot(Pick{}); err != nil || served.Load() != n+1 {
				t.Fatalf("TLS %v, request %d: %v, %d served", secure, n, err, served.Load())
			}
			srv.CloseClientConnections()
			time.Sleep(2 * restTime) // it is looked at after a rest only
		}
	}
}

// What fails once the request is on its way is a failure, and not sent again.
func TestConnectionsThatTheServerDropsAreFailures(t *testing.T) {
	var served atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if served.Add(1)%2 == 0 {
			c, _, _ := w.(http.Hijacker).Hijack()
			_ = c.Close()
			return
		}
		ok(w, r)
	})
	o := options(url)
	o.Rate, o.Duration, o.Connections = 20, time.Second, 1
	r := mustRun(t, o)
	if r.Failed == 0 || r.OK+r.Failed != served.Load() {
		t.Errorf("%d ok, %d failed, %d served", r.OK, r.Failed, served.Load())
	}
}
