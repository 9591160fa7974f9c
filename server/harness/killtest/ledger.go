package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"simplane/server/harness/node"
)

// caller is the API of the present life.
type caller struct {
	client *http.Client
	base   string
}

// call makes a request; status 0 = no answer, whether it took effect is unknown.
func (c *caller) call(method, path, body string, headers ...string) (int, map[string]any) {
	a, err := node.Call(c.client, method, c.base+path, strings.NewReader(body), headers...)
	if err != nil {
		return 0, nil
	}
	var v map[string]any
	_ = json.Unmarshal(a.Body, &v)
	return a.Status, v
}

// execution is one that was acknowledged.
type execution struct {
	id, function string
	job          job
	key          string
	cancelled    bool
	ended        string // status and output as once seen; never another
}

// state is what the newest acknowledgement says of a function or of the
// configuration, and what was asked for since, without an answer: what is there
// is the one, or one of the others.
type state struct {
	acked      string
	asked      []string
	generation float64
}

// holds says whether what is there may be there.
func (s *state) holds(now string, generation any) bool {
	return now == s.acked && (now == "" || len(s.asked) > 0 || generation == s.generation) || slices.Contains(s.asked, now)
}

// ledger is what simplane has answered, over all lives.
type ledger struct {
	backend *backend
	unknown atomic.Int64

	mu          sync.Mutex
	accepted    map[string]*execution
	open        []*execution // not seen to have ended
	keys        map[string]*execution
	functions   map[string]*state // those that workers change; acked "" = deleted
	config      state
	kinds       map[string]int
	n           int
	interrupted int
	wrong       []string
}

func newLedger(b *backend) *ledger {
	return &ledger{backend: b, accepted: map[string]*execution{}, keys: map[string]*execution{}, functions: map[string]*state{}, kinds: map[string]int{}, config: state{generation: 1}}
}

