package growth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"simplane/bench/child"
	"simplane/bench/compare"
	"simplane/bench/loadgen"
)

// node is the simplane server that is measured.
type node struct {
	proc      *child.Process
	api, mgmt string
	http      *http.Client
}

// forgetful makes records go soon, so that a load does not fill the store: what
// is measured then is the size in question and not the length of the run.
var forgetful = []string{"--ttl", "2s", "--cleanup-ttl", "1s", "--idempotency-ttl", "2s"}

// hoarding keeps everything, for rows that are about what is kept.
var hoarding = []string{"--ttl", "10h", "--cleanup-ttl", "9h", "--idempotency-ttl", "9h", "--stale-ttl", "10h", "--max-idempotency-keys", "5000000"}

// start runs a server until the caller stops it.
func (r *runner) start(ctx context.Context, args []string) (*node, error) {
	binary := r.o.Launcher.Server
	if binary == "" {
		binary = r.o.Launcher.Executable
	}
	argv := append([]string{binary, "serve", "--addr", "127.0.0.1:0", "--mgmt-addr", "127.0.0.1:0", "--log-level", "error",
		"--rate-max-per-second", "0", "--max-functions", "20000"}, args...)
	p, err := child.Start(ctx, "simplane", 2, argv...)
	if err != nil {
		return nil, err
	}
	return &node{proc: p, api: "http://" + p.Addrs[0], mgmt: "http://" + p.Addrs[1], http: &http.Client{Timeout: 5 * time.Minute}}, nil
}

// subject is the server under one load.
func (n *node) subject(t loadgen.Target) *compare.Subject {
	return compare.FromProcess("simplane", t, n.proc)
}

// startWithOne starts a server that has one function, f-0.
func (r *runner) startWithOne(ctx context.Context, args []string) (*node, error) {
	n, err := r.start(ctx, args)
	if err != nil {
		return nil, err
	}
	if err := n.register(ctx, "f-0", nil); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

func (n *node) stop() { n.proc.Stop() }

// call makes one API request and returns the answer's body. An answer outside
// 2xx is an error.
func (n *node) call(ctx context.Context, method, url string, body any) ([]byte, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := n.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: status %d: %.200s", method, strings.TrimPrefix(url, n.api), resp.StatusCode, answer)
	}
	return answer, err
}

// timed is call with the milliseconds it took.
func (n *node) timed(ctx context.Context, method, url string) (answer []byte, ms float64, err error) {
	began := time.Now()
	answer, err = n.call(ctx, method, url, nil)
	return answer, float64(time.Since(began)) / 1e6, err
}

// register creates a function; the fields go over a LOCAL one that takes any
// load this harness can make.
func (n *node) register(ctx context.Context, name string, fields map[string]any) error {
	spec := map[string]any{
		"name": name, "image": "bench", "executionMode": "LOCAL",
		"concurrency": loadgen.MaxConnections, "queueSize": 1_000_000, "timeoutMillis": 30_000,
	}
	for k, v := range fields {
		spec[k] = v
	}
	_, err := n.call(ctx, http.MethodPost, n.api+"/v1/functions", spec)
	return err
}

// registerUpTo creates functions f-from to f-(to-1).
func (n *node) registerUpTo(ctx context.Context, from, to int) error {
	for i := from; i < to; i++ {
		if err := n.register(ctx, fmt.Sprintf("f-%d", i), nil); err != nil {
			return err
		}
	}
	return nil
}

// stored reads how many records, keys and payload bytes the server holds.
func (n *node) stored(ctx context.Context) (s struct{ StoredExecutions, StoredKeys, PayloadBytes float64 }, err error) {
	b, err := n.call(ctx, http.MethodGet, n.mgmt+"/v1/admin/stats?limit=1", nil)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}
