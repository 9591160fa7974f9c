package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"simplane/server/harness/node"
	"simplane/server/harness/replicas"
)

// maxRetries of each function.
const maxRetries = 2

// answerWithin is what a caller waits: longer than a node is paused or cut off.
const answerWithin = 20 * time.Second

// experiment is a cluster under load.
type experiment struct {
	opt     options
	dir     string
	group   *replicas.Group
	network *replicas.Network // nil = loopback
	ledger  *ledger
	backend *backend
	client  *http.Client
	serial  atomic.Int64
	shape   shape
	pad     string
	silent  atomic.Int64 // a node that is paused: a balancer's checks would notice; -1 = none
}

// report is what was seen.
type report struct {
	Nodes, Acknowledged int
	Faults              []faultReport
	Overlaps            int // attempts of one execution at the same time
	Answers             string
	Wrong               []string
}

type faultReport struct {
	Fault        string
	Node         string
	Owned        int // partitions, as it began
	Acknowledged int // while it happened
	Gap          float64
	GapOf        string
}

func (r *report) String() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%d nodes, %d acknowledged executions; answers to requests for work:\n%s\n", r.Nodes, r.Acknowledged, r.Answers)
	fmt.Fprintf(b, "| fault | node | partitions it owned | acknowledged meanwhile | longest gap of one function, s |\n|---|---|---|---|---|\n")
	for _, f := range r.Faults {
		fmt.Fprintf(b, "| %s | %s | %d | %d | %.1f (%s) |\n", f.Fault, f.Node, f.Owned, f.Acknowledged, f.Gap, f.GapOf)
	}
	fmt.Fprintf(b, "\n%d times two attempts of one execution ran at the same time\n", r.Overlaps)
	for i, w := range r.Wrong {
		if i == 20 {
			fmt.Fprintf(b, "and %d more\n", len(r.Wrong)-i)
			break
		}
		fmt.Fprintln(b, "WRONG:", w)
	}
	if len(r.Wrong) == 0 {
		fmt.Fprintln(b, "nothing acknowledged was lost, nothing ended twice, no key led to two executions")
	}
	return b.String()
}

// clustertest runs it all. The error says that it could not be run.
func clustertest(ctx context.Context, opt options) (*report, error) {
	dir, err := os.MkdirTemp("", "simplane-clustertest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	of := shapes[opt.Shape]
	if of.workers > 0 {
		opt.Workers = of.workers
	}
	opt.Pace = max(opt.Pace, of.pace)
	x := &experiment{opt: opt, dir: dir, ledger: newLedger(), shape: of, pad: of.pad(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: opt.Workers}, Timeout: answerWithin}}
	x.silent.Store(-1)
	outside := "127.0.0.1"
	for _, f := range opt.Faults {
		if !actions[f].root || x.network != nil {
			continue
		}
		if x.network, err = replicas.NewNetwork(dir, opt.Nodes); err != nil {
			return nil, err
		}
		defer x.network.Close()
		outside = x.network.Outside()
	}
	if x.network != nil {
		for i := range opt.Nodes {
			at := filepath.Join(dir, replicas.Name(i))
			if err := smallDisk(at); err != nil {
				return nil, err
			}
			defer func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) }()
		}
	}
	if x.backend, err = newBackend(outside); err != nil {
		return nil, err
	}
	defer x.backend.srv.Close()
	binary, err := node.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	if x.group, err = replicas.Start(ctx, replicas.Options{Binary: binary, Dir: dir, Nodes: opt.Nodes, Network: x.network, Args: []string{
		"--rate-max-per-second", "0", "--ttl", "24h", "--cleanup-ttl", "24h", "--idempotency-ttl", "24h",
	}}); err != nil {
		return nil, err
	}
	defer x.group.Close()
	if err := x.register(ctx); err != nil {
		return nil, err
	}
	r := &report{Nodes: opt.Nodes}
	if err := x.happen(ctx, r); err != nil {
		return nil, err
	}
	if err := x.settle(ctx); err != nil {
		return nil, err
	}
	r.Acknowledged, r.Overlaps, r.Answers = x.ledger.size(), len(x.backend.attempts.Overlaps()), x.ledger.summary()
	r.Wrong = append(x.ledger.wrong, x.backend.attempts.Twice()...)
	for i := range opt.Nodes {
		n := x.group.Node(i)
		if err := x.group.Stop(i); err != nil {
			r.Wrong = append(r.Wrong, fmt.Sprintf("%s did not end well: %v; its log: %s", replicas.Name(i), err, n.Log()))
		}
	}
	return r, nil
}

