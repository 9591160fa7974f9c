package growth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"simplane/bench/loadgen"
)

var queueRow = rowKind{Row{
	Name: "queue", Title: "A deep queue, and deleting its function", Size: "executions queued",
	What: "Work waits for a POOL function whose only slot is taken by a call that is never answered. Meanwhile another function is invoked, and, where a round adds little to the queue, more work is queued. Then the function is deleted, under look-ups of another execution at 500/s.",
}, queue}

func queue(ctx context.Context, r *runner) error {
	n, err := r.start(ctx, hoarding)
	if err != nil {
		return err
	}
	defer n.stop()
	silent, err := listenSilently()
	if err != nil {
		return err
	}
	defer silent.Close()
	if err := n.register(ctx, "f-0", nil); err != nil {
		return err
	}
	other, err := n.invocation("f-0", "invoke", nil)
	if err != nil {
		return err
	}
	look, err := n.lookup(ctx)
	if err != nil {
		return err
	}
	more, err := n.invocation("deep", "enqueue", nil)
	if err != nil {
		return err
	}
	count := func() (float64, error) { return n.queued(ctx, "deep") }
	for _, size := range r.o.sizes(10, 100, 10_000, 100_000, 1_000_000) {
		err := n.register(ctx, "deep", map[string]any{
			"executionMode": "POOL", "endpointUrl": "http://" + silent.Addr().String() + "/", "concurrency": 1, "timeoutMillis": 3_600_000,
		})
		if err != nil {
			return err
		}
		// A tenth is left for what is queued while it is measured.
		if _, err := r.fill(ctx, more, 0, 0.9*float64(size), count); err != nil {
			return err
		}
		if err := r.measure(ctx, n, load{name: "invocations of another", target: other}, float64(size)); err != nil {
			return err
		}
		if size >= 100_000 {
			if err := r.measureAdding(ctx, n, load{name: "queueing", target: more, short: true}, count); err != nil {
				return err
			}
		}
		if err := r.deleteDeep(ctx, n, look, size); err != nil {
			return err
		}
	}
	return nil
}

// deleteDeep deletes the function with the queue.
func (r *runner) deleteDeep(ctx context.Context, n *node, look loadgen.Target, size int) error {
	r.say("DELETE with %d queued", size)
	last, err := n.enqueue(ctx, "deep")
	if err != nil {
		return err
	}
	n.forgetPeak()
	before := n.memory().now
	var call, ended float64
	quiet, busy, err := r.meanwhile(ctx, look, func() error {
		since := latencyClock()
		if _, call, err = n.timed(ctx, http.MethodDelete, n.api+"/v1/functions/deep"); err != nil {
			return err
		}
		for {
			b, err := n.call(ctx, http.MethodGet, n.api+"/v1/executions/"+last, nil)
			if err != nil {
				return err
			}
			if !bytes.Contains(b, []byte(`"status":"queued"`)) {
				ended = since()
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	})
	if err != nil {
		return err
	}
	at := float64(size)
	r.row.add(Figure{Name: "DELETE, the call, which ends the queue", Unit: "ms", Linear: true}, Point{Size: at, Value: call})
	r.row.add(Figure{Name: "DELETE, until the last has ended", Unit: "ms", Linear: true}, Point{Size: at, Value: ended})
	r.row.add(Figure{Name: "resident memory at its peak, of before", Slack: 1.1, Limit: 1.1}, Point{Size: at, Value: n.memory().peak / before})
	r.felt("DELETE", at, quiet, busy, 5)
	return nil
}

// queued is the number of executions that wait for a function.
func (n *node) queued(ctx context.Context, function string) (float64, error) {
	b, err := n.call(ctx, http.MethodGet, n.mgmt+"/v1/functions/"+function+"/stats", nil)
	if err != nil {
		return 0, err
	}
	var s struct{ QueueDepth *float64 }
	if err := json.Unmarshal(b, &s); err != nil || s.QueueDepth == nil {
		return 0, fmt.Errorf("no queueDepth in %.200s (%v)", b, err)
	}
	return *s.QueueDepth, nil
}

// listenSilently takes connections and reads, but never answers.
func listenSilently() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	return l, nil
}
