package machine

import (
	"sync"
	"testing"
	"time"
)

// step makes the machine's clock look as if it had been set by d since the
// last look: the machine's own cannot be changed by a test.
func (c *Clock) step(d time.Duration) { c.wall.Add(-int64(d)) }

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if diff := (got - want).Abs(); diff > time.Minute { // a machine may sleep in between, but not by hours
		t.Errorf("%s: %v, want about %v", what, got, want)
	}
}

func TestClockSteps(t *testing.T) {
	for _, tc := range []struct {
		name     string
		step     time.Duration
		followed bool
	}{
		{"none", 0, false},
		{"forward a little, as NTP slews", 200 * time.Millisecond, false},
		{"forward an hour", time.Hour, true},
		{"forward ten years", 10 * 365 * 24 * time.Hour, true},
		{"back an hour", -time.Hour, false},
		{"back ten years", -10 * 365 * 24 * time.Hour, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewClock()
			c.step(tc.step)
			before := c.Now()
			near(t, "the step found", c.Rebase(), tc.step)
			after := c.Now()
			if after.Wall < before.Wall || after.Mono < before.Mono {
				t.Errorf("the reading went back: %+v, then %+v", before, after)
			}
			moved := time.Duration(after.Wall - before.Wall)
			if tc.followed {
				near(t, "the reading moved", moved, tc.step)
				near(t, "a second look finds", c.Rebase(), 0)
				near(t, "the reading is the machine's", time.Duration(time.Now().UnixNano()-c.Now().Wall), 0)
			} else {
				near(t, "the reading moved", moved, 0)
			}
			near(t, "elapsed time moved", time.Duration(after.Mono-before.Mono), 0)
		})
	}
}

// Readers on all threads never see the clock go back while it is rebased.
func TestClockNeverGoesBackWhileItIsStepped(t *testing.T) {
	c := NewClock()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := c.Now()
			for {
				select {
				case <-stop:
					return
				default:
				}
				now := c.Now()
				if now.Wall < last.Wall || now.Mono < last.Mono {
					t.Errorf("the reading went back: %+v, then %+v", last, now)
					return
				}
				last = now
			}
		})
	}
	for range 2000 {
		c.Rebase() // nothing to follow
		c.wall.Add(int64(2 * time.Second))
	}
	close(stop)
	readers.Wait()
}