// call makes a request; status 0 = no answer.
func (x *experiment) call(i int, method, path, body string, headers ...string) (int, []byte) {
	a, err := node.Call(x.client, method, x.group.URL(i)+path, strings.NewReader(body), headers...)
	if err != nil {
		return 0, nil
	}
	return a.Status, a.Body
}

func (x *experiment) register(ctx context.Context) error {
	var workers errgroup.Group
	workers.SetLimit(16)
	for f := range x.shape.functions {
		workers.Go(func() error { return x.registerOne(ctx, f) })
	}
	return workers.Wait()
}

func (x *experiment) registerOne(ctx context.Context, f int) error {
	spec := fmt.Sprintf(`{"executionMode":"POOL","endpointUrl":%q,"concurrency":4,"queueSize":100000,"maxRetries":%d,"timeoutMillis":5000,"retryBackoff":{"initialMs":1,"maxMs":5}}`,
		x.backend.url, maxRetries)
	status, body := 0, []byte(nil)
	for try := 0; try < 20 && status != http.StatusCreated && ctx.Err() == nil; try++ {
		if status, body = x.call(f%x.opt.Nodes, "PUT", fmt.Sprintf("/v1/functions/f%d", f), spec); status == http.StatusOK {
			break
		}
		if status != http.StatusCreated {
			pause(ctx, 200*time.Millisecond)
		}
	}
	if status != http.StatusCreated && status != http.StatusOK {
		return fmt.Errorf("register f%d: %d %s", f, status, body)
	}
	return nil
}

