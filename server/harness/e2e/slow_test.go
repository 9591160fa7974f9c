//go:build slow

package e2e

import (
	"testing"

	"simplane/server/harness/node"
)

// A call that keeps a processor busy brings instances, one that only waits does
// not, at a target that is a share of a processor in earnest.
func TestSlowScaledByMeasuredCPU(t *testing.T) {
	f := start(t, node.Options{Args: quickScaling})
	busy, waiting := script(t, burnScript), script(t, stdioScript)
	f.registerScaledByCPU("busy", busy, 20)
	f.registerScaledByCPU("waiting", waiting, 20)
	waits := f.invokeAll("waiting", 1)
	burns := f.invokeAll("busy", 1) // most of a processor, for a target of a fifth
	f.eventually("three instances are ready", func() bool { return f.ready("busy") == 3 && len(node.Processes(busy)) == 3 })
	if n := f.gauge("function_replicas_desired", "waiting"); n != 1 {
		t.Errorf("%d instances are wanted for a call that uses no processor", n)
	}
	touch(t, beside(busy, "go"))
	touch(t, beside(waiting, "go"))
	burns()
	waits()
	f.eventually("one is left", func() bool { return f.ready("busy") == 1 && len(node.Processes(busy)) == 1 })
}
