package api

import (
	"testing"
	"time"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/machine"
)

// A caller that joined an execution under its idempotency key must not be told
// "timeout" at once because the function was deleted meanwhile: what runs
// still ends, and ends once for all its callers.
func TestJoiningADeletedFunctionsExecutionWaitsForItsEnd(t *testing.T) {
	c, err := core.New(core.Config{}, machine.NewClock(), machine.RandomIDs{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, image, limit := "f", "i", 1500
	spec, err := funcspec.Resolve(funcspec.Input{Name: &name, TimeoutMillis: &limit, Image: &image})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec); err != nil {
		t.Fatal(err)
	}
	if got := functionTimeout(c, "f"); got != 1500*time.Millisecond {
		t.Errorf("limit %v, want the function's 1.5s", got)
	}
	if _, err := c.Delete("f"); err != nil {
		t.Fatal(err)
	}
	if got := functionTimeout(c, "f"); got < time.Hour {
		t.Errorf("limit %v once the function is gone: the caller would give up before the execution ends", got)
	}
}