// happen has load go on while one thing after another happens to the nodes.
func (x *experiment) happen(ctx context.Context, r *report) error {
	loading, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for w := range x.opt.Workers {
		workers.Go(func() { x.load(loading, rand.New(rand.NewPCG(x.opt.Seed, uint64(w)))) })
	}
	defer workers.Wait()
	defer stop()
	rng := rand.New(rand.NewPCG(x.opt.Seed, 1<<32))
	pause(ctx, x.opt.Calm)
	for round := range x.opt.Rounds {
		for _, f := range x.opt.Faults {
			i := rng.IntN(x.opt.Nodes)
			owned, err := x.owned(i)
			if err != nil {
				return err
			}
			x.ledger.window()
			before := x.ledger.size()
			if err := actions[f].do(ctx, x, i); err != nil {
				return fmt.Errorf("%s of %s: %w", f, replicas.Name(i), err)
			}
			if err := x.group.Ready(ctx, i); err != nil {
				return fmt.Errorf("after %s: %w", f, err)
			}
			pause(ctx, x.opt.Calm)
			gap, of := x.ledger.longest()
			r.Faults = append(r.Faults, faultReport{f, replicas.Name(i), owned, x.ledger.size() - before, gap.Seconds(), of})
			fmt.Fprintf(x.opt.Progress, "clustertest: round %d: %s of %s, which owned %d partitions: longest gap %.1f s, %d acknowledged\n", round+1, f, replicas.Name(i), owned, gap.Seconds(), x.ledger.size())
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// owned is how many partitions a node owns, as another one knows.
func (x *experiment) owned(i int) (n int, err error) {
	s, err := x.group.Status((i + 1) % x.opt.Nodes)
	for _, p := range s.Partitions {
		if p.Owner == replicas.Name(i) {
			n++
		}
	}
	return n, err
}

// load is one caller.
func (x *experiment) load(ctx context.Context, rng *rand.Rand) {
	for ctx.Err() == nil {
		if x.opt.Pace > 0 {
			pause(ctx, time.Duration(rng.Int64N(2*int64(x.opt.Pace))))
		}
		f := fmt.Sprint("f", rng.IntN(x.shape.functions))
		i := x.balance(rng)
		j := job{N: x.serial.Add(1), MS: rng.IntN(4), Fail: rng.IntN(10) == 0, Pad: x.pad}
		switch x.shape.pick(rng) {
		case 0:
			x.enqueue(i, f, "", j)
		case 1:
			x.keyed(rng, f, j)
		case 2:
			x.invoke(i, f, j)
		default:
			if e := x.ledger.pick(rng.IntN(1 << 30)); e != nil {
				status, body := x.call(i, "GET", "/v1/executions/"+e.id, "")
				x.ledger.look(e, status, body)
			}
		}
	}
}

// balance is some node that answers, as far as a balancer knows.
func (x *experiment) balance(rng *rand.Rand) int {
	i := rng.IntN(x.opt.Nodes)
	for range x.opt.Nodes {
		if x.group.Node(i) != nil && int64(i) != x.silent.Load() {
			break
		}
		i = (i + 1) % x.opt.Nodes
	}
	return i
}

func input(j job) string {
	raw, _ := json.Marshal(map[string]job{"input": j})
	return string(raw)
}

// what names an answer.
func what(kind string, status int, body []byte) string {
	if status == 0 {
		return kind + ": no answer"
	}
	var v struct{ Error any }
	_ = json.Unmarshal(body, &v)
	if code, ok := v.Error.(string); ok {
		return fmt.Sprintf("%s: %d %s", kind, status, code)
	}
	return fmt.Sprintf("%s: %d", kind, status)
}

func (x *experiment) enqueue(i int, f, key string, j job) (status int) {
	var headers []string
	if key != "" {
		headers = []string{"Idempotency-Key", key}
	}
	strict := x.ledger.isStrict()
	status, body := x.call(i, "POST", "/v1/functions/"+f+":enqueue", input(j), headers...)
	x.ledger.count(f, what("enqueue", status, body), status == http.StatusAccepted, strict)
	if status == http.StatusNotFound {
		x.ledger.bad("%s was registered, and is not found: %s", f, body)
	}
	if status == http.StatusAccepted {
		var s struct{ ExecutionID string }
		if err := json.Unmarshal(body, &s); err != nil || s.ExecutionID == "" {
			x.ledger.bad("%s: accepted without an id: %s", f, body)
			return status
		}
		x.ledger.accept(&execution{id: s.ExecutionID, function: f, key: key, job: j})
	}
	return status
}

// keyed sends one request by several nodes until two have acknowledged it.
func (x *experiment) keyed(rng *rand.Rand, f string, j job) {
	key := fmt.Sprint("k", j.N)
	acks := 0
	for try := 0; try < 6 && acks < 2; try++ {
		if x.enqueue(x.balance(rng), f, key, j) == http.StatusAccepted {
			acks++
		}
	}
}

func (x *experiment) invoke(i int, f string, j job) {
	strict := x.ledger.isStrict()
	status, body := x.call(i, "POST", "/v1/functions/"+f+":invoke", input(j))
	var s struct {
		Status string
		Output json.RawMessage
	}
	_ = json.Unmarshal(body, &s)
	name := what("invoke", status, body)
	if s.Status != "" {
		name += " " + s.Status
	}
	x.ledger.count(f, name, status == http.StatusOK, strict)
	if s.Status == "success" && string(s.Output) != output(j.N, j.Pad) {
		x.ledger.bad("%s was invoked with %d and answered %.200s", f, j.N, s.Output)
	}
	if status == http.StatusNotFound {
		x.ledger.bad("%s was registered, and is not found: %s", f, body)
	}
}

// settleWithin is how long what was acknowledged may take to end once nothing happens
// any more.
const settleWithin = 3 * time.Minute

// settle looks at all that was acknowledged, from two nodes, until it has ended.
func (x *experiment) settle(ctx context.Context) error {
	deadline := time.Now().Add(settleWithin)
	var wg sync.WaitGroup
	work := make(chan *execution)
	for w := range x.opt.Workers {
		wg.Go(func() {
			for e := range work {
				for side := range 2 {
					for {
						status, body := x.call((w+side)%x.opt.Nodes, "GET", "/v1/executions/"+e.id, "")
						if x.ledger.look(e, status, body) || ctx.Err() != nil {
							break
						}
						if time.Now().After(deadline) {
							x.ledger.bad("%s of %s does not end: %d %s", e.id, e.function, status, body)
							break
						}
						pause(ctx, 20*time.Millisecond)
					}
				}
				if made := x.backend.attempts.Made(e.id); made > maxRetries+1 {
					x.ledger.bad("%s was attempted %d times", e.id, made)
				}
			}
		})
	}
	x.ledger.mu.Lock()
	list := append([]*execution(nil), x.ledger.list...)
	x.ledger.mu.Unlock()
	for _, e := range list {
		work <- e
	}
	close(work)
	wg.Wait()
	return ctx.Err()
}
