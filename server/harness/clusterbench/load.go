package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/harness/replicas"
)

// figures are what callers saw.
type figures struct {
	rate  float64   // a second
	times []float64 // of each request, ms
}

// body makes a fact of about 512 bytes.
var body = []byte(`{"input":"` + strings.Repeat("0123456789abcdef", 28) + `"}`)

// load has as many callers send one request after the other, each to its own URL.
func load(connections int, d time.Duration, url func(worker int) string, want int) (figures, error) {
	client := &fasthttp.Client{MaxConnsPerHost: connections}
	defer client.CloseIdleConnections()
	began := time.Now()
	var mu sync.Mutex
	var f figures
	failed := make(chan error, connections)
	var all sync.WaitGroup
	for w := range connections {
		all.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			req.SetRequestURI(url(w))
			req.Header.SetMethod(fasthttp.MethodPost)
			req.SetBodyRaw(body)
			var own []float64
			for time.Since(began) < d {
				at := time.Now()
				if err := client.Do(req, resp); err != nil || resp.StatusCode() != want {
					failed <- fmt.Errorf("%s: %d %s %w", req.URI(), resp.StatusCode(), resp.Body(), err)
					return
				}
				own = append(own, float64(time.Since(at))/1e6)
			}
			mu.Lock()
			f.times = append(f.times, own...)
			mu.Unlock()
		})
	}
	all.Wait()
	f.rate = float64(len(f.times)) / time.Since(began).Seconds()
	select {
	case err := <-failed:
		return f, err
	default:
		return f, nil
	}
}

func (m *measurement) register(name, spec string) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	for try := 0; ; try++ {
		req.SetRequestURI(m.group.URL(try%3) + "/v1/functions/" + name)
		req.Header.SetMethod(fasthttp.MethodPut)
		req.SetBodyString(spec)
		err := fasthttp.Do(req, resp)
		if err == nil && resp.StatusCode() < 300 {
			return nil
		}
		if try == 50 {
			return fmt.Errorf("register %s: %d %s %w", name, resp.StatusCode(), resp.Body(), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// registerAll registers n functions alike, and returns their names.
func (m *measurement) registerAll(prefix string, n int, spec string) (names []string, err error) {
	for i := range n {
		name := fmt.Sprint(prefix, i)
		if err := m.register(name, spec); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// whoOwns finds the owner of each function.
func (m *measurement) whoOwns(names []string) error {
	s, err := m.group.Status(0)
	if err != nil {
		return err
	}
	byPartition := map[int]string{}
	for _, p := range s.Partitions {
		byPartition[p.Partition] = p.Owner
	}
	for _, name := range names {
		found := false
		for i := range 3 {
			if byPartition[int(core.PartitionOf(name))] == replicas.Name(i) {
				m.owners[name], found = i, true
			}
		}
		if !found {
			return fmt.Errorf("nobody owns partition %d", core.PartitionOf(name))
		}
	}
	return nil
}

// watchGaps calls each function all the time, by way of the nodes that stay, until
// the returned function is called, which says how long one was without an answer.
func watchGaps(g *replicas.Group, names []string, away int) func() (longest time.Duration, failed int) {
	ctx, stop := context.WithCancel(context.Background())
	client := &fasthttp.Client{ReadTimeout: 15 * time.Second}
	var mu sync.Mutex
	var longest time.Duration
	var bad atomic.Int64
	var all sync.WaitGroup
	for n, name := range names {
		all.Go(func() {
			i := (away + 1 + n%2) % 3
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			req.SetRequestURI(fmt.Sprintf("%s/v1/functions/%s:invoke", g.URL(i), name))
			req.Header.SetMethod(fasthttp.MethodPost)
			req.SetBodyString(`{"input":1}`)
			last := time.Now()
			for ctx.Err() == nil {
				err := client.Do(req, resp)
				now := time.Now()
				if err != nil || resp.StatusCode() != fasthttp.StatusOK {
					bad.Add(1)
				} else {
					mu.Lock()
					longest = max(longest, now.Sub(last))
					mu.Unlock()
					last = now
				}
				time.Sleep(20 * time.Millisecond)
			}
			mu.Lock()
			longest = max(longest, time.Since(last))
			mu.Unlock()
		})
	}
	return func() (time.Duration, int) {
		stop()
		all.Wait()
		return longest, int(bad.Load())
	}
}

// publishAlone runs the yardstick.
func publishAlone(program, dir string, publishers int, d time.Duration) (rate float64, err error) {
	cmd := exec.Command(program, "--dir", dir, "--publishers", strconv.Itoa(publishers), "--round", d.String())
	cmd.Stderr = os.Stderr
	line, err := cmd.Output()
	var p struct {
		Rate float64 `json:"perSecond"`
	}
	if err == nil {
		err = json.Unmarshal(line, &p)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", program, err)
	}
	return p.Rate, os.RemoveAll(dir)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
