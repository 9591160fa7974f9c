package node

import (
	"fmt"
	"strconv"
	"strings"
)

// Gauge reads a function's gauge off a metrics page; -1 when it is absent.
func Gauge(page []byte, metric, function string) (int, error) {
	prefix := fmt.Sprintf("%s{function=%q} ", metric, function)
	for line := range strings.Lines(string(page)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				return 0, fmt.Errorf("%s: %w", line, err)
			}
			return n, nil
		}
	}
	return -1, nil
}
