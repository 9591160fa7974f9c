package growth

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"simplane/bench/latency"
)

var catalogueRow = rowKind{Row{
	Name: "catalogue", Title: "Lists, metrics and deletion, by the number of functions", Size: "functions",
	What: "One function in a hundred has been called, the others are quiet. Times are medians of single requests one after another; look-ups of an execution at 500/s show what others feel of scrapes back to back.",
}, catalogue}

func catalogue(ctx context.Context, r *runner) error {
	n, err := r.start(ctx, hoarding)
	if err != nil {
		return err
	}
	defer n.stop()
	empty := n.memory().now
	for have, sizes := 0, r.o.sizes(1, functionCounts...); len(sizes) > 0; sizes = sizes[1:] {
		size := sizes[0]
		r.say("registering up to %d", size)
		if err := n.registerUpTo(ctx, have, size); err != nil {
			return err
		}
		have = size
		r.row.add(Figure{Name: "resident memory of a quiet function", Unit: "B"}, Point{Size: float64(size), Value: max(0, n.memory().now-empty) / float64(size)})
		for _, part := range []func(context.Context, *node, int) error{r.called, r.lists, r.scrapes, r.deletions} {
			if err := part(ctx, n, size); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) called(ctx context.Context, n *node, size int) error { return n.callSome(ctx, size) }

// once times a request some times over and adds the median.
func (r *runner) once(ctx context.Context, n *node, f Figure, size int, url string) (answer []byte, err error) {
	r.say("%s at %d", f.Name, size)
	var took []float64
	for range 9 {
		var ms float64
		if answer, ms, err = n.timed(ctx, http.MethodGet, url); err != nil {
			return nil, err
		}
		took = append(took, ms)
	}
	f.Unit = "ms"
	r.row.add(f, Point{Size: float64(size), Value: median(took)})
	return answer, nil
}

func (r *runner) lists(ctx context.Context, n *node, size int) error {
	for _, l := range []struct {
		f   Figure
		url string
	}{
		{Figure{Name: "GET /v1/functions?limit=100", Slack: 10}, n.api + "/v1/functions?limit=100"},
		{Figure{Name: "GET /v1/admin/stats?limit=100", Slack: 10}, n.mgmt + "/v1/admin/stats?limit=100"},
		{Figure{Name: "GET /v1/functions, whole", Linear: true}, n.api + "/v1/functions"},
		{Figure{Name: "GET /v1/admin/stats, whole", Linear: true}, n.mgmt + "/v1/admin/stats"},
	} {
		if _, err := r.once(ctx, n, l.f, size, l.url); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) scrapes(ctx context.Context, n *node, size int) error {
	url := n.mgmt + "/actuator/prometheus"
	n.forgetPeak()
	before := n.memory()
	page, err := r.once(ctx, n, Figure{Name: "metrics scrape", Linear: true, Limit: 300}, size, url)
	if err != nil {
		return err
	}
	at := float64(size)
	r.row.add(Figure{Name: "metrics page", Unit: "B", Linear: true, Limit: 10 << 20}, Point{Size: at, Value: float64(len(page))})
	r.row.add(Figure{Name: "resident memory that scrapes add", Unit: "B", Linear: true}, Point{Size: at, Value: max(0, n.memory().peak-before.now)})
	last, _, err := n.timed(ctx, http.MethodGet, url)
	if err != nil {
		return err
	}
	const allocated = "go_memstats_alloc_bytes_total"
	r.row.add(Figure{Name: "allocated by a scrape", Unit: "B", Linear: true}, Point{Size: at, Value: max(0, sample(last, allocated)-sample(page, allocated))})

	look, err := n.lookup(ctx)
	if err != nil {
		return err
	}
	quiet, busy, err := r.meanwhile(ctx, look, func() error {
		for range 5 {
			if _, _, err := n.timed(ctx, http.MethodGet, url); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.felt("scrapes", at, quiet, busy, 0)
	return nil
}

// felt adds what look-ups took without and with something else going on. What
// they take alone is the machine's doing: with a limit that they miss even then,
// there is no verdict.
func (r *runner) felt(what string, size float64, quiet, busy *latency.Histogram, limit float64) {
	for _, f := range []struct {
		name  string
		h     *latency.Histogram
		p     float64
		limit float64
	}{{"look-up p99 alone", quiet, 99, 0}, {"longest look-up alone", quiet, 100, 0}, {"look-up p99 during " + what, busy, 99, 0}, {"longest look-up during " + what, busy, 100, limit}} {
		at := Point{Size: size, Value: latency.Percentile(f.h, f.p)}
		if f.limit > 0 && latency.Percentile(quiet, 100) > f.limit {
			at.Doubt = "look-ups took longer than that without it too"
		}
		r.row.add(Figure{Name: f.name, Unit: "ms", Slack: 5, Limit: f.limit}, at)
	}
}

// deletions registers and deletes functions among the others.
func (r *runner) deletions(ctx context.Context, n *node, size int) error {
	r.say("DELETE among %d", size)
	var registered, deleted []float64
	for i := range 21 {
		name := fmt.Sprintf("idle-%d", i)
		began := latencyClock()
		if err := n.register(ctx, name, nil); err != nil {
			return err
		}
		registered = append(registered, began())
		if _, err := n.call(ctx, http.MethodPost, n.api+"/v1/functions/"+name+":invoke", map[string]any{"input": 1}); err != nil {
			return err
		}
		_, ms, err := n.timed(ctx, http.MethodDelete, n.api+"/v1/functions/"+name)
		if err != nil {
			return err
		}
		deleted = append(deleted, ms)
	}
	r.row.add(Figure{Name: "registering one more", Unit: "ms", Slack: 2}, Point{Size: float64(size), Value: median(registered)})
	r.row.add(Figure{Name: "DELETE of an idle function", Unit: "ms", Slack: 2}, Point{Size: float64(size), Value: median(deleted)})
	return nil
}

// sample reads a metric without labels from a page; 0 if it is not there.
func sample(page []byte, name string) float64 {
	for line := range bytes.Lines(page) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			v, _ := strconv.ParseFloat(string(bytes.TrimSpace(rest)), 64)
			return v
		}
	}
	return 0
}
