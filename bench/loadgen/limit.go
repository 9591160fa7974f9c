package loadgen

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"simplane/bench/latency"
)

// Limit bounds latency: the value at Percentile must be at or below Max.
type Limit struct {
	Percentile float64       `json:"percentile"` // above 0, at most 100; 100 is the maximum
	Max        time.Duration `json:"maxNanos"`
}

// ParseLimit reads "p99=5ms" or "max=1s".
func ParseLimit(text string) (Limit, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return Limit{}, fmt.Errorf("limit %q is not like p99=5ms", text)
	}
	l := Limit{Percentile: 100}
	if key != "max" {
		num, isP := strings.CutPrefix(key, "p")
		p, err := strconv.ParseFloat(num, 64)
		if !isP || err != nil || !(p > 0 && p <= 100) {
			return Limit{}, fmt.Errorf("limit %q: %q is not a percentile such as p50, p99.9 or max", text, key)
		}
		l.Percentile = p
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d > latency.Highest {
		return Limit{}, fmt.Errorf("limit %q: %q is not a duration between 1ns and 2m such as 5ms", text, value)
	}
	l.Max = d
	return l, nil
}

func (l Limit) String() string {
	if l.Percentile == 100 {
		return fmt.Sprintf("max=%v", l.Max)
	}
	return fmt.Sprintf("p%v=%v", l.Percentile, l.Max)
}
