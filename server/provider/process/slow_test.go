//go:build slow

package process

import (
	"testing"
	"time"

	"simplane/server/provider"
)

// A program takes its time from its start until it reads its input; what it does
// with that is not part of it.
func TestSlowInitDurationIsTheTimeUntilTheInputIsRead(t *testing.T) {
	p := start(t, Options{})
	d := provider.Deployment{Name: "slow", RuntimeMode: provider.STDIO,
		RuntimeCommand: `sleep 0.3; read line; sleep 0.5; echo '{"output":1}'; read line`}
	provision(t, p, d)
	began := time.Now()
	r := invoke(t, p, "slow", `1`)
	took := time.Since(began)
	wantOutput(t, r, `1`)
	// The look before the one that sees it may have been at two thirds of the time.
	if r.InitDuration < 200*time.Millisecond || r.InitDuration > took-400*time.Millisecond {
		t.Errorf("ready after %v, and answered after %v", r.InitDuration, took)
	}
}
