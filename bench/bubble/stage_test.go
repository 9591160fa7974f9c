package bubble

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"simplane/server"
	"simplane/server/harness/memnet"
	"simplane/sim/scenario"
)

// addr and mgmtAddr are the server's.
const addr, mgmtAddr = "127.0.0.1:8080", "127.0.0.1:8081"

// lead is the time before the scenario's 0: a whole second, which rate windows are
// aligned to.
const lead = 2 * time.Second

// stage is a server in a bubble, with what surrounds it.
type stage struct {
	t         *testing.T
	sc        *scenario.Scenario
	net       *memnet.Network
	log       logbook
	server    *server.Server
	process   *process // of server
	functions *functions
	client    http.Client
	began     time.Time
	record    string // directory
	calls     []*call
	redrives  []redriven

	stop   context.CancelFunc
	served chan error

	mu       sync.Mutex
	findings []string
}

// settings are those of a server for a scenario.
func settings(sc *scenario.Scenario, record string) server.Config {
	cfg := server.DefaultConfig()
	cfg.Addr, cfg.MgmtAddr, cfg.Provider = addr, mgmtAddr, server.ProviderNone
	cfg.MaxConnections = 1 << 20 // each call of a burst may have its own
	cfg.PoolMaxConnections, cfg.IdleTimeout, cfg.ShutdownGrace = 10_000, time.Hour, time.Hour
	cfg.Record, cfg.FlightRecorderBytes = record, 0
	c, from := &cfg.Core, &sc.Core
	c.RateMaxPerSecond, c.TTL, c.CleanupTTL, c.StaleTTL = from.RateMaxPerSecond, from.TTL, from.CleanupTTL, from.StaleTTL
	c.IdempotencyTTL, c.SweepInterval, c.PassOverLate, c.Shards = from.IdempotencyTTL, from.SweepInterval, from.PassOverLate, from.Shards
	c.MaxExecutions, c.MaxIdempotencyKeys, c.MaxPayloadBytes = from.MaxExecutions, from.MaxIdempotencyKeys, from.MaxPayloadBytes
	c.MaxDeadLetters, c.MaxDeadLetterBytes, c.DeadLetterTTL = from.DeadLetters.Max, from.DeadLetters.MaxBytes, from.DeadLetters.TTL
	q := &from.SyncQueue
	c.SyncQueue.Enabled, c.SyncQueue.EstimateDisabled = q.Enabled, q.EstimateDisabled
	c.SyncQueue.MaxConcurrency, c.SyncQueue.MaxDepth = q.MaxConcurrency, q.MaxDepth
	c.SyncQueue.MaxEstimatedWait, c.SyncQueue.MaxQueueWait = q.MaxEstimatedWait, q.MaxQueueWait
	return cfg
}

// newStage starts a server and the scenario's functions, and registers them. It must be
// called in the bubble.
func newStage(t *testing.T, sc *scenario.Scenario, opts memnet.Options, change ...func(*server.Config)) *stage {
	t.Helper()
	s := &stage{t: t, sc: sc, net: memnet.New(opts), record: t.TempDir(), began: time.Now().Add(lead)}
	s.client.Transport = &http.Transport{
		MaxIdleConnsPerHost: 10_000, DisableCompression: true,
		DialContext: func(_ context.Context, _, addr string) (net.Conn, error) { return s.net.Dial(addr, time.Minute) },
	}
	s.functions = s.serveFunctions()
	cfg := settings(sc, s.record)
	for _, c := range change {
		c(&cfg)
	}
	s.start(cfg)
	for i := range sc.Functions {
		for _, name := range sc.Functions[i].Names() {
			s.register(&sc.Functions[i], name)
		}
	}
	time.Sleep(time.Until(s.began))
	return s
}

// start starts a server.
func (s *stage) start(cfg server.Config) {
	s.t.Helper()
	var err error
	s.process = &process{net: s.net}
	if s.server, err = server.NewOn(s.process, cfg, s.log.logger()); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, served, running := make(chan struct{}), make(chan error, 1), s.server
	s.stop, s.served = stop, served
	running.WhenReady(func() { close(ready) })
	go func() { served <- running.Serve(ctx) }()
	select {
	case <-ready:
	case err := <-served:
		s.t.Fatalf("the server ended: %v\n%s", err, s.log.String())
	}
}

// now is the time since the scenario's 0.
func (s *stage) now() time.Duration { return time.Since(s.began) }

// until sleeps until a time of the scenario.
func (s *stage) until(at time.Duration) { time.Sleep(at - s.now()) }

// find notes what must not be. The first ones are kept.
func (s *stage) find(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := fmt.Sprintf(format, args...); len(s.findings) < 20 {
		s.findings = append(s.findings, text)
	}
}

// report fails the test for all that was found.
func (s *stage) report() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.findings {
		s.t.Error(f)
	}
	if len(s.findings) > 0 {
		s.t.Logf("the server's log:\n%s", s.log.String())
	}
}

// spec is a function's, as a user would register it.
func spec(f *scenario.Function, name string) map[string]any {
	return map[string]any{
		"name": name, "executionMode": "POOL", "endpointUrl": "http://" + functionsAddr + "/" + name,
		"concurrency": f.Concurrency, "queueSize": f.QueueSize, "maxRetries": f.MaxRetries, "timeoutMillis": f.TimeoutMillis,
		"retryBackoff": f.RetryBackoff, "rateMaxPerSecond": f.RateMaxPerSecond,
	}
}

func (s *stage) register(f *scenario.Function, name string) {
	if status, body := s.ask("POST", "/v1/functions", spec(f, name)); status != http.StatusCreated {
		s.find("registering %s: %d %s", name, status, body)
	}
}

// ask makes an operator's request; the status is 0 when there is no answer.
func (s *stage) ask(method, path string, body any, header ...string) (int, []byte) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	req, err := http.NewRequest(method, "http://"+mgmtAddr+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, answer
}

// get reads an answer of 200 into to.
func (s *stage) get(path string, to any) bool {
	status, body := s.ask("GET", path, nil)
	if status != http.StatusOK {
		return false
	}
	if err := json.Unmarshal(body, to); err != nil {
		s.find("GET %s: %v: %s", path, err, body)
	}
	return true
}

// leave ends the server and all that belongs to the bubble.
func (s *stage) leave() {
	s.stop()
	if err := <-s.served; err != nil {
		s.find("the server ended with %v", err)
	}
	s.client.CloseIdleConnections()
	s.functions.close()
	time.Sleep(time.Minute) // goroutines that wait for more connections end
}