func (l *ledger) bad(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// Functions that work is queued for, with their attempts.
var attempts = map[string]int{"pool": 3, "once": 1, "echo": 3}

func (l *ledger) prepare(c *caller) error {
	for name, most := range attempts {
		mode := `"executionMode":"POOL","endpointUrl":"` + l.backend.URL + `"`
		if name == "echo" {
			mode = `"executionMode":"LOCAL"`
		}
		status, answer := c.call("PUT", "/v1/functions/"+name, fmt.Sprintf(
			`{"image":"i",%s,"concurrency":4,"queueSize":1000000,"maxRetries":%d,"timeoutMillis":2000,"retryBackoff":{"initialMs":1,"maxMs":5}}`, mode, most-1))
		if status != http.StatusCreated {
			return fmt.Errorf("register %s: %d %v", name, status, answer)
		}
	}
	return nil
}

// act makes one request and notes its answer; false when there was none.
func (l *ledger) act(c *caller, worker int, rng *rand.Rand) bool {
	answered := false
	switch rng.IntN(20) {
	case 0, 1:
		answered = l.change(c, fmt.Sprintf("own-%d", worker), rng)
	case 2:
		answered = worker == 0 && l.configure(c, rng)
	case 3:
		answered = l.cancel(c, rng)
	case 4:
		status, _ := c.call("POST", "/v1/functions/echo:invoke", `{"input":1}`)
		answered = status != 0
	case 5:
		status, _ := c.call("POST", "/v1/functions/echo:enqueue", `{"input":{"n":0}}`, "X-Durability", "memory")
		answered = status != 0
	default:
		answered = l.enqueue(c, rng)
	}
	return answered
}

func (l *ledger) enqueue(c *caller, rng *rand.Rand) bool {
	names := []string{"pool", "pool", "once", "echo"}
	l.mu.Lock()
	l.n++
	ex := &execution{function: names[rng.IntN(len(names))], job: job{N: l.n, Fail: rng.IntN(8) == 0, MS: rng.IntN(20)}}
	l.mu.Unlock()
	var headers []string
	if rng.IntN(3) == 0 {
		ex.key = fmt.Sprintf("key-%d", ex.job.N)
		headers = []string{"Idempotency-Key", ex.key}
	}
	raw, _ := json.Marshal(ex.job)
	status, answer := c.call("POST", "/v1/functions/"+ex.function+":enqueue", `{"input":`+string(raw)+`}`, headers...)
	switch status {
	case 0:
		l.unknown.Add(1)
		return false
	case http.StatusAccepted:
		ex.id, _ = answer["executionId"].(string)
		l.mu.Lock()
		l.accepted[ex.id] = ex
		l.open = append(l.open, ex)
		l.kinds["enqueue"]++
		if ex.key != "" {
			l.keys[ex.key] = ex
			l.kinds["with a key"]++
		}
		l.mu.Unlock()
	default:
		l.bad("enqueue: %d %v", status, answer)
	}
	return true
}

// cancel ends a random execution.
func (l *ledger) cancel(c *caller, rng *rand.Rand) bool {
	l.mu.Lock()
	if len(l.open) == 0 {
		l.mu.Unlock()
		return false
	}
	ex := l.open[rng.IntN(len(l.open))]
	ex.cancelled = true // maybe
	l.mu.Unlock()
	status, answer := c.call("POST", "/v1/executions/"+ex.id+":cancel", "")
	switch status {
	case 0:
		return false
	case http.StatusOK:
		l.mu.Lock()
		l.kinds["cancel"]++
		l.mu.Unlock()
		l.saw(ex, answer)
	case http.StatusConflict: // it had ended
	default:
		l.bad("cancel %s: %d %v", ex.id, status, answer)
	}
	return true
}

// change registers, changes or deletes the worker's own function.
func (l *ledger) change(c *caller, name string, rng *rand.Rand) bool {
	l.mu.Lock()
	s := l.functions[name]
	if s == nil {
		s = &state{}
		l.functions[name] = s
	}
	l.mu.Unlock()
	spec := fmt.Sprintf(`{"image":"i-%d","executionMode":"LOCAL","concurrency":%d}`, rng.IntN(1000), 1+rng.IntN(50))
	method, path, want := "PUT", "/v1/functions/"+name, image(spec)
	if s.acked != "" && rng.IntN(4) == 0 {
		method, spec, want = "DELETE", "", ""
	}
	l.mu.Lock()
	s.asked = append(s.asked, want)
	l.mu.Unlock()
	status, answer := c.call(method, path, spec)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch status {
	case 0:
		l.unknown.Add(1)
		return false
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		s.acked, s.asked = want, nil
		s.generation, _ = answer["generation"].(float64)
		l.kinds[method+" function"]++
	default:
		l.wrong = append(l.wrong, fmt.Sprintf("%s %s: %d %v", method, path, status, answer))
	}
	return true
}

func image(spec string) string {
	var v struct{ Image string }
	_ = json.Unmarshal([]byte(spec), &v)
	return v.Image
}

// configure changes the runtime configuration.
func (l *ledger) configure(c *caller, rng *rand.Rand) bool {
	depth := fmt.Sprint(1 + rng.IntN(1_000_000))
	l.mu.Lock()
	revision := l.config.generation
	l.config.asked = append(l.config.asked, depth)
	l.mu.Unlock()
	status, answer := c.call("PATCH", "/v1/admin/runtime-config", fmt.Sprintf(`{"expectedRevision":%.0f,"syncQueueMaxDepth":%s}`, revision, depth))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch status {
	case 0:
		l.unknown.Add(1)
		return false
	case http.StatusOK:
		l.config.acked, l.config.asked = depth, nil
		l.config.generation, _ = answer["revision"].(float64)
		l.kinds["PATCH configuration"]++
	case http.StatusConflict:
		if len(l.config.asked) > 1 { // an earlier one without an answer
			return true
		}
		fallthrough
	default:
		l.wrong = append(l.wrong, fmt.Sprintf("PATCH configuration at revision %.0f: %d %v", revision, status, answer))
	}
	return true
}

// saw holds what is seen of an execution against what was seen before; true when
// it has ended.
func (l *ledger) saw(ex *execution, answer map[string]any) bool {
	status, _ := answer["status"].(string)
	l.mu.Lock()
	defer l.mu.Unlock()
	if status == "queued" || status == "running" {
		if ex.ended != "" {
			l.wrong = append(l.wrong, fmt.Sprintf("%s is %s, and had ended as %s", ex.id, status, ex.ended))
		}
		return false
	}
	output, _ := json.Marshal([]any{status, answer["output"], answer["error"]})
	if ex.ended == "" {
		ex.ended = string(output)
		code := ""
		if e, ok := answer["error"].(map[string]any); ok {
			code, _ = e["code"].(string)
		}
		switch {
		case code == "INTERRUPTED":
			l.interrupted++
		case code == "CANCELLED" && ex.cancelled:
		case ex.function == "echo" && status == "success":
		case status == "success" && !ex.job.Fail && strings.Contains(ex.ended, fmt.Sprintf(`{"n":%d}`, ex.job.N)):
		case status == "error" && ex.job.Fail:
		default:
			l.wrong = append(l.wrong, fmt.Sprintf("%s of %s, asked for %+v, ended as %s", ex.id, ex.function, ex.job, ex.ended))
		}
	}
	if ex.ended != string(output) {
		l.wrong = append(l.wrong, fmt.Sprintf("%s ended as %s, and now as %s", ex.id, ex.ended, output))
	}
	return true
}

// reconcile holds what a new life says against all that was acknowledged.
func (l *ledger) reconcile(c *caller) error {
	for _, ex := range l.accepted {
		status, answer := c.call("GET", "/v1/executions/"+ex.id, "")
		switch {
		case status == 0:
			return fmt.Errorf("GET %s: no answer", ex.id)
		case status != http.StatusOK:
			l.bad("%s of %s was acknowledged and is gone: %d %v", ex.id, ex.function, status, answer)
		case answer["functionName"] != ex.function:
			l.bad("%s of %s is of %v", ex.id, ex.function, answer["functionName"])
		default:
			l.saw(ex, answer)
		}
	}
	for key, ex := range l.keys {
		raw, _ := json.Marshal(ex.job)
		if status, answer := c.call("POST", "/v1/functions/"+ex.function+":enqueue", `{"input":`+string(raw)+`}`, "Idempotency-Key", key); answer["executionId"] != ex.id {
			l.bad("%s leads to %v (%d), not %s", key, answer["executionId"], status, ex.id)
		}
	}
	for name, s := range l.functions {
		status, answer := c.call("GET", "/v1/functions/"+name, "")
		now, _ := answer["image"].(string)
		if !s.holds(now, answer["generation"]) {
			l.bad("%s is %q at generation %v (%d), acknowledged was %q at %v, asked for %q", name, now, answer["generation"], status, s.acked, s.generation, s.asked)
		}
		s.acked, s.asked = now, nil
		s.generation, _ = answer["generation"].(float64)
	}
	_, answer := c.call("GET", "/v1/admin/runtime-config", "")
	now, revision := fmt.Sprint(answer["syncQueueMaxDepth"]), answer["revision"]
	if f, ok := answer["syncQueueMaxDepth"].(float64); ok {
		now = fmt.Sprintf("%.0f", f)
	}
	if l.config.acked != "" && !l.config.holds(now, revision) {
		l.bad("the configuration is %s at revision %v, acknowledged was %s at %v", now, revision, l.config.acked, l.config.generation)
	}
	l.config = state{acked: now}
	l.config.generation, _ = revision.(float64)
	l.mu.Lock()
	defer l.mu.Unlock()
	open := l.open[:0]
	for _, ex := range l.open {
		if ex.ended == "" {
			open = append(open, ex)
		}
	}
	l.open = open
	return nil
}

// settle waits until all has ended, and looks at how often it was run.
func (l *ledger) settle(ctx context.Context, c *caller) error {
	for _, ex := range l.accepted {
		for {
			status, answer := c.call("GET", "/v1/executions/"+ex.id, "")
			if status != http.StatusOK {
				return fmt.Errorf("GET %s: %d", ex.id, status)
			}
			if l.saw(ex, answer) {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
		if made, most := l.backend.attempts.Made(ex.id), attempts[ex.function]; made > most {
			l.bad("%s of %s was run %d times, %d are allowed", ex.id, ex.function, made, most)
		}
	}
	return nil
}
