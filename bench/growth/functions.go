package growth

import (
	"context"
	"fmt"
	"math"
)

var functionCounts = []int{10, 100, 1_000, 10_000}

var functionsRow = rowKind{Row{
	Name: "functions", Title: "Invocations, by the number of functions", Size: "functions",
	What: "Each request of :invoke takes one of all functions at random, or, for comparison, all take one function among as many. LOCAL functions, so that the whole time is the control plane's. Records expire after 2 s.",
}, functions}

func functions(ctx context.Context, r *runner) error {
	n, err := r.start(ctx, forgetful)
	if err != nil {
		return err
	}
	defer n.stop()
	for have, sizes := 0, r.o.sizes(1, functionCounts...); len(sizes) > 0; sizes = sizes[1:] {
		size := sizes[0]
		r.say("registering up to %d", size)
		if err := n.registerUpTo(ctx, have, size); err != nil {
			return err
		}
		have = size
		one, err := n.invocation("f-0", "invoke", nil)
		if err != nil {
			return err
		}
		all, err := n.invocation("f-{n}", "invoke", nil)
		if err == nil {
			all, err = all.Spread(size, "uniform")
		}
		if err != nil {
			return err
		}
		if err := r.measure(ctx, n, load{name: "all functions", target: all}, float64(size)); err != nil {
			return err
		}
		if err := r.measure(ctx, n, load{name: "one of them", target: one}, float64(size)); err != nil {
			return err
		}
		r.spreadAgainstOne(float64(size), Figure{Name: "throughput", Higher: true, Slack: 1.1, Limit: 0.9})
		r.spreadAgainstOne(float64(size), Figure{Name: "server CPU per request", Slack: 1.1, Limit: 1.1})
	}
	return nil
}

// spreadAgainstOne adds what the spread alone costs: both loads ran against the
// same echo with the same number of functions.
func (r *runner) spreadAgainstOne(size float64, f Figure) {
	var all, one Point
	for _, s := range r.row.Series {
		for _, p := range s.Points {
			switch {
			case p.Size != size:
			case s.Name == "all functions, "+f.Name+" of the echo's":
				all = p
			case s.Name == "one of them, "+f.Name+" of the echo's":
				one = p
			}
		}
	}
	if all.Value == 0 || one.Value == 0 {
		return
	}
	v := all.Value / one.Value
	half := math.Hypot(math.Log(all.High/all.Value), math.Log(one.High/one.Value))
	f.Name = "all functions, " + f.Name + " of that of one"
	r.row.add(f, Point{Size: size, Value: v, Low: v * math.Exp(-half), High: v * math.Exp(half), Doubt: all.Doubt})
}

// callSome invokes one in a hundred of the functions a few times.
func (n *node) callSome(ctx context.Context, functions int) error {
	for i := 0; i < functions; i += 100 {
		for range 3 {
			if _, err := n.call(ctx, "POST", fmt.Sprintf("%s/v1/functions/f-%d:invoke", n.api, i), map[string]any{"input": i}); err != nil {
				return err
			}
		}
	}
	return nil
}
