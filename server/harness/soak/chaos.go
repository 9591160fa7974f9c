package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"simplane/server/harness/node"
)

// chaos injects faults and operations beside the load.
type chaos struct {
	n      *node.Node
	c      *client
	l      *ledger
	script string // of the process functions: marks their processes
	config string // the node's configuration file
	churn  *function
	// crash asks one of the process functions to end its process.
	crash func(*rand.Rand)
	// redriven books a dead letter's new execution.
	redriven func(id string, j job)
	rate     float64 // jobs a second that the load sends
	pace     float64 // how much more often than usual things go wrong

	Kills, Crashes, Hangups, BrokenHangups, Patches, StalePatches, Recreated, Floods, Flooded, Garbage, Redriven atomic.Int64
}

// run starts every kind of trouble, each at its own pace, until ctx ends.
func (x *chaos) run(ctx context.Context, seed uint64) {
	var wg sync.WaitGroup
	for i, trouble := range []struct {
		every time.Duration
		do    func(context.Context, *rand.Rand)
	}{
		// Kills and crashes go by the clock and not by the load: a process that
		// lives for less than 10 s each time is started again after ever longer
		// pauses, as it should be, and then there is no capacity left to load.
		{8 * time.Second, x.kill},
		{25 * time.Second, func(_ context.Context, rng *rand.Rand) { x.crash(rng); x.Crashes.Add(1) }},
		{3 * time.Second, x.patch},
		{4 * time.Second, x.hangup},
		{3500 * time.Millisecond, x.recreate},
		{6 * time.Second, x.flood},
		{1500 * time.Millisecond, x.garbage},
		{5 * time.Second, x.redrive},
	} {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for {
				wait := time.Duration(float64(trouble.every) * (0.5 + rng.Float64()) / x.pace)
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
					trouble.do(ctx, rng)
				}
			}
		})
	}
	wg.Wait()
}

// kill takes one function process away, as the kernel's OOM killer would.
func (x *chaos) kill(_ context.Context, rng *rand.Rand) {
	pids := node.Processes(x.script)
	if len(pids) == 0 {
		return
	}
	if syscall.Kill(pids[rng.IntN(len(pids))], syscall.SIGKILL) == nil {
		x.Kills.Add(1)
	}
}

// patch changes the runtime configuration, sometimes to a rate limit below
// the load for a moment, and proves that a stale revision is refused.
func (x *chaos) patch(_ context.Context, rng *rand.Rand) {
	url := x.c.mgmt + "/v1/admin/runtime-config"
	change := func(values map[string]any) {
		r, err := x.c.must("GET", url, nil, http.StatusOK)
		if err != nil {
			x.l.violate("%v", err)
			return
		}
		var now struct{ Revision int64 }
		if err := r.into(&now); err != nil {
			x.l.violate("%v", err)
			return
		}
		values["expectedRevision"] = now.Revision
		raw := mustJSON(values)
		r, err = x.c.do(context.Background(), "PATCH", url, raw)
		// 409: a SIGHUP came in between.
		if err != nil || r.status != http.StatusOK && r.status != http.StatusConflict {
			x.l.violate("PATCH %s: status %d, %v: %.200s", raw, r.status, err, r.body)
			return
		}
		x.Patches.Add(1)
		values["expectedRevision"] = now.Revision - 1
		r, err = x.c.do(context.Background(), "PATCH", url, mustJSON(values))
		if err != nil || r.status != http.StatusConflict {
			x.l.violate("a stale PATCH was answered with status %d, %v", r.status, err)
			return
		}
		x.StalePatches.Add(1)
	}
	switch rng.IntN(3) {
	case 0:
		change(map[string]any{"rateMaxPerSecond": max(int64(x.rate/2), 1)})
		time.Sleep(300 * time.Millisecond)
		change(map[string]any{"rateMaxPerSecond": 0})
	case 1:
		change(map[string]any{"syncQueueEnabled": true, "syncQueueMaxQueueWait": "PT0.2S", "syncQueueMaxEstimatedWait": "PT0.2S", "syncQueueMaxConcurrency": 8})
	default:
		change(map[string]any{"syncQueueEnabled": false})
	}
}

