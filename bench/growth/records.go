package growth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"simplane/bench/loadgen"
)

var recordsRow = rowKind{Row{
	Name: "records", Title: "Invocations and look-ups, by the number of records kept", Size: "records",
	What: "Executions that have ended and are kept with their payloads, all of one function. Look-ups take ids from all ages; the echo gets the same GET. Invocations add records while they are measured, so their sizes are the means of before and after.",
}, records}

func records(ctx context.Context, r *runner) error {
	n, err := r.startWithOne(ctx, hoarding)
	if err != nil {
		return err
	}
	defer n.stop()
	enqueue, err := n.invocation("f-0", "enqueue", nil)
	if err != nil {
		return err
	}
	invoke, err := n.invocation("f-0", "invoke", nil)
	if err != nil {
		return err
	}
	empty := n.memory().now
	count := func() (float64, error) {
		s, err := n.stored(ctx)
		return s.StoredExecutions, err
	}
	var ids []string
	for _, size := range r.o.sizes(100, 10_000, 100_000, 1_000_000, 5_000_000) {
		have, _ := count()
		for step := 1; step <= 5; step++ { // ids of all ages
			if _, err := r.fill(ctx, enqueue, 0, have+(float64(size)-have)*float64(step)/5, count); err != nil {
				return err
			}
			more, err := n.newest(ctx, 1000)
			if err != nil {
				return err
			}
			ids = append(ids, more...)
		}
		held, err := count()
		if err != nil {
			return err
		}
		r.row.add(Figure{Name: "resident memory of a record", Unit: "B"}, Point{Size: float64(size), Value: (n.memory().now - empty) / held})
		look, err := n.lookups(ids)
		if err != nil {
			return err
		}
		if err := r.measure(ctx, n, load{name: "look-ups", target: look}, held); err != nil {
			return err
		}
		if err := r.measureAdding(ctx, n, load{name: "invocations", target: invoke, short: true}, count); err != nil {
			return err
		}
	}
	return nil
}

// measureAdding measures a load that adds to the size, which is then the mean
// of before and after.
func (r *runner) measureAdding(ctx context.Context, n *node, l load, count func() (float64, error)) error {
	before, err := count()
	if err != nil {
		return err
	}
	from := make(map[string]int)
	for _, s := range r.row.Series {
		from[s.Name] = len(s.Points)
	}
	if err := r.measure(ctx, n, l, before); err != nil {
		return err
	}
	after, err := count()
	for i := range r.row.Series {
		s := &r.row.Series[i]
		for j := from[s.Name]; j < len(s.Points); j++ {
			s.Points[j].Size = (before + after) / 2
		}
	}
	return err
}

// newest returns the ids of the newest executions.
func (n *node) newest(ctx context.Context, limit int) (ids []string, err error) {
	b, err := n.call(ctx, http.MethodGet, fmt.Sprintf("%s/v1/admin/executions?limit=%d", n.mgmt, limit), nil)
	if err != nil {
		return nil, err
	}
	var page struct {
		Executions []struct{ ExecutionID string }
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, err
	}
	for _, e := range page.Executions {
		ids = append(ids, e.ExecutionID)
	}
	return ids, nil
}

// lookups asks for executions at random.
func (n *node) lookups(ids []string) (loadgen.Target, error) {
	urls := make([]string, len(ids))
	for i, id := range ids {
		urls[i] = n.api + "/v1/executions/" + id
	}
	return loadgen.ListTarget(loadgen.Defaults{}, "look-ups", urls)
}

// lookup asks for one execution, which is made for it.
func (n *node) lookup(ctx context.Context) (loadgen.Target, error) {
	if err := n.register(ctx, "looked-at", nil); err != nil {
		// It is there already.
		if _, err := n.call(ctx, http.MethodGet, n.api+"/v1/functions/looked-at", nil); err != nil {
			return loadgen.Target{}, err
		}
	}
	id, err := n.enqueue(ctx, "looked-at")
	if err != nil {
		return loadgen.Target{}, err
	}
	return n.lookups([]string{id})
}

// enqueue queues one execution and returns its id.
func (n *node) enqueue(ctx context.Context, function string) (string, error) {
	b, err := n.call(ctx, http.MethodPost, n.api+"/v1/functions/"+function+":enqueue", map[string]any{"input": 1})
	if err != nil {
		return "", err
	}
	var e struct{ ExecutionID string }
	return e.ExecutionID, json.Unmarshal(b, &e)
}

// latencyClock returns a function that tells the milliseconds since.
func latencyClock() func() float64 {
	began := time.Now()
	return func() float64 { return float64(time.Since(began)) / 1e6 }
}
