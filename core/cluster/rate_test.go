package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// However members ask, answers are lost, and granters follow one another on clocks
// that differ: no window is granted of more than its limit.
func TestNoWindowIsGrantedTwice(t *testing.T) {
	for seed := range 500 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		limit := int64(1 + r.IntN(1000))
		members := 1 + r.IntN(5)
		now := uint64(1000)
		g := NewGranter(now, 0)
		g.SetLimit(limit)
		has := map[uint64]map[string]int64{}
		for range 300 {
			switch k := r.IntN(20); {
			case k == 0: // the granting node has died: another takes over after a while
				now += uint64(r.IntN(3))
				g = NewGranter(now, 0)
				g.SetLimit(limit)
			case k == 1: // or has given up in order, and the next one's clock is elsewhere
				granted := g.Highest()
				now = now + uint64(r.IntN(3)) - 1
				g = NewGranter(now, granted)
				g.SetLimit(limit)
			case k < 6:
				now++
			default:
				name, second := fmt.Sprint(r.IntN(members)), now+uint64(r.IntN(4))-1
				got := g.Ask(name, second, r.Int64N(2*limit), members, now)
				if has[second] == nil {
					has[second] = map[string]int64{}
				}
				has[second][name] = max(has[second][name], got)
				sum := int64(0)
				for _, n := range has[second] {
					sum += n
				}
				if sum > limit {
					t.Fatalf("seed %d: %d of %d granted of window %d: %v", seed, sum, limit, second, has[second])
				}
			}
		}
	}
}

// One member that has all the load gets nearly all places; members with equal loads
// get equal ones.
func TestPlacesFollowTheLoad(t *testing.T) {
	run := func(loads []int64) []int64 {
		g := NewGranter(0, 0)
		g.SetLimit(1000)
		used := make([]int64, len(loads))
		for second := uint64(5); second < 15; second++ {
			granted := make([]int64, len(loads))
			for i := range loads { // before it begins
				granted[i] = g.Ask(fmt.Sprint(i), second, Want(used[i], 0, 1000, len(loads), true), len(loads), second-1)
			}
			clear(used)
			for part := range int64(5) { // five times in its course
				for i, load := range loads {
					used[i] = min(load*(part+1)/5, granted[i])
					granted[i] = g.Ask(fmt.Sprint(i), second, Want(used[i], granted[i], 1000, len(loads), false), len(loads), second)
				}
			}
		}
		return used
	}
	if got := run([]int64{2000, 0, 0}); got[0] < 750 {
		t.Errorf("one of three has all the load: %v of 1000 were used", got)
	}
	if got := run([]int64{300, 300, 300}); got[0] < 290 || got[1] < 290 || got[2] < 290 {
		t.Errorf("300 each of 1000: %v were used", got)
	}
}
