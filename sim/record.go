package sim

import (
	"simplane/core"
	"simplane/core/recording"
	"simplane/sim/scenario"
)

// keeper is the recorder of a run that keeps a recording.
type keeper struct{ rec *recording.Recording }

// Step implements core.Recorder.
func (k *keeper) Step(s core.Step) {
	switch {
	case k.rec.Dropped != "":
	case len(k.rec.Steps) == recording.MaxSteps:
		k.rec.Dropped = "the run has more steps than a recording may have"
	default:
		k.rec.Steps = append(k.rec.Steps, s)
	}
}

// Base implements core.Recorder.
func (k *keeper) Base(b *core.Base) {
	if k.rec.Dropped == "" {
		k.rec.Bases = append(k.rec.Bases, b)
	}
}

// begins is called with each process of a run.
func (k *keeper) begins(sc *scenario.Scenario, c *core.Core) {
	h := &k.rec.Header
	if h.Whole {
		k.rec.Dropped = "the process crashed; its successor is not recorded"
		return
	}
	cfg := c.Config()
	h.Why, h.Names, h.Whole, h.Config = "simulated: "+sc.Name, true, true, cfg.ForReplay()
}
