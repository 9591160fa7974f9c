package live

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// call is one call of a scenario, and what came of it. Times count from the run's
// beginning.
type call struct {
	load       *scenario.Load
	function   string // registered
	at         time.Duration
	input, key int // as draws.Load.Brings
	size       int // recorded, of its input in bytes; 0 = that of input
	timed      bool
	took       time.Duration // of its dispatches, if timed

	sent, answered time.Duration
	id             string // of its execution; "" = it was not told
	refused        string // error code; "" = it was not
	left           bool   // the caller did not wait for the answer
	lost           error  // no answer came, or none of simplane's
}

// body is what a call brings.
func (c *call) body() json.RawMessage {
	switch {
	case c.timed:
		return draws.AppendTimed(nil, c.took, c.size)
	case c.size == 0:
		return draws.Input(c.input)
	}
	return json.RawMessage(`"` + strings.Repeat("x", max(c.size-len(`""`), 0)) + `"`)
}

// plan is all calls of a scenario in the order of their times.
func plan(sc *scenario.Scenario) []call {
	var all []call
	for _, l := range draws.Loads(sc) {
		for {
			at, more := l.Next()
			if !more {
				break
			}
			c := call{load: l.Decl, function: l.Function, at: at}
			c.size = l.Size()
			c.took, c.timed = l.Took()
			c.input, c.key = l.Brings()
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b call) int { return cmp.Compare(a.at, b.at) })
	return all
}
