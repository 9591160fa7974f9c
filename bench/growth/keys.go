package growth

import "context"

var keysRow = rowKind{Row{
	Name: "keys", Title: "Invocations with a fresh idempotency key, by the number of keys kept", Size: "keys",
	What: "Each invocation brings a key of its own, which is kept, as is the record. They add keys while they are measured, so the sizes are the means of before and after.",
}, keys}

func keys(ctx context.Context, r *runner) error {
	n, err := r.startWithOne(ctx, hoarding)
	if err != nil {
		return err
	}
	defer n.stop()
	invoke, err := n.invocation("f-0", "invoke", nil)
	if err != nil {
		return err
	}
	empty := n.memory().now
	count := func() (float64, error) {
		s, err := n.stored(ctx)
		return s.StoredKeys, err
	}
	for _, size := range r.o.sizes(100, 10_000, 100_000, 1_000_000) {
		held, err := r.fill(ctx, invoke, -1, float64(size), count)
		if err != nil {
			return err
		}
		r.row.add(Figure{Name: "resident memory of a key with its record", Unit: "B"}, Point{Size: held, Value: (n.memory().now - empty) / held})
		if err := r.measureAdding(ctx, n, load{target: invoke, keys: -1, short: true}, count); err != nil {
			return err
		}
	}
	return nil
}
