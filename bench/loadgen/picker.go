package loadgen

import (
	"math/rand/v2"

	"simplane/bench/weighted"
)

// Pick is what a request asks for: a target of the mix, and which of its URLs.
type Pick struct{ Target, Path int32 }

// Picker draws the requests of a mix. Its sequence is that of its seed. It is
// used by one goroutine.
type Picker struct {
	rng     *rand.Rand
	mix     *weighted.Choice   // nil with one target
	targets []*weighted.Choice // nil where a target has one URL
}

// NewPicker draws from targets that Options.Validate accepts. Sequences of one
// seed differ by stream.
func NewPicker(targets []Target, seed, stream uint64) *Picker {
	p := &Picker{rng: rand.New(rand.NewPCG(seed, stream)), targets: make([]*weighted.Choice, len(targets))}
	weights := make([]float64, len(targets))
	for i, t := range targets {
		if weights[i] = float64(t.Weight); t.Paths != nil {
			p.targets[i] = t.Paths.choice
		}
	}
	if len(targets) > 1 {
		p.mix, _ = weighted.New(weights) // validated
	}
	return p
}

// Next draws a request.
func (p *Picker) Next() Pick {
	var out Pick
	if p.mix != nil {
		out.Target = int32(p.mix.Draw(p.rng)) // #nosec G115 -- at most MaxTargets
	}
	if c := p.targets[out.Target]; c != nil {
		out.Path = int32(c.Draw(p.rng)) // #nosec G115 -- at most MaxPaths
	}
	return out
}
