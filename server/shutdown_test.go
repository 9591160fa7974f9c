package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simplane/core"
	"simplane/server/funcspec"
)

// While draining: readiness is down and liveness up, new work is refused,
// reading goes on, and what was accepted finishes and is answered.
func TestGracefulShutdown(t *testing.T) {
	f := launch(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1`)
	f.register("echo", "LOCAL")
	caller := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":"in flight"}`)
		caller <- a
	}()
	inFlight := g.arrival(t).ID.String()
	queued := f.enqueue("fn", `"queued"`).expect(202).str("executionId")
	if s := f.get("/actuator/health/readiness").expect(200).str("status"); s != "UP" {
		t.Errorf("readiness %s before the shutdown", s)
	}

	f.stop()
	f.eventually("readiness goes down", func() bool { return f.get("/actuator/health/readiness").status == 503 })
	if s := f.get("/actuator/health/readiness").expect(503).str("status"); s != "OUT_OF_SERVICE" {
		t.Errorf("readiness %s while draining", s)
	}
	f.onMgmt("GET", "/actuator/health/readiness", "").expect(503)
	f.get("/actuator/health/liveness").expect(200)
	f.get("/actuator/health").expect(200)
	for _, a := range []*answer{f.invoke("echo", `1`), f.enqueue("echo", `1`)} {
		a.refused(503, "DRAINING")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if s := f.get("/v1/executions/" + queued).expect(200).str("status"); s != "queued" {
		t.Errorf("queued work is %s", s)
	}
	select {
	case err := <-f.served:
		t.Fatalf("stopped with work in flight: %v", err)
	default:
	}

	g.one(t)
	if a := receive(t, "the answer of the call in flight", caller); a == nil || a.str("executionId") != inFlight || a.str("output") != "in flight" {
		t.Errorf("in flight: %+v", a)
	}
	g.arrival(t) // queued work is dispatched too
	g.open()
	if err := receive(t, "Serve returns", f.served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if c, err := net.Dial("tcp", f.s.Addr()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestShutdownReportsWhatIsLeft(t *testing.T) {
	f := launch(t, func(c *Config) { c.ShutdownGrace = 50 * ms })
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1`)
	f.enqueue("fn", `1`).expect(202)
	g.arrival(t)
	f.enqueue("fn", `2`).expect(202)
	f.enqueue("fn", `3`).expect(202)
	err := f.shutdown()
	if err == nil || !strings.Contains(err.Error(), "2 executions queued and 1 running") {
		t.Errorf("Serve: %v", err)
	}
	if log := f.log.String(); !strings.Contains(log, "queued=2") || !strings.Contains(log, "inFlight=1") {
		t.Errorf("log: %s", log)
	}
}

// What is queued while nobody dispatches is not waited for, but reported.
func TestShutdownWithTheSchedulerOff(t *testing.T) {
	f := launch(t, func(c *Config) { c.Core.SchedulerOff = true })
	f.register("fn", "LOCAL")
	f.enqueue("fn", `1`).expect(202)
	if err := f.shutdown(); err == nil || !strings.Contains(err.Error(), "1 executions queued and 0 running") {
		t.Errorf("Serve: %v", err)
	}
}

// The work of a function that was deleted meanwhile counts too.
func TestShutdownWaitsForADeletedFunctionsWork(t *testing.T) {
	f := launch(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL")
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	g.arrival(t)
	f.do("DELETE", "/v1/functions/fn", "").expect(204)
	f.stop()
	f.eventually("the shutdown begins", f.s.draining.Load)
	// The server looks at what is left every 20 ms: let it look.
	time.Sleep(100 * ms)
	select {
	case err := <-f.served:
		t.Fatalf("stopped with work in flight: %v", err)
	default:
	}
	if s := f.get("/v1/executions/" + id).str("status"); s != "running" {
		t.Errorf("the execution is %s", s)
	}
	g.open()
	if err := receive(t, "Serve returns", f.served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// The grace period runs out at its end and not before; virtual time.
func TestShutdownGraceIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := build(t, func(c *Config) { c.ShutdownGrace, c.Core.StaleTTL = 5*time.Minute, 24*time.Hour })
		defer f.s.apiAddr.Close()
		defer f.s.mgmtAddr.Close()
		leave := make(chan struct{})
		f.s.HandleLocal("fn", func(core.Task) ([]byte, error) { <-leave; return []byte("1"), nil })
		spec, err := funcspec.Resolve(funcspec.Input{Name: new("fn"), TimeoutMillis: new(core.MaxTimeoutMillis), Image: new("i"), ExecutionMode: new(funcspec.ModeLocal)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.s.only.core.Register(spec); err != nil {
			t.Fatal(err)
		}
		if _, err := f.s.only.core.Submit(&core.Request{Function: "fn", Input: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := f.s.drain(); err == nil {
			t.Error("drained, though work is in flight")
		}
		if took := time.Since(begin); took < 5*time.Minute || took > 5*time.Minute+time.Second {
			t.Errorf("waited %v", took)
		}
		close(leave)
		begin = time.Now()
		if err := f.s.drain(); err != nil {
			t.Errorf("drain: %v", err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("waited %v for nothing", took)
		}
	})
}

// Clients that keep their connection open do not hold the shutdown up.
func TestShutdownWithIdleConnections(t *testing.T) {
	f := launch(t)
	c, err := net.Dial("tcp", f.s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	fmt.Fprint(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n")
	if a, err := f.readAnswer(bufio.NewReader(c)); err != nil || a.status != 200 {
		t.Fatal(err)
	}
	if err := f.shutdown(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A second server can take the port at once.
func TestPortIsFreeAfterShutdown(t *testing.T) {
	f := launch(t)
	f.get("/actuator/health").expect(200)
	addr, mgmt := f.s.Addr(), f.s.MgmtAddr()
	if err := f.shutdown(); err != nil {
		t.Fatal(err)
	}
	cfg := f.s.cfg
	cfg.Addr, cfg.MgmtAddr = addr, mgmt
	s, err := New(cfg, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Serve(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
