package growth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var payloadsRow = rowKind{Row{
	Name: "payloads", Title: "Invocations, by the size of the payload", Size: "bytes of input, and as many of output",
	What: "A JSON string goes to a LOCAL function, which answers with it, and to the echo. Payloads are bounded to 1 GiB, so that those of answered calls make room for new ones.",
}, payloads}

func payloads(ctx context.Context, r *runner) error {
	n, err := r.startWithOne(ctx, append([]string{"--max-payload-bytes", fmt.Sprint(1 << 30)}, forgetful...))
	if err != nil {
		return err
	}
	defer n.stop()
	for _, size := range r.o.sizes(100, 100, 1_000, 10_000, 100_000, 1_000_000) {
		invoke, err := n.invocation("f-0", "invoke", text(size))
		if err != nil {
			return err
		}
		if err := r.measure(ctx, n, load{target: invoke, limit: 0.6}, float64(size)); err != nil {
			return err
		}
	}
	return nil
}

// text is a JSON string of that many bytes, quotes included.
func text(size int) []byte { return []byte(`"` + strings.Repeat("x", max(0, size-2)) + `"`) }

// payloadTTL is how long the payloads of a peak stay.
const payloadTTL = 20 * time.Second

var peakRow = rowKind{Row{
	Name: "peak", Title: "Memory after a peak of payload", Size: "bytes of payload",
	What: "Executions of 100 kB are queued and run until that much is kept, or as much as comes within 20 s; it expires after 20 s, the records after 21 s. The way back is counted from the time that nothing is kept any more.",
}, peak}

func peak(ctx context.Context, r *runner) error {
	n, err := r.startWithOne(ctx, []string{"--cleanup-ttl", payloadTTL.String(), "--ttl", (payloadTTL + time.Second).String(), "--max-payload-bytes", fmt.Sprint(8 << 30)})
	if err != nil {
		return err
	}
	defer n.stop()
	enqueue, err := n.invocation("f-0", "enqueue", text(100_000))
	if err != nil {
		return err
	}
	count := func() (float64, error) {
		s, err := n.stored(ctx)
		return s.PayloadBytes, err
	}
	rest := n.memory().now
	for _, size := range r.o.sizes(4<<20, 16<<20, 256<<20, 2<<30) {
		n.forgetPeak()
		held, err := r.fill(ctx, enqueue, 0, float64(size), count)
		if err != nil && !errors.Is(err, errStill) {
			return err
		}
		top := n.memory().peak
		back, after, err := r.wayBack(ctx, n, rest)
		if err != nil {
			return err
		}
		r.row.add(Figure{Name: "resident memory at the peak, of the payload", Slack: 1.5}, Point{Size: held, Value: (top - rest) / held})
		r.row.add(Figure{Name: "until memory is back", Unit: "ms", Slack: 100, Limit: 15_000}, Point{Size: held, Value: back})
		r.row.add(Figure{Name: "resident memory then", Unit: "B", Slack: 2}, Point{Size: held, Value: after})
	}
	return nil
}

// wayBack waits until nothing is kept, and then until the resident memory is
// within twice what it was at rest, for a minute at most.
func (r *runner) wayBack(ctx context.Context, n *node, rest float64) (ms, now float64, err error) {
	r.say("waiting for the payload to expire")
	for {
		s, err := n.stored(ctx)
		if err != nil {
			return 0, 0, err
		}
		if s.StoredExecutions == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	const step = 20 * time.Millisecond // a look at once is as good as one after it
	for since := latencyClock(); ; time.Sleep(step) {
		if ms, now = max(since(), float64(step.Milliseconds())), n.memory().now; now <= 2*rest || ms > 60_000 || ctx.Err() != nil {
			return ms, now, ctx.Err()
		}
	}
}
