package machine

import (
	"regexp"
	"testing"
	"time"
)

func TestClockFollowsTheMachineForwardOnly(t *testing.T) {
	c := NewClock()
	if d := time.Until(time.Unix(0, c.Now().Wall)); d.Abs() > time.Second {
		t.Fatalf("the clock is off by %v", d)
	}
	// The machine's clock was set an hour forward: seen from ours it is ahead.
	c.wall.Add(-int64(time.Hour))
	before := c.Now()
	if step := c.Rebase(); step < time.Hour-time.Second || step > time.Hour+time.Second {
		t.Errorf("found a step of %v", step)
	}
	if moved := time.Duration(c.Now().Wall - before.Wall); moved < time.Hour-time.Second {
		t.Errorf("followed by %v only", moved)
	}
	// It was set back: ours stays, so that no second happens twice.
	c.wall.Add(int64(time.Hour))
	before = c.Now()
	if step := c.Rebase(); step > -time.Hour+time.Second {
		t.Errorf("found a step of %v", step)
	}
	if c.Now().Wall < before.Wall {
		t.Error("the clock went back")
	}
	if c.Now().Mono < before.Mono {
		t.Error("elapsed time went back")
	}
}

func TestIDsAreUUIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := RandomIDs{}.NewID().String()
		if !uuidV4.MatchString(id) || seen[id] {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
	}
}

// uuidV4 is the text of a random UUID.
var uuidV4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