// hangup reloads the configuration file: a good one, or a broken one that
// must change nothing.
func (x *chaos) hangup(_ context.Context, rng *rand.Rand) {
	text := fmt.Sprintf("rateMaxPerSecond: 0\nsyncQueueMaxDepth: %d\n", 50+rng.IntN(50))
	if rng.IntN(3) == 0 {
		text = "rateMaxPerSecond: plenty\n"
		x.BrokenHangups.Add(1)
	}
	// Renamed into place, so that no half file is read.
	if err := os.WriteFile(x.config+".new", []byte(text), 0o600); err != nil {
		x.l.violate("config file: %v", err)
		return
	}
	if err := os.Rename(x.config+".new", x.config); err != nil {
		x.l.violate("config file: %v", err)
		return
	}
	if err := x.n.Signal(syscall.SIGHUP); err != nil {
		x.l.violate("SIGHUP: %v", err)
	}
	x.Hangups.Add(1)
}

// recreate deletes a function under load and registers it again.
func (x *chaos) recreate(_ context.Context, rng *rand.Rand) {
	if _, err := x.c.must("DELETE", x.c.mgmt+"/v1/functions/"+x.churn.name, nil, http.StatusNoContent); err != nil {
		x.l.violate("%v", err)
	}
	time.Sleep(time.Duration(rng.IntN(80)) * time.Millisecond)
	if err := x.c.register(x.churn); err != nil {
		x.l.violate("%v", err)
	}
	x.Recreated.Add(1)
}

// flood opens connections that send nothing, or half a request, and keeps
// them open for a while.
func (x *chaos) flood(ctx context.Context, rng *rand.Rand) {
	const connections = 150
	var held []net.Conn
	for i := range connections {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(x.c.api, "http://"), 10*time.Second)
		if err != nil {
			x.l.violate("flood: %v", err)
			continue
		}
		held = append(held, conn)
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "POST /v1/functions/local:invoke HTTP/1.1\r\nHost: so")
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(rng.IntN(2000)) * time.Millisecond):
	}
	for _, conn := range held {
		conn.Close()
	}
	x.Floods.Add(1)
	x.Flooded.Add(int64(len(held)))
}

// garbage sends what is no request and expects to be refused.
func (x *chaos) garbage(_ context.Context, rng *rand.Rand) {
	junk := make([]byte, 20+rng.IntN(200))
	for i := range junk {
		junk[i] = byte(33 + rng.IntN(90)) // printable: the line ends below are the only ones
	}
	r, err := trickle(strings.TrimPrefix(x.c.api, "http://"), string(junk)+"\r\n\r\n", 1, 0)
	// Hanging up without an answer is an answer too.
	if err == nil && (r.status < 400 || r.status > 499) {
		x.l.violate("garbage was answered with status %d: %.100s", r.status, r.body)
	}
	x.Garbage.Add(1)
}

// redrive sends the dead letters of a function back to work. They are asked to
// fail, so they come back as dead letters, under new ids.
func (x *chaos) redrive(context.Context, *rand.Rand) {
	r, err := x.c.must("GET", x.c.mgmt+"/v1/functions/pool/dead-letters?limit=5&include=input", nil, http.StatusOK)
	if err != nil {
		x.l.violate("%v", err)
		return
	}
	var list struct {
		DeadLetters []struct {
			ExecutionID string `json:"executionId"`
			Input       job    `json:"input"`
		} `json:"deadLetters"`
	}
	if err := r.into(&list); err != nil {
		x.l.violate("%v", err)
		return
	}
	jobs := map[string]job{}
	var ids []string
	for _, d := range list.DeadLetters {
		jobs[d.ExecutionID] = d.Input
		ids = append(ids, d.ExecutionID)
	}
	if len(ids) == 0 {
		return
	}
	r, err = x.c.must("POST", x.c.mgmt+"/v1/functions/pool/dead-letters:redrive", map[string]any{"ids": ids}, http.StatusOK)
	if err != nil {
		x.l.violate("%v", err)
		return
	}
	var done struct {
		Redriven []struct{ ID, ExecutionID string }
	}
	if err := r.into(&done); err != nil {
		x.l.violate("%v", err)
	}
	for _, d := range done.Redriven {
		x.redriven(d.ExecutionID, jobs[d.ID])
		x.Redriven.Add(1)
	}
}
