// Package rounds reads and shows what programs that measure in rounds are given and
// have seen.
package rounds

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Numbers reads a list of numbers above 0, such as 1,16. An empty one has none.
func Numbers(list string) (all []int, err error) {
	if list == "" {
		return nil, nil
	}
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number above 0", text)
		}
		all = append(all, n)
	}
	return all, nil
}

// Spread is the median and, of several, the range; a dash of none.
func Spread(format string, of []float64) string {
	switch len(of) {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf(format, of[0])
	}
	return fmt.Sprintf(format+" ("+format+" to "+format+")", Median(of), slices.Min(of), slices.Max(of))
}

// Median is the middle one, the upper of two.
func Median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
