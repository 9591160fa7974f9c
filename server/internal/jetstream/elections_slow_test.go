//go:build slow

package jetstream

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"simplane/core/cluster"
)

// TestSlowLeaderLost: when the server that leads is killed or stands still, another
// process writes again before leases end (4.5 s after the last renewal was sent).
func TestSlowLeaderLost(t *testing.T) {
	all := startProcesses(t)
	any := patient{all}
	at, err := any.Claim(within(t), 0, owner("a"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 6 {
		time.Sleep(3 * time.Second) // all are up to date
		leader := -1
		for leader < 0 {
			for i, p := range all {
				if a, err := p.call(within(t), "Leader", Call{}); err == nil && a.Leader == p.spec.Name {
					leader = i
				}
			}
		}
		other, began := all[(leader+1)%3], time.Now()
		if round%2 == 0 {
			all[leader].kill()
		} else if err := all[leader].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		_, err := other.Commit(within(t), fmt.Sprint("id", round), []cluster.StoredFrame{frame(0, at, "x")})
		took := time.Since(began)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %s written again after %v", round, []string{"killed", "paused"}[round%2], took.Round(time.Millisecond))
		if took > 5*time.Second {
			t.Errorf("round %d: nobody could write for %v", round, took)
		}
		if round%2 == 0 {
			all[leader].start(t)
		} else if err := all[leader].cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
}
