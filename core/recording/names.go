package recording

import (
	"fmt"
	"slices"

	"simplane/core"
)

// nameless is a base whose function and metrics have numbers for names: those of
// its registration, and of the metric in its list. So they are the same in all
// recordings of a process.
func nameless(b *core.Base) *core.Base {
	if b.Spec == nil {
		return hideMetrics(b)
	}
	hidden, spec := *b, *b.Spec
	spec.Name = fmt.Sprintf("function-%d", b.Domain)
	spec.ScalingConfig = numbered(spec.ScalingConfig)
	hidden.Spec = &spec
	return hideMetrics(&hidden)
}

func hideMetrics(b *core.Base) *core.Base {
	if b.Autoscale == nil {
		return b
	}
	hidden, scale := *b, *b.Autoscale
	scale.Config = *numbered(&scale.Config)
	hidden.Autoscale = &scale
	return &hidden
}

func numbered(c *core.ScalingConfig) *core.ScalingConfig {
	if c == nil {
		return nil
	}
	hidden := *c
	hidden.Metrics = slices.Clone(c.Metrics)
	for i := range hidden.Metrics {
		if m := &hidden.Metrics[i]; m.Name != "" {
			m.Name = fmt.Sprintf("metric-%d", i+1)
		}
	}
	return &hidden
}
