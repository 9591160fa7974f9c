package growth

import (
	"context"
	"net/http"
)

// recordsEach is how many executions each function has in a search.
const recordsEach = 256

var searchRow = rowKind{Row{
	Name: "search", Title: "Execution search, by the number of functions with 256 records each", Size: "functions",
	What: "GET /v1/admin/executions?limit=100: over all functions, of one function, and for a status that nobody has. Medians of single requests; look-ups at 500/s show what others feel of searches back to back.",
}, search}

func search(ctx context.Context, r *runner) error {
	n, err := r.start(ctx, hoarding)
	if err != nil {
		return err
	}
	defer n.stop()
	look, err := n.lookup(ctx)
	if err != nil {
		return err
	}
	count := func() (float64, error) {
		s, err := n.stored(ctx)
		return s.StoredExecutions, err
	}
	for have, sizes := 0, r.o.sizes(1, functionCounts...); len(sizes) > 0; sizes = sizes[1:] {
		size := sizes[0]
		if err := n.registerUpTo(ctx, have, size); err != nil {
			return err
		}
		have = size
		enqueue, err := n.invocation("f-{n}", "enqueue", nil)
		if err == nil {
			enqueue, err = enqueue.Spread(size, "uniform")
		}
		if err != nil {
			return err
		}
		if _, err := r.fill(ctx, enqueue, 0, float64(size*recordsEach), count); err != nil {
			return err
		}
		if err := r.searches(ctx, n, size); err != nil {
			return err
		}
		quiet, busy, err := r.meanwhile(ctx, look, func() error {
			for range 20 {
				if _, _, err := n.timed(ctx, http.MethodGet, n.mgmt+"/v1/admin/executions?limit=100"); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.felt("searches", float64(size), quiet, busy, 0)
	}
	return nil
}

func (r *runner) searches(ctx context.Context, n *node, size int) error {
	url := n.mgmt + "/v1/admin/executions?limit=100"
	n.forgetPeak()
	before := n.memory().now
	answer, err := r.once(ctx, n, Figure{Name: "search over all", Slack: 10, Limit: 100}, size, url)
	if err != nil {
		return err
	}
	r.row.add(Figure{Name: "answer over all", Unit: "B", Slack: 2}, Point{Size: float64(size), Value: float64(len(answer))})
	r.row.add(Figure{Name: "resident memory that searches add", Unit: "B", Slack: 10, Limit: 16 << 20}, Point{Size: float64(size), Value: max(0, n.memory().peak-before)})
	if _, err := r.once(ctx, n, Figure{Name: "search of one function", Slack: 10, Limit: 100}, size, url+"&function=f-0"); err != nil {
		return err
	}
	_, err = r.once(ctx, n, Figure{Name: "search that finds nothing, a page", Slack: 10, Limit: 100}, size, url+"&status=timeout")
	return err
}
