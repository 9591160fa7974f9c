package progress

import (
	"slices"
	"strings"
)

// bars are the heights of a Spark, from nothing to the highest.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// Spark is a chart of one line: the last values, each a bar in proportion to the
// highest of them.
type Spark struct {
	// Width is the number of values that are kept and shown.
	Width  int
	values []float64
}

// Add puts a value at the end.
func (s *Spark) Add(v float64) {
	s.values = append(s.values, max(v, 0))
	if over := len(s.values) - s.Width; over > 0 {
		s.values = slices.Delete(s.values, 0, over)
	}
}

// String is the chart.
func (s *Spark) String() string {
	top := 0.0
	for _, v := range s.values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range s.values {
		n := 0
		if top > 0 && v > 0 {
			n = max(int(v/top*float64(len(bars)-1)+0.5), 1)
		}
		b.WriteRune(bars[n])
	}
	return b.String()
}
