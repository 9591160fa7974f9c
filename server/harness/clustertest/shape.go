package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// shape is what the callers of a cluster ask for.
type shape struct {
	functions int
	// Of 20 requests so many are enqueues, enqueues with a key that are sent twice, and
	// invocations; the others look executions up.
	enqueues, keyed, invokes int
	payload                  int           // bytes beside what is always in an input and an output
	workers                  int           // callers at once, where that is not the caller's to say; 0 = it is
	pace                     time.Duration // at least, between two requests of a caller
}

// shapes are those of real users.
var shapes = map[string]shape{
	"mixed": {functions: 24, enqueues: 11, keyed: 2, invokes: 4},
	"sync":  {functions: 24, invokes: 20},
	"async": {functions: 24, enqueues: 14, keyed: 3},
	"hot":   {functions: 1, enqueues: 11, keyed: 2, invokes: 4},
	"many":  {functions: 10_000, enqueues: 11, keyed: 2, invokes: 4},
	// What is accepted is kept by three nodes, input and output.
	"large": {functions: 24, enqueues: 8, keyed: 1, invokes: 8, payload: 4<<20 - 4096, workers: 4, pace: 800 * time.Millisecond},
}

func shapeNames() string { return strings.Join(slices.Sorted(maps.Keys(shapes)), ", ") }

// pick says what a request of a shape is: an index into the fields above.
func (s *shape) pick(rng *rand.Rand) int {
	switch k := rng.IntN(20); {
	case k < s.enqueues:
		return 0
	case k < s.enqueues+s.keyed:
		return 1
	case k < s.enqueues+s.keyed+s.invokes:
		return 2
	}
	return 3
}

// pad is what makes an input or output as long as the shape has it.
func (s *shape) pad() string { return strings.Repeat("x", s.payload) }

// output is what a function answers to a job.
func output(n int64, pad string) string {
	if pad == "" {
		return fmt.Sprintf(`{"n":%d}`, n)
	}
	return fmt.Sprintf(`{"n":%d,"pad":%q}`, n, pad)
}
