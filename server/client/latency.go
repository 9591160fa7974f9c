package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// Histograms are the functions' end-to-end latencies since they were
// registered, as cumulative bucket counts.
type Histograms map[string][]Bucket

// Bucket counts the executions that took at most UpTo milliseconds; the last
// one counts all, and has UpTo = +Inf.
type Bucket struct {
	UpTo  float64
	Count float64
}

// Histograms reads them from the Prometheus endpoint. A function that has ended
// nothing has none. There are none at all where the address does not serve
// metrics, or too many others are reading them.
func (c *Client) Histograms(ctx context.Context) (Histograms, error) {
	raw, err := c.metrics(ctx)
	var refused *Error
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusServiceUnavailable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readHistograms(raw), nil
}

func (c *Client) metrics(ctx context.Context) ([]byte, error) {
	return c.do(ctx, request{method: "GET", path: "/actuator/prometheus"})
}

// Sums reads a histogram of the functions from the Prometheus endpoint: of each
// function that has values, their exact sum in the metric's unit, and their number.
func (c *Client) Sums(ctx context.Context, metric string) (sums, counts map[string]float64, err error) {
	raw, err := c.metrics(ctx)
	if err != nil {
		return nil, nil, err
	}
	return byFunction(raw, metric+"_sum"), byFunction(raw, metric+"_count"), nil
}

// byFunction picks the lines of one metric that has no label but the function.
func byFunction(exposition []byte, metric string) map[string]float64 {
	values := map[string]float64{}
	for s := bufio.NewScanner(bytes.NewReader(exposition)); s.Scan(); {
		rest, ok := strings.CutPrefix(s.Text(), metric+`{function="`)
		name, value, ok2 := strings.Cut(rest, `"} `)
		if v, err := strconv.ParseFloat(value, 64); ok && ok2 && err == nil {
			values[name] = v
		}
	}
	return values
}

// readHistograms picks the lines of one metric; function names need no
// unescaping.
func readHistograms(exposition []byte) Histograms {
	h := Histograms{}
	for s := bufio.NewScanner(bytes.NewReader(exposition)); s.Scan(); {
		rest, ok := strings.CutPrefix(s.Text(), `function_e2e_latency_ms_bucket{function="`)
		name, rest, ok2 := strings.Cut(rest, `",le="`)
		upTo, count, ok3 := strings.Cut(rest, `"} `)
		if !ok || !ok2 || !ok3 {
			continue
		}
		le, err := strconv.ParseFloat(upTo, 64)
		n, err2 := strconv.ParseFloat(count, 64)
		if err == nil && err2 == nil {
			h[name] = append(h[name], Bucket{le, n})
		}
	}
	return h
}

// Between estimates a function's latency between two readings; nil when
// nothing ended in between, or there is no earlier reading. A function that is
// only in the later one had ended nothing before.
func (h Histograms) Between(before Histograms, name string) *Latency {
	now, then := h[name], before[name]
	if before != nil && then == nil {
		then = make([]Bucket, len(now))
	}
	if len(now) == 0 || len(then) != len(now) {
		return nil
	}
	counts := make([]Bucket, len(now))
	for i := range now {
		counts[i] = Bucket{now[i].UpTo, now[i].Count - then[i].Count}
	}
	total := counts[len(counts)-1].Count
	if total <= 0 { // also when the function was registered again
		return nil
	}
	return &Latency{P50: quantile(counts, 0.5*total), P90: quantile(counts, 0.9*total), P99: quantile(counts, 0.99*total)}
}

// quantile interpolates within the bucket that holds a rank.
func quantile(counts []Bucket, rank float64) float64 {
	low, below := 0.0, 0.0
	for i, b := range counts {
		switch {
		case b.Count < rank:
			low, below = b.UpTo, b.Count
		case i == len(counts)-1:
			return low // beyond the last bound
		default:
			return low + (b.UpTo-low)*(rank-below)/(b.Count-below)
		}
	}
	return low
}
